"""What every renderer of one decision needs to know: the words of the pathway, the time zone, and where things are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any

from service.domain.evidence import Holder, PersonRecord
from service.domain.follow_up_task import FollowUpTask
from service.domain.intents import Decision
from service.domain.pathway import Pathway
from service.domain.vocabulary import FieldId, GateId, Reference, RoleId, StageId, TaskId
from service.fhir import systems
from service.fhir.references import mapping
from service.fhir.times import fhir_time, spoken_time
from service.ports import Resource


class NotRead(KeyError):
    """Use this when a resource should be updated that was not handed over as read: its other elements would be lost."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(
            f"{reference} is to be updated but is not among the resources as read; pass it in `existing`"
        )


@dataclass(frozen=True, kw_only=True)
class Context:
    """One decision being rendered."""

    decision: Decision
    pathway: Pathway
    record: PersonRecord
    labels: Sequence[Mapping[str, Any]]
    existing: Mapping[Reference, Resource] = field(repr=False)
    recorded_at: datetime
    software_version: str = ""

    @property
    def zone(self) -> tzinfo:
        return self.pathway.calendar.timezone

    def at(self, moment: datetime) -> str:
        """For machines."""
        return fhir_time(moment, self.zone)

    def say(self, moment: datetime) -> str:
        """For people."""
        return spoken_time(moment, self.zone)

    def as_read(self, reference: Reference) -> Resource:
        """The existing resource; NotRead when it was not handed over."""
        if reference not in self.existing:
            raise NotRead(reference)
        return self.existing[reference]

    # --- where things are ---------------------------------------------------------------------------------------

    @cached_property
    def _follow_ups(self) -> dict[str, str]:
        """Identifier of every follow-up and response Task -> its literal reference, or its full_url when new."""
        record, decision = self.record, self.decision
        found: dict[str, str] = {
            each.identifier: each.reference for each in record.follow_ups if each.reference
        }
        for seen in record.escalations:
            found |= {
                f"{seen.identifier}/{rung.number}": rung.reference for rung in seen.rungs if rung.reference
            }
        new = [each.identifier for each in decision.open]
        new += [f"{rung.escalation}/{rung.number}" for rung in decision.rungs if rung.write_task]
        return {value: systems.full_url(systems.FOLLOW_UP, value) for value in new} | found

    def follow_up(self, identifier: str) -> dict[str, Any]:
        """A Reference to a follow-up or response Task: literal or full_url where known, always with its identifier."""
        place = self._follow_ups.get(identifier)
        pointer = {"reference": place} if place else {}
        return {**pointer, "type": "Task", "identifier": {"system": systems.FOLLOW_UP, "value": identifier}}

    def identifier_of(self, reference: str) -> str | None:
        """Which follow-up or response Task a literal reference points to."""
        return next((name for name, place in self._follow_ups.items() if place == reference), None)

    def enrolment(self) -> dict[str, Any]:
        enrolment = self.decision.enrolment
        place = enrolment.reference or systems.full_url(systems.ENROLMENT, enrolment.identifier)
        return {"reference": place, "display": self.pathway.title}

    def escalation(self, identifier: str) -> dict[str, Any]:
        """A Reference to an escalation CarePlan, as read or about to be written."""
        decided = (each.reference for each in self.decision.escalations if each.identifier == identifier)
        seen = (each.reference for each in self.record.escalations if each.identifier == identifier)
        place = next((each for each in (*decided, *seen) if each), None)
        return {"reference": place or systems.full_url(systems.ESCALATION, identifier)}

    # --- the pathway's words --------------------------------------------------------------------------------------

    def stage_title(self, stage: StageId) -> str:
        return next((each.title for each in self.pathway.stages if each.id == stage), stage)

    def gate_title(self, gate: GateId | str) -> str:
        return next((each.title for each in self.pathway.gates if each.id == gate), gate)

    def field_title(self, name: FieldId) -> str:
        return next((each.title for each in self.pathway.required if each.id == name), name)

    def role_title(self, role: RoleId | str) -> str:
        return self.pathway.role_titles.get(RoleId(role), role)

    def task(self, task: TaskId | str) -> FollowUpTask | None:
        return next((each for stage in self.pathway.stages for each in stage.tasks if each.id == task), None)

    def task_title(self, task: TaskId | str) -> str:
        template = self.task(task)
        return template.title if template else task

    def name_of(self, reference: Reference | None) -> str:
        """How a person is called: on the roster, else in a Task they own, else by reference."""
        if reference is None:
            return "nobody yet"
        return self._names.get(reference, reference)

    @cached_property
    def _names(self) -> dict[Reference, str]:
        owners = (mapping(each.get("owner")) for each in self.existing.values())
        found = {
            Reference(str(each["reference"])): str(each["display"]) for each in owners if _is_named(each)
        }
        return found | {holder.reference: holder.display for holder in self._holders()}

    def _holders(self) -> list[Holder]:
        roster = self.record.roster
        accountable = [roster.accountable] if roster.accountable else []
        return [*accountable, *roster.directory, *roster.care_team, *roster.explicit.values()]


def _is_named(owner: Mapping[str, Any]) -> bool:
    return isinstance(owner.get("reference"), str) and isinstance(owner.get("display"), str)
