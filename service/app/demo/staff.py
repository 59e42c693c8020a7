"""The clinic's record system, as its staff use it: they accept, reject, complete and write down what they found.

Works on the FHIR server like any other client; knows follow-ups by their business identifier only.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.app.demo.failing import StoryFailed
from service.ports import FhirRecord, Resource, Search, Write

FOLLOW_UP = "https://throughline.example/fhir/identifier/follow-up"
REQUIRED_FIELD = "https://throughline.example/fhir/CodeSystem/required-field"
OPEN_STATUSES = "draft,requested,received,accepted,ready,in-progress,on-hold"


class NoSuchFollowUp(StoryFailed):
    """Use this when the story expects a follow-up that the record does not hold."""


@dataclass(frozen=True, kw_only=True)
class StaffRoom:
    """What people at the clinic do with their Tasks."""

    record: FhirRecord

    def follow_ups(self, patient: str) -> list[Resource]:
        """Every Task about the person, follow-ups and responses to escalations alike."""
        return list(self.record.search(Search(kind="Task", params=(("patient", patient), ("_count", "200")))))

    def newest(self, patient: str, task: str) -> Resource:
        """The newest occurrence of a follow-up, e.g. `contact-person`."""
        found = [t for t in self.follow_ups(patient) if _parts(t)[-2:-1] == [task] and _is_follow_up(t)]
        if not found:
            message = f"no follow-up '{task}' stands in the record"
            raise NoSuchFollowUp(message)
        return max(found, key=lambda t: int(_parts(t)[-1]))

    def response(self, patient: str, task: str) -> Resource:
        """The newest open response that an escalation about this follow-up asked for."""
        found = [
            t for t in self.follow_ups(patient) if task in _parts(t) and not _is_follow_up(t) and _is_open(t)
        ]
        if not found:
            message = f"no escalation about '{task}' asks anybody to respond"
            raise NoSuchFollowUp(message)
        return max(found, key=lambda t: int(_parts(t)[-1]))

    def answer(
        self,
        task: Resource,
        status: str,
        at: datetime,
        *,
        found: Mapping[str, str] | None = None,
        reason: str = "",
    ) -> Resource:
        """Set the status as its owner would, with what was found as coded outputs; the Task as it then is."""
        changed: dict[str, Any] = copy.deepcopy(dict(task))
        changed["status"] = status
        changed["lastModified"] = at.isoformat()
        if reason:
            changed["statusReason"] = {"text": reason}
        outputs = [_output(field, value) for field, value in (found or {}).items()]
        if outputs:
            changed["output"] = [*changed.get("output", []), *outputs]
        reference = f"Task/{task['id']}"
        write = Write(resource=changed, full_url=reference, if_match=task["meta"]["versionId"])
        written = self.record.update(write)
        return {**changed, "meta": {**changed["meta"], "versionId": written.version}}


def business_identifier(task: Resource) -> str:
    """The follow-up identifier of a Task; empty when it is not one of ours."""
    return next((i["value"] for i in task.get("identifier", []) if i.get("system") == FOLLOW_UP), "")


def _parts(task: Resource) -> list[str]:
    return business_identifier(task).split("/")


def _is_follow_up(task: Resource) -> bool:
    """A follow-up is `<pathway>/<Type>/<id>/<task>/<occurrence>`; a response has two more parts."""
    return len(_parts(task)) == len(("pathway", "Type", "id", "task", "occurrence"))


def _is_open(task: Resource) -> bool:
    return task["status"] in OPEN_STATUSES.split(",")


def _output(field: str, value: str) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": REQUIRED_FIELD, "code": field}], "text": field},
        "valueString": value,
    }
