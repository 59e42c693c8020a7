"""Where FHIR R5 differs from R4 in what messages of hospitals bring: payers, places, organizations, staff and diagnoses.

Part of `tables`, which says what holds for all of them.
"""

from __future__ import annotations

from service.fhir.r5.lenses import Json, Lens, Object, items
from service.fhir.references import codings, mapping, mappings

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

# --- stays

_MOVED_OUT = ("dietPreference", "specialArrangement", "specialCourtesy")
"""Parts of R4's Encounter.hospitalization that stand on the R5 Encounter itself."""


def _hospitalization(encounter: Object) -> Json:
    beside = {name: encounter[name] for name in _MOVED_OUT if name in encounter}
    return {"hospitalization": {**mapping(encounter.get("admission")), **beside}}


def _admission(encounter: Object, _before: Object) -> Json:
    held = mapping(encounter.get("hospitalization"))
    return {
        "admission": {name: value for name, value in held.items() if name not in _MOVED_OUT},
        **{name: held.get(name) for name in _MOVED_OUT},
    }


HOSPITALIZATION = Lens(
    r4=("hospitalization",), r5=("admission", *_MOVED_OUT), to_r4=_hospitalization, to_r5=_admission
)
PAST = Lens(r4=("statusHistory", "classHistory"), r5=(), to_r4=lambda _: {}, to_r5=lambda _o, _before: {})
"""R5 keeps the past of a stay in other resources (EncounterHistory); the server's own versions hold it as well."""

# --- who can be reached how


def _telecom(holder: Object) -> Json:
    return {
        "telecom": [
            dict(t) for each in mappings(holder.get("contact")) for t in mappings(each.get("telecom"))
        ]
    }


def _contact(holder: Object, _before: Object) -> Json:
    telecom = list(mappings(holder.get("telecom")))
    return {"contact": [{"telecom": telecom}] if telecom else []}


TELECOM = Lens(r4=("telecom",), r5=("contact",), to_r4=_telecom, to_r5=_contact)


def _contacts_to_r4(organization: Object) -> Json:
    """What has no purpose is how to reach the organization itself."""
    contacts = list(mappings(organization.get("contact")))
    own = [each for each in contacts if not each.get("purpose")]
    return {
        "telecom": [dict(t) for each in own for t in mappings(each.get("telecom"))],
        "address": [dict(a) for each in own for a in mappings(each.get("address"))],
        "contact": [
            {**each, "name": next(mappings(each.get("name")), None)} if "name" in each else dict(each)
            for each in contacts
            if each.get("purpose")
        ],
    }


def _contacts_to_r5(organization: Object, _before: Object) -> Json:
    first, *others = [*mappings(organization.get("address"))] or [{}]
    telecom = list(mappings(organization.get("telecom")))
    own: Json = {**({"telecom": telecom} if telecom else {}), **({"address": first} if first else {})}
    people = [
        {**each, "name": [each["name"]]} if "name" in each else dict(each)
        for each in mappings(organization.get("contact"))
    ]
    return {"contact": [*([own] if own else []), *({"address": each} for each in others), *people]}


_CONTACTS = Lens(
    r4=("telecom", "address", "contact"), r5=("contact",), to_r4=_contacts_to_r4, to_r5=_contacts_to_r5
)

_SPOKEN = Lens(
    r4=("communication",),
    r5=("communication",),
    to_r4=lambda o: {
        "communication": [x for each in mappings(o.get("communication")) if (x := each.get("language"))]
    },
    to_r5=lambda o, _: {"communication": [{"language": each} for each in mappings(o.get("communication"))]},
)

# --- who pays

_PEOPLE = ("Patient/", "RelatedPerson/")


def _payor(coverage: Object) -> Json:
    payers = (each.get("party") for each in mappings(coverage.get("paymentBy")))
    return {"payor": [each for each in (coverage.get("insurer"), *payers) if each]}


