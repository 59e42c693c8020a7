"""The clinic's own system, in which people answer their follow-ups: accept, refuse, complete, write down, hand over."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tests.builders import GATE, REQUIRED_FIELD, Json, coded
from tests.journeys.cast import name_of
from tests.journeys.fhir_server import FhirServer

FOLLOW_UP = "https://throughline.example/fhir/identifier/follow-up"
OPEN = frozenset({"draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold"})


class Clinic:
    """What owners do with their Tasks, at the present instant. Task ids are those of the pathway files."""

    def __init__(self, fhir: FhirServer, now: Callable[[], datetime], settle: Callable[[], None]) -> None:
        self._fhir = fhir
        self._now = now
        self._settle = settle

    # --- follow-ups

    def accepts(self, person: str, *tasks: str) -> None:
        for task in tasks:
            self._answer(self.task(person, task), "accepted")

    def accepts_all_but(self, person: str, *left: str) -> None:
        """Every open follow-up is taken on, except those."""
        for task in self._tasks(person):
            parts = identifier(task).split("/")
            if len(parts) == 5 and parts[3] not in left and task["status"] == "requested":
                self._answer(task, "accepted")

    def rejects(self, person: str, task: str, reason: str) -> None:
        self._answer(self.task(person, task), "rejected", reason=reason)

    def completes(self, person: str, *tasks: str, records: Mapping[str, Any] | None = None) -> None:
        for task in tasks:
            self._answer(self.task(person, task), "completed", records=records)

    def fails(
        self, person: str, task: str, *, records: Mapping[str, Any] | None = None, reason: str = ""
    ) -> None:
        self._answer(self.task(person, task), "failed", records=records, reason=reason)

    def holds(self, person: str, task: str, reason: str) -> None:
        self._answer(self.task(person, task), "on-hold", reason=reason)

    def cancels(self, person: str, task: str, reason: str) -> None:
        self._answer(self.task(person, task), "cancelled", reason=reason)

    def notes(self, person: str, task: str, **records: str) -> None:
        """Something is written down on the follow-up while it goes on; field ids with `_` for `-`."""
        found = {field.replace("_", "-"): value for field, value in records.items()}
        current = self.task(person, task)
        self._answer(current, current["status"], records=found)

    def waives(self, person: str, task: str, gate: str, reason: str) -> None:
        """The owner of a follow-up writes down on it that a gate need not hold, and why."""
        current = self.task(person, task)
        self._answer(current, current["status"], waives={gate: reason})

    def hands_over(self, person: str, task: str, to: str) -> None:
        """Another member of staff takes the follow-up over."""
        owner = {"reference": f"PractitionerRole/{to}-role", "display": name_of(to)}
        self._fhir.put(self._at_present({**self.task(person, task), "owner": owner}))

    # --- escalations

    def acknowledges(self, person: str, task: str) -> None:
        """Whoever the newest rung of an escalation about this follow-up asked takes it on."""
        self._answer(self.response(person, task), "accepted")

    def finishes_response(self, person: str, task: str) -> None:
        self._answer(self.response(person, task), "completed")

    # --- finding

    def task(self, person: str, task: str) -> Json:
        """The newest occurrence."""
        found = [t for t in self._tasks(person) if identifier(t).split("/")[3:-1] == [task]]
        assert found, f"there is no follow-up {task} about {person}"
        return max(found, key=lambda t: int(identifier(t).rpartition("/")[2]))

    def response(self, person: str, task: str) -> Json:
        """The newest open response Task of the escalations about this follow-up."""
        parts = ((identifier(t).split("/"), t) for t in self._tasks(person) if t["status"] in OPEN)
        found = [(int(p[4]), int(p[6]), t) for p, t in parts if len(p) == 7 and p[3] == task]
        assert found, f"no escalation about {task} asks anybody to respond"
        return max(found, key=lambda each: each[:2])[2]

    def _tasks(self, person: str) -> list[Json]:
        self._settle()
        return [t for t in self._fhir.search("Task", patient=f"Patient/{person}") if identifier(t)]

    def _answer(
        self,
        task: Json,
        status: str,
        *,
        records: Mapping[str, Any] | None = None,
        waives: Mapping[str, str] | None = None,
        reason: str = "",
    ) -> None:
        """Written over the version that was read, as a careful system does."""
        self._fhir.put(self.answered(task, status, records=records, waives=waives, reason=reason))

    def answered(
        self,
        task: Json,
        status: str | None,
        *,
        records: Mapping[str, Any] | None = None,
        waives: Mapping[str, str] | None = None,
        reason: str = "",
    ) -> Json:
        """The Task as its owner leaves it now; without a status, only with what is written down on it."""
        changed = copy.deepcopy(task)
        changed["status"] = status or task["status"]
        if reason:
            changed["statusReason"] = {"text": reason}
        outputs = [_output(REQUIRED_FIELD, field, value) for field, value in (records or {}).items()]
        outputs += [_output(GATE, gate, why) for gate, why in (waives or {}).items()]
        if outputs:
            changed["output"] = [*changed.get("output", []), *outputs]
        return self._at_present(changed)

    def _at_present(self, changed: Json) -> Json:
        """On a clock that stands still, an answer at the instant of the question would look as if it had no time."""
        assert datetime.fromisoformat(changed["lastModified"]) < self._now(), (
            "let time pass before anybody answers"
        )
        return {**changed, "lastModified": self._now().isoformat()}


def identifier(task: Mapping[str, Any]) -> str:
    """`<pathway>/<Type>/<id>/<task>/<occurrence>`, two parts more on a response; empty when it is not Throughline's."""
    return next((i["value"] for i in task.get("identifier", []) if i.get("system") == FOLLOW_UP), "")


def _output(system: str, code: str, value: Any) -> Json:
    return {"type": coded(system, code), **(value if isinstance(value, Mapping) else {"valueString": value})}
