"""What operators read about decisions: how much was decided and by which rules, never about whom."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from hashlib import sha256

from service.domain.intents import Decision
from service.ports import Write

log = logging.getLogger("service.flow.reconcile")
"""Named after the step that it tells about."""


def _digest(identifier: str) -> str:
    return sha256(identifier.encode()).hexdigest()[:12]


def note_decision(decision: Decision, writes: Sequence[Write]) -> None:
    """One line per decision, for operators: which enrolment only as a digest, how much, and which rules spoke."""
    level = logging.INFO if writes else logging.DEBUG
    if not log.isEnabledFor(level):
        return
    enrolment = decision.enrolment
    log.log(
        level,
        "decided" if writes else "nothing to write",
        extra={
            "enrolment": _digest(enrolment.identifier),
            "pathway": enrolment.pathway,
            "stage": enrolment.stage,
            "revision": enrolment.revision,
            "opened": len(decision.open),
            "changed": len(decision.changes),
            "rungs": len(decision.rungs),
            "writes": len(writes),
            "rules": list(decision.rules),
        },
    )
