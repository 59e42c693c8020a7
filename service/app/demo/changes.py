"""What has changed in a person's record since the last look, in words for the timeline. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from service.app.demo.staff import business_identifier
from service.ports import FhirRecord, Resource, Search

KINDS = ("CarePlan", "Task", "Communication")


@dataclass
class RecordWatch:
    """Remembers versions, so that each change is told once."""

    record: FhirRecord
    zone: ZoneInfo
    _seen: dict[str, str] = field(default_factory=dict)

    def resources(self, patient: str) -> list[Resource]:
        """The person's plans, tasks and communications."""
        searches = [Search(kind=kind, params=(("patient", patient), ("_count", "200"))) for kind in KINDS]
        return [resource for found in self.record.search_all(searches) for resource in found]

    def news(self, patient: str) -> Iterator[tuple[str, str]]:
        """(what, detail) for every resource that is new or has a new version."""
        for resource in sorted(self.resources(patient), key=_order):
            reference, version = f"{resource['resourceType']}/{resource['id']}", resource["meta"]["versionId"]
            before = self._seen.get(reference)
            self._seen[reference] = version
            if before != version:
                told = self._told(resource, is_new=before is None)
                if told is not None:
                    yield told

    def _told(self, resource: Resource, *, is_new: bool) -> tuple[str, str] | None:
        match resource["resourceType"]:
            case "Task":
                return self._task(resource, is_new=is_new)
            case "CarePlan":
                return self._plan(resource, is_new=is_new)
            case _:
                return self._notice(resource) if is_new else None

    def _task(self, task: Resource, *, is_new: bool) -> tuple[str, str] | None:
        title = task.get("code", {}).get("text", "a follow-up")
        owner = task.get("owner", {}).get("display", "?")
        due = self._local(task.get("restriction", {}).get("period", {}).get("end"))
        if is_new:
            return f"Task for {owner}: {title}", f"due {due} · {business_identifier(task)}"
        status = task["status"]
        standing = task.get("businessStatus", {}).get("text") or ""
        return f"Task “{title}” is {status}", f"{owner} · {standing}".strip(" ·")

    def _plan(self, plan: Resource, *, is_new: bool) -> tuple[str, str] | None:
        kind = "Escalation plan" if _is_escalation(plan) else "Enrolment"
        verb = "opened" if is_new else "updated" if plan["status"] == "active" else plan["status"]
        stage = next((e["valueCode"] for e in plan.get("extension", []) if e["url"].endswith("/stage")), "")
        support = [a["detail"].get("description", "") for a in plan.get("activity", []) if "detail" in a]
        detail = f"stage: {stage}" if stage else "; ".join(support[:2])
        return f"{kind} {verb}: {plan.get('title', '')}", detail

    def _notice(self, communication: Resource) -> tuple[str, str]:
        to = ", ".join(r.get("display", "?") for r in communication.get("recipient", []))
        text = next((p.get("contentString", "") for p in communication.get("payload", [])), "")
        return f"Communication to {to} ({communication.get('priority', 'routine')})", text

    def _local(self, instant: str | None) -> str:
        if not instant:
            return "?"
        return f"{datetime.fromisoformat(instant).astimezone(self.zone):%a %d %b %H:%M}"


def _is_escalation(plan: Resource) -> bool:
    return any(
        c.get("code") == "escalation"
        for category in plan.get("category", [])
        for c in category.get("coding", [])
    )


def _order(resource: Resource) -> tuple[int, str]:
    return KINDS.index(resource["resourceType"]), resource["meta"].get("lastUpdated", "")
