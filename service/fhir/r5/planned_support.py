"""CarePlan.activity in R5, where `detail` is gone: what is planned within the plan itself becomes a contained Task.

R5 asks for a request resource behind every planned activity. A contained one keeps the plan readable as a whole, lives
and ends with it, and is never taken for a follow-up of its own, because it has no identifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.fhir.r5.lenses import Json, Lens, Object, items, reasons, renamed, seen_as_r4, written_as_r5
from service.fhir.references import codings, mapping, mappings

ACTIVITY_STATUS = "http://hl7.org/fhir/care-plan-activity-status"
"""R4's code system; the exact word stays in Task.businessStatus, because Task.status knows fewer."""
PREFIX = "support-"
_STATUS: Mapping[str, str] = {
    "not-started": "draft",
    "scheduled": "requested",
    "in-progress": "in-progress",
    "on-hold": "on-hold",
    "completed": "completed",
    "cancelled": "cancelled",
    "stopped": "failed",
    "entered-in-error": "entered-in-error",
}
_IN_R4 = {task: activity for activity, task in _STATUS.items()} | {
    "accepted": "scheduled",
    "rejected": "cancelled",
}
_POINTERS = (
    renamed("reference", "plannedActivityReference"),
    reasons("performedActivity", ("outcomeCodeableConcept", "outcomeReference")),
)


def activities() -> Lens:
    """The activities of a CarePlan, with those that R4 says within the plan as contained Tasks."""
    return Lens(r4=("activity", "contained"), r5=("activity", "contained"), to_r4=_to_r4, to_r5=_to_r5)


def _to_r4(plan: Object) -> Json:
    inside = {f"#{each.get('id')}": each for each in mappings(plan.get("contained")) if _is_support(each)}
    found: list[Json] = []
    for activity in mappings(plan.get("activity")):
        pointer = mapping(activity.get("plannedActivityReference")).get("reference")
        if pointer in inside:
            rest = {name: value for name, value in activity.items() if name != "plannedActivityReference"}
            found.append({**seen_as_r4(rest, _POINTERS), "detail": _detail(inside[pointer])})
        else:
            found.append(seen_as_r4(activity, _POINTERS))
    return {
        "activity": found,
        "contained": [each for each in mappings(plan.get("contained")) if not _is_support(each)],
    }


def _to_r5(plan: Object, before: Object) -> Json:
    unplanned = items("activity", _POINTERS)
    contained: list[Any] = list(mappings(plan.get("contained")))
    found: list[Any] = []
    for number, activity in enumerate(mappings(plan.get("activity")), 1):
        if "detail" not in activity:
            found += unplanned.to_r5({"activity": [activity]}, before)["activity"]
            continue
        rest = {name: value for name, value in activity.items() if name != "detail"}
        contained.append(_support(f"{PREFIX}{number}", mapping(activity["detail"]), plan))
        pointer = {"plannedActivityReference": {"reference": f"#{PREFIX}{number}", "type": "Task"}}
        found.append({**written_as_r5(rest, {}, _POINTERS), **pointer})
    return {"activity": found, "contained": contained}


def _is_support(resource: Object) -> bool:
    return resource.get("resourceType") == "Task" and str(resource.get("id")).startswith(PREFIX)


def _support(name: str, detail: Object, plan: Object) -> Json:
    status = str(detail.get("status") or "unknown")
    performers = list(mappings(detail.get("performer")))
    task = {
        "resourceType": "Task",
        "id": name,
        "status": _STATUS.get(status, "draft"),
        "businessStatus": {"coding": [{"system": ACTIVITY_STATUS, "code": status}]},
        "intent": "plan",
        "description": detail.get("description"),
        "for": plan.get("subject"),
        "owner": next(iter(performers), None),
        "performer": [{"actor": each} for each in performers[1:]],
        "note": [{"text": by} for by in [detail.get("scheduledString")] if by],
    }
    return {member: value for member, value in task.items() if value}


def _detail(task: Object) -> Json:
    said = next(
        (code for system, code in codings(task.get("businessStatus")) if system == ACTIVITY_STATUS), "unknown"
    )
    # Whoever ticks it off in R5 changes Task.status; the word beside it then is an old one.
    status = (
        said
        if _STATUS.get(said, "draft") == task.get("status")
        else _IN_R4.get(str(task.get("status")), "unknown")
    )
    others = (mapping(each.get("actor")) for each in mappings(task.get("performer")))
    detail = {
        "status": status,
        "description": task.get("description"),
        "scheduledString": next((each.get("text") for each in mappings(task.get("note"))), None),
        "performer": [each for each in (mapping(task.get("owner")), *others) if each],
    }
    return {member: value for member, value in detail.items() if value}
