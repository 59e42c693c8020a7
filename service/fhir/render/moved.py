"""What of ours stood under a record that was merged away, as it stands under the one that stays: with the reason on it.

Owners of open work are told first: a crash between two writes may tell twice of one move, never of none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from service.domain.vocabulary import OPEN, Reference
from service.fhir import systems
from service.fhir.full_urls import resolved
from service.fhir.labels import high_water, labelled
from service.fhir.read.elements import extension_value, text_of
from service.fhir.references import identifier_values, mapping, mappings, reference_to, version_of
from service.fhir.render.elements import Json, compact, concept, identifier, with_extensions
from service.fhir.render.narrative import narrative
from service.fhir.status_mark import marked
from service.fhir.times import fhir_time, parse_time
from service.ports import Resource, Write


@dataclass(frozen=True, kw_only=True)
class Move:
    """From records that were merged away to the one that stays."""

    to: Reference
    now: datetime
    zone: tzinfo
    software_version: str = ""

    def at(self, moment: datetime) -> str:
        return fhir_time(moment, self.zone)


def moved(ours: Sequence[tuple[Resource, Reference]], move: Move) -> list[Write]:
    """Every write, in the order in which they are safe one by one; `ours`: (resource as read, whose it was)."""
    if not ours:
        return []
    labels = high_water(resource for resource, _ in ours)
    tasks = [each for each in ours if each[0]["resourceType"] == "Task"]
    plans = [each for each in ours if each[0]["resourceType"] == "CarePlan"]
    plans.sort(key=lambda each: bool(identifier_values(each[0], systems.ENROLMENT)))
    writes = [_notice(task, whose, move) for task, whose in tasks if task.get("status") in OPEN]
    writes += [_moved_task(task, whose, move) for task, whose in tasks]
    rest = [_moved_plan(plan, whose, move) for plan, whose in plans]
    trail = _provenance([*writes, *rest], sorted({whose for _, whose in ours}), move)
    ordered = [*writes, *rest[:-1], trail, *rest[-1:]]
    return [_labelled(write, labels) for write in ordered]


def _labelled(write: Write, labels: Sequence[Any]) -> Write:
    return Write(
        resource=labelled(write.resource, labels),
        full_url=write.full_url,
        create_if_none=write.create_if_none,
        if_match=write.if_match,
    )


def _moved_task(task: Resource, whose: Reference, move: Move) -> Write:
    """As a write of ours that answers nothing: when its owner last spoke stays known."""
    moments = [parse_time(task.get(name), move.zone) for name in ("authoredOn", "lastModified")]
    noted_at = max([move.now, *(each for each in moments if each is not None)])
    mark = marked(task, status=text_of(task.get("status")), since=None, noted_at=noted_at, zone=move.zone)
    body = _noted(resolved(task, {whose: move.to}), whose, move) | {"lastModified": move.at(noted_at)}
    return _update(task, with_extensions(body, [mark], [systems.STATUS_SINCE]))


def _moved_plan(plan: Resource, whose: Reference, move: Move) -> Write:
    body = _noted(resolved(plan, {whose: move.to}), whose, move)
    if not identifier_values(plan, systems.ENROLMENT):
        return _update(plan, body)
    revision = extension_value(plan, systems.REVISION, "valueUnsignedInt")
    counted = {"url": systems.REVISION, "valueUnsignedInt": (revision or 0) + 1}
    kept = with_extensions(body, [counted], [systems.REVISION])
    came = {"url": systems.MOVED_FROM, "valueString": whose}
    return _update(plan, {**kept, "extension": [*kept["extension"], came]})


def _noted(body: Json, whose: Reference, move: Move) -> Json:
    note = {"authorString": "Throughline", "time": move.at(move.now), "text": reason(whose, move.to)}
    return {**body, "note": [*mappings(body.get("note")), note]}


def _update(before: Resource, body: Json) -> Write:
    return Write(resource=body, full_url=str(reference_to(before)), if_match=version_of(before) or None)


def _notice(task: Resource, whose: Reference, move: Move) -> Write:
    """To whoever holds it: where it stands now, and that it is theirs as before."""
    about = identifier_values(task, systems.FOLLOW_UP)[0]
    value = f"{about}/moved/{move.to.partition('/')[2]}"
    owner, title = mapping(task.get("owner")), text_of(mapping(task.get("code")).get("text")) or "Follow-up"
    said = [
        f"{title}: this stands in another record of the same person now.",
        f"Why: {reason(whose, move.to)}.",
        "It is yours as before, with the same times.",
    ]
    communication = compact(
        {
            "resourceType": "Communication",
            "text": narrative(f"Moved: {title}", [f"To: {text_of(owner.get('display'))}", *said]),
            "identifier": [identifier(systems.NOTICE, value)],
            "status": "completed",
            "category": [concept(systems.COMMUNICATION_CATEGORY, "notification", display="Notification")],
            "priority": "routine",
            "subject": {"reference": move.to},
            "about": [
                {
                    "reference": str(reference_to(task)),
                    "type": "Task",
                    "identifier": identifier(systems.FOLLOW_UP, about),
                }
            ],
            "sent": move.at(move.now),
            "recipient": [dict(owner)],
            "sender": systems.software(move.software_version),
            "reasonCode": [{"text": reason(whose, move.to)}],
            "payload": [{"contentString": "\n".join(said)}],
        }
    )
    return Write(
        resource=communication,
        full_url=systems.full_url(systems.NOTICE, value),
        create_if_none=systems.condition(systems.NOTICE, value),
    )


def _provenance(writes: Sequence[Write], whose: Iterable[Reference], move: Move) -> Write:
    told = [f"{each.full_url} {each.if_match or ''}" for each in writes]
    code = uuid5(NAMESPACE_URL, " ".join([f"moved to {move.to}", *sorted(told)])).hex
    agent = {
        "type": concept(systems.PROVENANCE_PARTICIPANT, "assembler", display="Assembler"),
        "who": systems.software(move.software_version),
    }
    provenance = {
        "resourceType": "Provenance",
        "meta": {"tag": [{"system": systems.DECISION, "code": code}]},
        "target": [{"reference": each.full_url} for each in writes],
        "recorded": move.at(move.now),
        "activity": {"text": "; ".join(reason(each, move.to) for each in whose)},
        "agent": [agent],
    }
    return Write(
        resource=provenance,
        full_url=systems.full_url(systems.DECISION, code),
        create_if_none=f"_tag={systems.DECISION}|{code}",
    )


def reason(whose: Reference, to: Reference) -> str:
    """In words, for people."""
    return f"the record {whose} was merged into {to}: both are of one person"
