"""The Communication that tells whoever held a Task that it is cancelled, and why. Asks for nothing."""

from __future__ import annotations

from service.domain.intents import TellHolder
from service.fhir import systems
from service.fhir.labels import labelled
from service.fhir.render.context import Context
from service.fhir.render.elements import compact, concept, encounter_of, identifier, person
from service.fhir.render.narrative import narrative
from service.ports import Write


def tell_holder(told: TellHolder, context: Context) -> Write:
    """Written once for each Task, however often a closing is taken up again."""
    value, enrolment = f"{told.about}/cancelled", context.decision.enrolment
    said = [
        f"{told.title}: this is cancelled.",
        f"Why: {told.because}.",
        "Nothing more is asked of you here.",
    ]
    communication = compact(
        {
            "resourceType": "Communication",
            "text": narrative(f"Cancelled: {told.title}", [f"To: {told.holder.display}", *said]),
            "identifier": [identifier(systems.NOTICE, value)],
            "basedOn": [context.enrolment()],
            "status": "completed",
            "category": [concept(systems.COMMUNICATION_CATEGORY, "notification", display="Notification")],
            "priority": "routine",
            "subject": {"reference": enrolment.person},
            "about": [context.follow_up(told.about)],
            **encounter_of(enrolment.anchor),
            "sent": context.at(told.told_at),
            "recipient": [person(told.holder)],
            "sender": systems.software(context.software_version),
            "reasonCode": [{"text": told.because}],
            "payload": [{"contentString": "\n".join(said)}],
        }
    )
    return Write(
        resource=labelled(communication, context.labels),
        full_url=systems.full_url(systems.NOTICE, value),
        create_if_none=systems.condition(systems.NOTICE, value),
    )
