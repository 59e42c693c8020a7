"""Every decision about one person written once, each for itself: what is refused for one holds up no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.domain.intents import Decision
from service.ports import RecordFailure, RecordRefused, VersionConflict, Written


@dataclass(frozen=True, kw_only=True)
class Round:
    """What came of it."""

    written: Sequence[Written] = ()
    failures: Sequence[RecordFailure] = ()
    taken: Sequence[str] = ()
    """Enrolments that were to begin and are in the record already; perhaps under somebody else."""

    @property
    def conflicts(self) -> bool:
        """Whether somebody else wrote meanwhile."""
        return any(isinstance(failure, VersionConflict) for failure in self.failures)


def write_round(decisions: Sequence[Decision], write: Callable[[Decision], Sequence[Written]]) -> Round:
    """RecordUnavailable goes through: nothing more can be written now."""
    written: list[Written] = []
    failures: list[RecordFailure] = []
    taken: list[str] = []
    for decision in decisions:
        try:
            done = write(decision)
        except (RecordRefused, VersionConflict) as failure:
            failures.append(failure)
            is_there = isinstance(failure, VersionConflict)
        else:
            written += done
            is_there = bool(done) and not done[0].created
        if is_there and decision.enrolment.reference is None:
            taken.append(decision.enrolment.identifier)
    return Round(written=written, failures=failures, taken=taken)
