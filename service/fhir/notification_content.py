"""The resource that a notification carries, in whichever format it came. Decides by the body: senders mislabel theirs."""

from __future__ import annotations

from typing import Any

from service.fhir.notification_body import depth, resource_of
from service.fhir.notification_xml import is_xml, resource_of_xml, xml_depth

XML_TYPES = frozenset({"application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir"})


def depth_of(body: bytes) -> int:
    """How deeply the body nests; NotificationProblem for XML that is not read here."""
    return xml_depth(body) if is_xml(body) else depth(body)


def is_deeper(body: bytes, limit: int) -> bool:
    """Whether the body nests more than `limit` deep; an ordinary one has too few brackets for that.

    NotificationProblem for XML that is not read here.
    """
    if not is_xml(body) and body.count(b"{") + body.count(b"[") <= limit:
        return False
    return depth_of(body) > limit


def carried_resource(body: bytes) -> dict[str, Any]:
    """The body as one FHIR resource, or `{}` for an empty JSON object; NotificationProblem for everything else."""
    return resource_of_xml(body) if is_xml(body) else resource_of(body)
