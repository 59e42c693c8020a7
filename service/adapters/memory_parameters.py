"""Which search parameters the record in memory knows, per resource type, with the elements they look at (R4 registry)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

CONTROL = frozenset(
    {"_count", "_sort", "_include", "_revinclude", "_total", "_summary", "_elements", "_format"}
)
"""Parameters that choose no resources."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """How to compare, and at which elements (dotted paths)."""

    kind: str
    paths: tuple[str, ...]


_EVERYWHERE = "token: _id=id _tag=meta.tag _security=meta.security identifier; date: _lastUpdated=meta.lastUpdated; uri: _profile=meta.profile _source=meta.source"  # fmt: skip
_OF_A_PERSON = "token: status code category type; reference: patient=subject,patient subject encounter"

_TYPES = {
    "Patient": "token: active gender deceased=deceasedBoolean telecom phone=telecom; string: name family=name.family given=name.given; date: birthdate=birthDate; reference: general-practitioner=generalPractitioner organization=managingOrganization link=link.other",
    "Practitioner": "token: active telecom; string: name family=name.family given=name.given",
    "PractitionerRole": "token: active role=code specialty; reference: practitioner organization location service=healthcareService; date: date=period",
    "Organization": "token: active type; string: name; reference: partof=partOf",
    "Location": "token: status type; string: name; reference: organization=managingOrganization partof=partOf",
    "HealthcareService": "token: active service-category=category service-type=type; reference: organization=providedBy location",
    "RelatedPerson": "token: active relationship; reference: patient; date: period=period",
    "Encounter": "token: class reason-code=reasonCode; reference: part-of=partOf participant=participant.individual service-provider=serviceProvider appointment episode-of-care=episodeOfCare location=location.location; date: date=period",
    "EpisodeOfCare": "token: ; reference: patient care-manager=careManager organization=managingOrganization; date: date=period",
    "Task": "token: intent priority business-status=businessStatus group-identifier=groupIdentifier performer=performerType; reference: patient=for subject=for focus based-on=basedOn part-of=partOf owner requester; date: authored-on=authoredOn modified=lastModified period=executionPeriod",
    "CarePlan": "token: intent; reference: part-of=partOf based-on=basedOn care-team=careTeam activity-reference=activity.reference performer=activity.detail.performer replaces; uri: instantiates-canonical=instantiatesCanonical instantiates-uri=instantiatesUri; date: date=period",
    "CareTeam": "reference: participant=participant.member; date: date=period",
    "Communication": "token: medium; reference: based-on=basedOn part-of=partOf recipient sender; date: sent received; uri: instantiates-canonical=instantiatesCanonical",
    "CommunicationRequest": "token: medium priority; reference: based-on=basedOn recipient sender requester; date: authored=authoredOn",
    "Provenance": "token: agent-type=agent.type agent-role=agent.role; reference: target patient=target agent=agent.who entity=entity.what; date: recorded when=occurredDateTime,occurredPeriod",
    "AuditEvent": "token: action outcome subtype; reference: entity=entity.what agent=agent.who patient=entity.what,agent.who; date: date=recorded",
    "Observation": "token: combo-code=code,component.code value-concept=valueCodeableConcept; reference: based-on=basedOn derived-from=derivedFrom performer; date: date=effectiveDateTime,effectivePeriod,effectiveInstant",
    "Condition": "token: clinical-status=clinicalStatus verification-status=verificationStatus severity; date: onset-date=onsetDateTime,onsetPeriod recorded-date=recordedDate",
    "Procedure": "reference: based-on=basedOn part-of=partOf; date: date=performedDateTime,performedPeriod",
    "ServiceRequest": "token: intent priority performer-type=performerType; reference: based-on=basedOn requester performer; date: authored=authoredOn occurrence=occurrenceDateTime,occurrencePeriod",
    "Appointment": "token: service-type=serviceType service-category=serviceCategory appointment-type=appointmentType; reference: patient=participant.actor actor=participant.actor practitioner=participant.actor based-on=basedOn slot; date: date=start",
    "AppointmentResponse": "token: part-status=participantStatus; reference: actor patient=actor appointment",
    "DocumentReference": "token: doc-status=docStatus; reference: author encounter=context.encounter related=context.related; date: date period=context.period",
    "QuestionnaireResponse": "reference: based-on=basedOn author source; uri: questionnaire; date: authored",
    "Consent": "token: scope action=provision.action; reference: patient organization; date: date=dateTime period=provision.period",
    "Coverage": "reference: patient=beneficiary beneficiary payor subscriber policy-holder=policyHolder; date: period",
    "Flag": "reference: author; date: date=period",
    "Goal": "token: lifecycle-status=lifecycleStatus achievement-status=achievementStatus; date: start-date=startDate",
    "RiskAssessment": "token: method; reference: performer; date: date=occurrenceDateTime,occurrencePeriod",
    "ClinicalImpression": "reference: assessor; date: date=effectiveDateTime,effectivePeriod",
    "MedicationRequest": "token: intent priority code=medicationCodeableConcept; reference: requester medication=medicationReference; date: authoredon=authoredOn",
    "MedicationStatement": "token: code=medicationCodeableConcept; reference: medication=medicationReference; date: effective=effectiveDateTime,effectivePeriod",
    "AllergyIntolerance": "token: clinical-status=clinicalStatus criticality; date: date=recordedDate",
    "DiagnosticReport": "reference: based-on=basedOn result; date: date=effectiveDateTime,effectivePeriod",
    "Schedule": "token: active service-type=serviceType; reference: actor; date: date=planningHorizon",
    "Slot": "token: service-type=serviceType; reference: schedule; date: start",
    "Group": "token: actual; reference: member=member.entity",
    "Device": "token: type; reference: patient; string: device-name=deviceName.name",
    "List": "reference: item=entry.item; date: date",
    "Composition": "reference: author; date: date",
    "Basic": "reference: author; date: created",
    "Subscription": "token: ; uri: url=channel.endpoint; string: criteria",
}  # fmt: skip


@cache
def _known(kind: str) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for table in (_EVERYWHERE, _OF_A_PERSON, _TYPES.get(kind, "")):
        for section in filter(None, (s.strip() for s in table.split(";"))):
            how, _, names = section.partition(":")
            for each in names.split():
                name, _, paths = each.partition("=")
                found[name] = Parameter(kind=how, paths=tuple((paths or name).split(",")))
    return found


def parameter(kind: str, name: str) -> Parameter | None:
    """The parameter of that resource type; None when it has none of that name."""
    return _known(kind).get(name)
