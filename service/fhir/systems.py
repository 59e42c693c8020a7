"""Canonical URLs and identifier systems of everything Throughline writes; part of the data, never a setting.

Also the few external code systems it uses. Holds names only: no parsing, no rendering.
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from service.domain.vocabulary import PathwayId, Reference

BASE = "https://throughline.example/fhir"
"""A reserved name (RFC 2606): records of two sites can be put side by side and still mean the same."""

# Identifier systems: exactly one identifier of ours on each resource of ours.
ENROLMENT = f"{BASE}/identifier/enrolment"
FOLLOW_UP = f"{BASE}/identifier/follow-up"
ESCALATION = f"{BASE}/identifier/escalation"
NOTICE = f"{BASE}/identifier/notice"
SOFTWARE = f"{BASE}/identifier/software"
QUEUE = f"{BASE}/identifier/queue"
"""Task.groupIdentifier of every request for a place of one reserved capacity: `<pathway>/<capacity>`."""
PLACE = f"{BASE}/identifier/place"
"""On Schedules and Slots that Throughline keeps itself: `<pathway>/<capacity>[/<number>]`."""
PLACE_HOLDER = f"{BASE}/identifier/place-holder"
"""On a Slot that was given to somebody: the identifier of their enrolment."""
# On resources of others, as a message told of them:
REPORTED = f"{BASE}/identifier/reported"
"""`<sender>/<Type>/<id>`: what a message tells of and gives no business identifier of its own."""
SENDER = f"{BASE}/identifier/sender"
ASSIGNER = f"{BASE}/identifier/assigner"
"""`<ASSIGNER>/<sender>/<name>`: identifiers whose assigning authority (HL7 v2 HD) no URL is configured for."""

# Code systems of ours.
PLAN_CATEGORY = f"{BASE}/CodeSystem/careplan-category"
REQUIRED_FIELD = f"{BASE}/CodeSystem/required-field"
GATE = f"{BASE}/CodeSystem/gate"
ROLE = f"{BASE}/CodeSystem/role"
TIMELINESS = f"{BASE}/CodeSystem/timeliness"
VARIANCE = f"{BASE}/CodeSystem/variance"
ESCALATION_CAUSE = f"{BASE}/CodeSystem/escalation-cause"
EVIDENCE = f"{BASE}/CodeSystem/evidence"
DECISION = f"{BASE}/CodeSystem/decision"
MESSAGE = f"{BASE}/CodeSystem/message"
LOCAL_CODES = f"{BASE}/CodeSystem/local"
"""`<LOCAL_CODES>/<sender>/<name>`: codes of a sender's own table that no URL is configured for."""

PATHWAY_PLAN = "pathway"
ESCALATION_PLAN = "escalation"
FOUND = "found"
"""EVIDENCE code: the resource that showed a follow-up was done."""

# Code systems of others.
US_CORE_PLAN_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/careplan-category"
TASK_CODE = "http://hl7.org/fhir/CodeSystem/task-code"
COMMUNICATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"
PROVENANCE_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def extension_url(name: str) -> str:
    """Canonical URL of one of our extensions."""
    return f"{BASE}/StructureDefinition/{name}"


# Extensions. On an enrolment CarePlan:
ENROLMENT_ANCHOR = extension_url("enrolment-anchor")
STAGE = extension_url("stage")
STAGE_REACHED = extension_url("stage-reached")
STAGE_ENTRY = extension_url("stage-entry")
UNMET_GATE = extension_url("unmet-gate")
MISSING_FIELD = extension_url("missing-field")
VARIANCE_NOTED = extension_url("variance")
ENDED_REASON = extension_url("ended-reason")
REVISION = extension_url("revision")
MOVED_FROM = extension_url("moved-from")
"""As valueString `Patient/<id>`: the record of the same person that it stood under before that was merged away."""
ACCOUNTABLE_LEAD = extension_url("accountable-lead")
IN_QUEUE = extension_url("in-queue")
# On a Slot that was given to somebody:
HELD_SINCE = extension_url("held-since")
# On a follow-up Task:
ACCEPT_BY = extension_url("accept-by")
STATUS_SINCE = extension_url("status-since")
"""Written with every change of ours that lets others' work stand: {status, since, answered, noted}. Task.lastModified
moves with each write; this keeps when the status began and when its owner last answered."""
# On an escalation CarePlan; MISSED_AT also on its response Tasks, so that a half-written escalation keeps its clock:
CAUSE = extension_url("escalation-cause")
MISSED_AT = extension_url("missed-at")
ESCALATION_ABOUT = extension_url("escalation-about")
# On what a message told of (Patient, Encounter, Coverage, Condition):
REPORTED_AT = extension_url("reported-at")
"""When the message that told of it last was sent: what an older message says does not replace it."""


def plan_definition(pathway: PathwayId, version: str) -> str:
    """The canonical `url|version` of a pathway file."""
    return f"{BASE}/PlanDefinition/{pathway}|{version}"


def full_url(system: str, value: str) -> str:
    """`urn:uuid:...` of a resource that does not exist yet; the same for the same business identifier, anywhere."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{system}|{value}')}"


def condition(system: str, value: str) -> str:
    """The query of the conditional create that lets a business identifier exist once (not URL-encoded)."""
    return f"identifier={system}|{value}"


def software(version: str = "") -> dict[str, Any]:
    """This software as a logical Reference (R4 Reference.identifier): no Device has to exist on the server."""
    return {
        "type": "Device",
        "identifier": {"system": SOFTWARE, "value": "throughline"},
        "display": f"Throughline {version}".strip(),
    }


def kind_of(reference: Reference) -> str:
    """The resource type of a literal reference."""
    return reference.split("/", 1)[0]
