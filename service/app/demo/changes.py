"""What has appeared or changed in a person's record by itself since the last look, in words. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from service.app.demo.staff import business_identifier
from service.ports import FhirRecord, Resource, Search

KINDS = ("Task", "CarePlan", "Communication")
CLOSED = frozenset({"completed", "cancelled", "rejected", "failed", "entered-in-error"})
WORTH_TELLING = frozenset({"acceptance-overdue", "overdue"})
"""Standings that are told although neither status nor owner has changed."""


@dataclass
class RecordWatch:
    """Remembers what was told, so that each change is told once and nobody is credited with another's."""

    record: FhirRecord
    zone: ZoneInfo
    _told: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def resources(self, patient: str) -> list[Resource]:
        """The person's tasks, plans and communications."""
        searches = [Search(kind=kind, params=(("patient", patient), ("_count", "200"))) for kind in KINDS]
        return [resource for found in self.record.search_all(searches) for resource in found]

    def knows(self, resource: Resource) -> None:
        """Somebody else made this change and it was told already."""
        self._told[_reference(resource)] = _gist(resource)

    def news(self, patient: str) -> Iterator[tuple[str, str]]:
        """(what, detail) for every resource that is new or says something else."""
        for resource in sorted(self.resources(patient), key=_order):
            before = self._told.get(_reference(resource))
            gist = _gist(resource)
            self._told[_reference(resource)] = gist
            if before != gist:
                yield self._in_words(resource, is_new=before is None)

    def _in_words(self, resource: Resource, *, is_new: bool) -> tuple[str, str]:
        match resource["resourceType"]:
            case "Task":
                return self._task(resource, is_new=is_new)
            case "CarePlan":
                return _plan(resource, is_new=is_new)
            case _:
                return _notice(resource)

    def _task(self, task: Resource, *, is_new: bool) -> tuple[str, str]:
        title = task.get("code", {}).get("text", "a follow-up")
        owner = task.get("owner", {}).get("display", "?")
        due = self._local(task.get("restriction", {}).get("period", {}).get("end"))
        if is_new:
            return f"Task for {owner}: {title}", f"due {due} · {_below_enrolment(task)}"
        if task["status"] in CLOSED:
            return f"Task “{title}” is {task['status']}", task.get("statusReason", {}).get("text", "")
        return (
            f"Task “{title}”, {owner}: {task.get('businessStatus', {}).get('text', task['status'])}",
            f"due {due}",
        )

    def _local(self, instant: str | None) -> str:
        if not instant:
            return "?"
        return f"{datetime.fromisoformat(instant).astimezone(self.zone):%a %d %b %H:%M}"


def _below_enrolment(task: Resource) -> str:
    """`contact-person/1` of `<pathway>/<Type>/<id>/contact-person/1`."""
    return "/".join(business_identifier(task).split("/")[3:])


def _gist(resource: Resource) -> tuple[str, ...]:
    """What makes a change worth telling."""
    status = resource.get("status", "")
    if resource["resourceType"] == "Task":
        codes = {c.get("code", "") for c in resource.get("businessStatus", {}).get("coding", [])}
        standing = "" if status in CLOSED else "".join(sorted(codes & WORTH_TELLING))
        return status, resource.get("owner", {}).get("reference", ""), standing
    if resource["resourceType"] == "CarePlan":
        return (
            status,
            _stage(resource),
            str(len(resource.get("activity", [])) if _is_escalation(resource) else ""),
        )
    return (status,)


def _plan(plan: Resource, *, is_new: bool) -> tuple[str, str]:
    verb = "opened" if is_new else "now" if plan["status"] == "active" else plan["status"]
    if _is_escalation(plan):
        support = [a["detail"].get("description", "") for a in plan.get("activity", []) if "detail" in a]
        return f"Escalation plan {verb}: {plan.get('title', '').removeprefix('Escalation: ')}", "; ".join(
            support
        )
    return f"Enrolment {verb}: {plan.get('title', '')}", f"stage: {_stage(plan)}"


def _notice(communication: Resource) -> tuple[str, str]:
    to = ", ".join(r.get("display", "?") for r in communication.get("recipient", []))
    text = next((p.get("contentString", "") for p in communication.get("payload", [])), "")
    return f"Communication to {to} ({communication.get('priority', 'routine')})", text.partition("\n")[0]


def _stage(plan: Resource) -> str:
    return next((e["valueCode"] for e in plan.get("extension", []) if e["url"].endswith("/stage")), "")


def _is_escalation(plan: Resource) -> bool:
    found = (c.get("code") for category in plan.get("category", []) for c in category.get("coding", []))
    return "escalation" in found


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _order(resource: Resource) -> tuple[int, str]:
    is_enrolment = resource["resourceType"] == "CarePlan" and not _is_escalation(resource)
    rank = len(KINDS) if is_enrolment else KINDS.index(resource["resourceType"])
    return rank, resource["meta"].get("lastUpdated", "")
