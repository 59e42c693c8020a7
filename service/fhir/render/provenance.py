"""The trail of one decision: which software wrote what, under which pathway version, having seen which versions."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.labels import labelled
from service.fhir.render.context import Context
from service.fhir.render.elements import Json, coding, compact, concept
from service.fhir.times import fhir_time
from service.ports import Write


def decision_provenance(writes: Sequence[Write], context: Context) -> Write:
    """One Provenance about everything written for this decision (at least one write)."""
    enrolment, decision = context.decision.enrolment, context.decision
    code = decision_code(enrolment.identifier, enrolment.revision, [each.full_url for each in writes])
    provenance = compact(
        {
            "resourceType": "Provenance",
            "meta": {"tag": [coding(systems.DECISION, code)]},
            "target": [{"reference": each.full_url} for each in writes],
            "recorded": fhir_time(context.recorded_at, context.zone),
            "policy": [systems.plan_definition(enrolment.pathway, enrolment.pathway_version)],
            "activity": {"text": "; ".join(decision.rules)} if decision.rules else None,
            "agent": [
                {
                    "type": concept(systems.PROVENANCE_PARTICIPANT, "assembler", display="Assembler"),
                    "who": systems.software(context.software_version),
                }
            ],
            "entity": [_seen(reference, version) for reference, version in decision.seen],
        }
    )
    return Write(
        resource=labelled(provenance, context.labels),
        full_url=systems.full_url(systems.DECISION, code),
        create_if_none=f"_tag={systems.DECISION}|{code}",
    )


def decision_code(enrolment: str, revision: int, written: Sequence[str]) -> str:
    """The tag of a decision's Provenance.

    Two workers that decide the same write it once. A decision finished after a crash by another that has less left to
    write, or more because the record moved on, gets a trail of its own.
    """
    return uuid5(NAMESPACE_URL, " ".join([f"{enrolment}/{revision}", *sorted(written)])).hex


def _seen(reference: Reference, version: str) -> Json:
    place = f"{reference}/_history/{version}" if version else reference
    return {"role": "source", "what": {"reference": place}}
