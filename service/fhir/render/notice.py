"""One rung of an escalation: the response Task that asks somebody to act, and the Communication that tells them."""

from __future__ import annotations

from service.domain.intents import RaiseRung
from service.fhir import systems
from service.fhir.labels import labelled
from service.fhir.render.context import Context
from service.fhir.render.elements import compact, concept, encounter_of, identifier, person, role_type
from service.fhir.render.follow_up import new_task, new_task_write
from service.fhir.render.narrative import narrative
from service.ports import Write


def raise_rung(rung: RaiseRung, context: Context) -> list[Write]:
    """The Task first: a notice without anything to answer would be worse than the other way round."""
    task = [_response(rung, context)] if rung.write_task else []
    return [*task, _communication(rung, context)]


def _response(rung: RaiseRung, context: Context) -> Write:
    value = rung_identifier(rung)
    missed_at = next(
        (each.missed_at for each in context.decision.escalations if each.identifier == rung.escalation), None
    )
    extension = [{"url": systems.MISSED_AT, "valueDateTime": context.at(missed_at)}] if missed_at else []
    task = compact(
        {
            **new_task(value, f"Respond to escalation: {_title(rung, context)}", context),
            "extension": extension,
            "basedOn": [context.escalation(rung.escalation)],
            "groupIdentifier": identifier(systems.ESCALATION, rung.escalation),
            "priority": rung.priority.value,
            "description": rung.asked,
            "focus": context.follow_up(about(rung.escalation)),
            "authoredOn": context.at(rung.raised_at),
            "lastModified": context.at(rung.raised_at),
            "performerType": role_type(rung.recipient_role, context.role_title(rung.recipient_role)),
            "owner": person(rung.recipient),
            "reasonCode": {"text": rung.why},
            "restriction": {
                "period": {
                    "start": context.at(rung.raised_at),
                    "end": context.at(max(rung.respond_by, rung.raised_at)),
                }
            },
        }
    )
    return new_task_write(value, task, context)


def _communication(rung: RaiseRung, context: Context) -> Write:
    value, enrolment = rung_identifier(rung), context.decision.enrolment
    plan = context.escalation(rung.escalation)
    said = message(rung, context)
    communication = compact(
        {
            "resourceType": "Communication",
            "text": narrative(
                f"Escalation: {_title(rung, context)}", [f"To: {rung.recipient.display}", *said]
            ),
            "identifier": [identifier(systems.NOTICE, value)],
            "basedOn": [plan],
            "status": "completed",
            "category": [concept(systems.COMMUNICATION_CATEGORY, "alert", display="Alert")],
            "priority": rung.priority.value,
            "subject": {"reference": enrolment.person},
            "about": [context.follow_up(about(rung.escalation)), plan],
            **encounter_of(enrolment.anchor),
            "sent": context.at(rung.raised_at),
            "recipient": [person(rung.recipient)],
            "sender": systems.software(context.software_version),
            "reasonCode": [{"text": rung.why}],
            "payload": [{"contentString": "\n".join(said)}],
        }
    )
    return Write(
        resource=labelled(communication, context.labels),
        full_url=systems.full_url(systems.NOTICE, value),
        create_if_none=systems.condition(systems.NOTICE, value),
    )


def message(rung: RaiseRung, context: Context) -> list[str]:
    """Why, what is asked, and by when."""
    return [rung.why, rung.asked, f"Please respond by {context.say(rung.respond_by)}."]


def rung_identifier(rung: RaiseRung) -> str:
    return f"{rung.escalation}/{rung.number}"


def about(escalation: str) -> str:
    """The identifier of the follow-up that an escalation is about."""
    return escalation.rsplit("/", 1)[0]


def _title(rung: RaiseRung, context: Context) -> str:
    planned = (each.task_title for each in context.decision.escalations if each.identifier == rung.escalation)
    return next(planned, context.task_title(about(rung.escalation).split("/")[-2]))
