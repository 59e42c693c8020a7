"""What of ours stood under the wrong record, as it stands under the right one: with the reason on it.

The wrong one was merged away, or is somebody else's. Owners of open work are told first: a crash between two writes may
tell twice of one move, never of none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
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
from service.fhir.status_mark import marked, status_mark
from service.fhir.times import fhir_time, parse_time
from service.ports import Resource, Write

DONE = frozenset({"completed", "failed", "rejected"})
"""Statuses in which somebody says that they dealt with it."""


class Reason(StrEnum):
    """Why work moves; the word is part of the identifier of what its owner is told."""

    MERGED = "moved"
    """It stood under a record of the same person that was merged away."""
    BELONGS = "returned"
    """It stood under somebody else's record: a merge was taken back, or what began it named the wrong person."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """From one or more records to another."""

    to: Reference
    now: datetime
    zone: tzinfo
    software_version: str = ""
    why: Reason = Reason.MERGED
    came_from: tuple[Reference, ...] = ()
    """What the enrolment remembers from then on: of a return instead of what it remembered, else besides."""

    def reason(self, whose: Reference) -> str:
        """In words, for people."""
        if self.why is Reason.MERGED:
            return f"the record {whose} was merged into {self.to}: {SAME}"
        return f"what began this is about {self.to} by now, not about {whose}: {OTHER}"

    def at(self, moment: datetime) -> str:
        return fhir_time(moment, self.zone)


def moved(ours: Sequence[tuple[Resource, Reference]], move: Move) -> list[Write]:
    """Every write, in the order in which they are safe one by one; `ours`: (resource as read, whose it was)."""
    if not ours:
        return []
    labels = high_water(resource for resource, _ in ours)
    tasks = [each for each in ours if each[0]["resourceType"] == "Task"]
    said = [each for each in ours if each[0]["resourceType"] == "Communication"]
    plans = [each for each in ours if each[0]["resourceType"] == "CarePlan"]
    plans.sort(key=lambda each: bool(identifier_values(each[0], systems.ENROLMENT)))
    writes = [_notice(task, whose, move) for task, whose in tasks if _concerns_its_owner(task, move)]
    writes += [_moved_task(task, whose, move) for task, whose in tasks]
    writes += [_update(each, _noted(resolved(each, {whose: move.to}), whose, move)) for each, whose in said]
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
    if move.why is Reason.BELONGS:
        marks = [_came(each) for each in move.came_from]
        return _update(plan, with_extensions(kept, marks, [systems.MOVED_FROM]))
    marks = [_came(each) for each in dict.fromkeys((whose, *move.came_from))]
    return _update(plan, {**kept, "extension": [*kept["extension"], *marks]})


def _came(whose: Reference) -> Json:
    return {"url": systems.MOVED_FROM, "valueString": whose}


def _noted(body: Json, whose: Reference, move: Move) -> Json:
    note = {"authorString": "Throughline", "time": move.at(move.now), "text": move.reason(whose)}
    return {**body, "note": [*mappings(body.get("note")), note]}


def _update(before: Resource, body: Json) -> Write:
    return Write(resource=body, full_url=str(reference_to(before)), if_match=version_of(before) or None)


def _concerns_its_owner(task: Resource, move: Move) -> bool:
    return task.get("status") in OPEN or (move.why is Reason.BELONGS and _was_done_there(task, move))


def _was_done_there(task: Resource, move: Move) -> bool:
    """Whether it was closed while it stood under the record of somebody else: perhaps for the wrong person."""
    if task.get("status") not in DONE:
        return False
    notes = [each for each in mappings(task.get("note")) if str(each.get("text")).endswith(SAME)]
    came = max((at for each in notes if (at := parse_time(each.get("time"), move.zone))), default=None)
    closed = status_mark(task, move.zone).status_since
    return came is None or closed is None or closed >= came


def _notice(task: Resource, whose: Reference, move: Move) -> Write:
    """To whoever holds it: where it stands now, and what is asked of them."""
    about = identifier_values(task, systems.FOLLOW_UP)[0]
    value = f"{about}/{move.why.value}/{move.to.partition('/')[2]}{_again(task, whose, move)}"
    owner, title = mapping(task.get("owner")), text_of(mapping(task.get("code")).get("text")) or "Follow-up"
    said = _words(task, title, whose, move)
    communication = compact(
        {
            "resourceType": "Communication",
            "text": narrative(f"Moved: {title}", [f"To: {text_of(owner.get('display'))}", *said]),
            "identifier": [identifier(systems.NOTICE, value)],
            "status": "completed",
            "category": [concept(systems.COMMUNICATION_CATEGORY, "notification", display="Notification")],
            "priority": "routine" if move.why is Reason.MERGED else "urgent",
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
            "reasonCode": [{"text": move.reason(whose)}],
            "payload": [{"contentString": "\n".join(said)}],
        }
    )
    return Write(
        resource=communication,
        full_url=systems.full_url(systems.NOTICE, value),
        create_if_none=systems.condition(systems.NOTICE, value),
    )


def _again(task: Resource, whose: Reference, move: Move) -> str:
    """A move that was made before, and undone since, is told anew: `/<how often before>`."""
    before = sum(each.get("text") == move.reason(whose) for each in mappings(task.get("note")))
    return f"/{before}" if before else ""


def _words(task: Resource, title: str, whose: Reference, move: Move) -> list[str]:
    why = f"Why: {move.reason(whose)}."
    if move.why is Reason.MERGED:
        where = f"{title}: this stands in another record of the same person now."
        return [where, why, "It is yours as before, with the same times."]
    if task.get("status") in OPEN:
        where = f"{title}: this stands in the record of another person now."
        return [where, why, "It is yours as before, with the same times.", CHECK]
    where = f"{title}: this was done while it stood in the record of another person."
    return [where, why, CHECK]


def _provenance(writes: Sequence[Write], whose: Iterable[Reference], move: Move) -> Write:
    told = [f"{each.full_url} {each.if_match or ''}" for each in writes]
    code = uuid5(NAMESPACE_URL, " ".join([f"{move.why.value} to {move.to}", *sorted(told)])).hex
    agent = {
        "type": concept(systems.PROVENANCE_PARTICIPANT, "assembler", display="Assembler"),
        "who": systems.software(move.software_version),
    }
    provenance = {
        "resourceType": "Provenance",
        "meta": {"tag": [{"system": systems.DECISION, "code": code}]},
        "target": [{"reference": each.full_url} for each in writes],
        "recorded": move.at(move.now),
        "activity": {"text": "; ".join(move.reason(each) for each in whose)},
        "agent": [agent],
    }
    return Write(
        resource=provenance,
        full_url=systems.full_url(systems.DECISION, code),
        create_if_none=f"_tag={systems.DECISION}|{code}",
    )


# --- wording ----------------------------------------------------------------------------------------------------

SAME = "both are of one person"
OTHER = "they are two people"
CHECK = "Check for whom it was done so far: if that was the other person, it is still to be done."