def _insurer(coverage: Object, _before: Object) -> Json:
    """R5 tells an insurer from people who pay themselves, and asks which of the two it is."""
    payors = list(mappings(coverage.get("payor")))
    people = [each for each in payors if str(each.get("reference") or "").startswith(_PEOPLE)]
    insurer = next((each for each in payors if each not in people), None)
    return {
        "kind": "self-pay" if people and not insurer else "insurance",
        "insurer": insurer,
        "paymentBy": [{"party": each} for each in people],
    }


_PAYERS = Lens(r4=("payor",), r5=("kind", "insurer", "paymentBy"), to_r4=_payor, to_r5=_insurer)
_NUMBER = Lens(
    r4=("subscriberId",),
    r5=("subscriberId",),
    to_r4=lambda o: {"subscriberId": next((x.get("value") for x in mappings(o.get("subscriberId"))), None)},
    to_r5=lambda o, _: {"subscriberId": [{"value": o["subscriberId"]}] if o.get("subscriberId") else []},
)
_GROUP = Lens(
    r4=("value",),
    r5=("value",),
    to_r4=lambda o: {"value": mapping(o.get("value")).get("value")},
    to_r5=lambda o, _: {"value": {"value": o.get("value")} if o.get("value") else {}},
)

# --- diagnoses

_PARTS = {"recorder": "author", "asserter": "informant"}
"""R4 element -> code of what somebody did, in R5."""


def _participants_to_r4(condition: Object) -> Json:
    found: Json = {}
    for name, code in _PARTS.items():
        actors = (
            each.get("actor")
            for each in mappings(condition.get("participant"))
            if (PARTICIPATION, code) in codings(each.get("function"))
        )
        found[name] = next((actor for actor in actors if actor), None)
    return found


def _participants_to_r5(condition: Object, before: Object) -> Json:
    known = {(PARTICIPATION, code) for code in _PARTS.values()}
    others = [p for p in mappings(before.get("participant")) if known.isdisjoint(codings(p.get("function")))]
    said = [
        {"function": {"coding": [{"system": PARTICIPATION, "code": code}]}, "actor": condition[name]}
        for name, code in _PARTS.items()
        if condition.get(name)
    ]
    return {"participant": [*said, *others]}


_PARTICIPANTS = Lens(
    r4=tuple(_PARTS), r5=("participant",), to_r4=_participants_to_r4, to_r5=_participants_to_r5
)


def _evidence_to_r4(condition: Object) -> Json:
    told = list(mappings(condition.get("evidence")))
    return {
        "evidence": [
            *({"code": [c]} for each in told if (c := each.get("concept"))),
            *({"detail": [r]} for each in told if (r := each.get("reference"))),
        ]
    }


def _evidence_to_r5(condition: Object, _before: Object) -> Json:
    told = list(mappings(condition.get("evidence")))
    return {
        "evidence": [
            *({"concept": c} for each in told for c in mappings(each.get("code"))),
            *({"reference": r} for each in told for r in mappings(each.get("detail"))),
        ]
    }


_EVIDENCE = Lens(r4=("evidence",), r5=("evidence",), to_r4=_evidence_to_r4, to_r5=_evidence_to_r5)


def _status_to_r4(condition: Object) -> Json:
    status = condition.get("clinicalStatus")
    return {"clinicalStatus": None if (CLINICAL, "unknown") in codings(status) else status}


_CLINICAL_STATUS = Lens(
    r4=("clinicalStatus",),
    r5=("clinicalStatus",),
    to_r4=_status_to_r4,
    # R5 asks for one always, and has a word for not knowing it.
    to_r5=lambda o, _: {
        "clinicalStatus": o.get("clinicalStatus") or {"coding": [{"system": CLINICAL, "code": "unknown"}]}
    },
)

ADMINISTRATION = {
    "Condition": (_PARTICIPANTS, _EVIDENCE, _CLINICAL_STATUS),
    "Coverage": (_PAYERS, _NUMBER, items("class", (_GROUP,))),
    "Organization": (_CONTACTS,),
    "Practitioner": (_SPOKEN,),
}
