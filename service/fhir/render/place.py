"""Reserved places as Slot: given to an enrolment, or given back. Everything else on the Slot stays as it was read."""

from __future__ import annotations

from service.domain.intents import FreePlace, TakePlace
from service.fhir import systems
from service.fhir.capacities import other_identifiers
from service.fhir.render.context import Context
from service.fhir.render.elements import identifier, updated, with_extensions
from service.ports import Write


def take_place(intent: TakePlace, context: Context) -> Write:
    """The Slot is busy, and says for which enrolment and since when."""
    before = context.as_read(intent.reference)
    held = [*other_identifiers(before), identifier(systems.PLACE_HOLDER, intent.holder)]
    since = {"url": systems.HELD_SINCE, "valueDateTime": context.at(intent.taken_at)}
    slot = updated(before, {"identifier": held, "status": "busy"})
    return Write(
        resource=with_extensions(slot, [since], [systems.HELD_SINCE]),
        full_url=intent.reference,
        if_match=intent.version or None,
    )


def free_place(intent: FreePlace, context: Context) -> Write:
    """The Slot is free again, and says nothing about anybody."""
    before = context.as_read(intent.reference)
    slot = updated(before, {"identifier": list(other_identifiers(before)), "status": "free"})
    return Write(
        resource=with_extensions(slot, [], [systems.HELD_SINCE]),
        full_url=intent.reference,
        if_match=intent.version or None,
    )
