"""How all subscriptions and the canary stood when a worker last looked, in one small record that other processes show.

Names of subscriptions and plain words only: it is shown without a login.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from service.flow.listen import Hearing
from service.flow.send_canary import CanaryState, Flight


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One subscription."""

    hearing: Hearing
    status: str
    says: tuple[str, ...] = ()
    heard_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Everything at one moment."""

    at: datetime
    subscriptions: Mapping[str, Heard] = field(default_factory=dict)
    canary: CanaryState = field(default_factory=lambda: CanaryState(flight=Flight.OFF))
    problem: str = ""
    """Why the server's subscriptions could not be looked at; empty when they were."""

    @property
    def deaf(self) -> tuple[str, ...]:
        """Subscriptions that do not tell what they should."""
        return tuple(name for name, heard in self.subscriptions.items() if not heard.hearing.is_well)

    @property
    def is_well(self) -> bool:
        return not (self.deaf or self.problem or self.canary.flight is Flight.LOST)


def listening_mark(report: Listening) -> str:
    """The watermark of a report."""
    return json.dumps({**asdict(report), "at": report.at.isoformat()})


def listening(mark: str | None) -> Listening | None:
    """The report from its watermark; None when there is none, or it cannot be read."""
    try:
        kept = json.loads(mark or "")
        canary = kept["canary"]
        return Listening(
            at=datetime.fromisoformat(kept["at"]),
            subscriptions={str(name): _heard(each) for name, each in kept["subscriptions"].items()},
            canary=CanaryState(
                flight=Flight(canary["flight"]), says=str(canary["says"]), seconds=canary["seconds"]
            ),
            problem=str(kept["problem"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def changes_between(before: Listening | None, after: Listening) -> Iterator[tuple[str, bool]]:
    """A line for each thing that stands otherwise than when it was last looked at, and whether it is bad news."""
    known = before.subscriptions if before else {}
    unasked = [
        name
        for name, heard in after.subscriptions.items()
        if heard.hearing is Hearing.NOT_ASKED
        and (name not in known or known[name].hearing is not heard.hearing)
    ]
    if unasked:
        yield f"{len(unasked)} subscriptions are not on the server: throughline subscriptions apply", False
    for name, heard in after.subscriptions.items():
        was = known[name].hearing if name in known else Hearing.NOT_YET
        if name in unasked or heard.hearing is was or (heard.hearing.is_well and was.is_well):
            continue
        says = f" ({'; '.join(heard.says)})" if heard.says else ""
        yield f"subscription {name} is {heard.hearing.value}{says}", not heard.hearing.is_well
    lost = after.canary.flight is Flight.LOST
    was_lost = before is not None and before.canary.flight is Flight.LOST
    if lost and not was_lost:
        yield f"the canary is lost: {after.canary.says}", True
    if was_lost and after.canary.flight is Flight.BACK:
        yield f"the canary is back: {after.canary.says}", False


def as_details(report: Listening | None) -> dict[str, Any]:
    """For `/readyz`: a state in one word, and what is behind it."""
    if report is None:
        return {"state": "not looked at yet"}
    return {
        "state": "well" if report.is_well else "care",
        "as of": report.at.isoformat(),
        "subscriptions": {name: heard.hearing.value for name, heard in report.subscriptions.items()},
        "canary": report.canary.flight.value,
        **({"problem": report.problem} if report.problem else {}),
    }


def _heard(kept: Mapping[str, Any]) -> Heard:
    return Heard(
        hearing=Hearing(kept["hearing"]),
        status=str(kept["status"]),
        says=tuple(str(each) for each in kept["says"]),
        heard_at=kept["heard_at"],
    )
