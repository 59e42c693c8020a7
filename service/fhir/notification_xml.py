"""The body of a notification in FHIR XML, as the JSON shape that everything else reads (R4, 2.1.4 XML representation).

Knows no structure definitions: an element that stands once becomes one value, and those that senders may repeat where
we look for several are always lists. Good enough for a hint about what to read; must never be written anywhere.
"""

from __future__ import annotations

from typing import Any
from xml.sax import SAXException
from xml.sax.handler import ContentHandler, feature_namespaces
from xml.sax.xmlreader import AttributesNSImpl

from defusedxml import DefusedXmlException
from defusedxml.sax import make_parser

from service.fhir.notification_body import NotificationProblem

FHIR = "http://hl7.org/fhir"
REPEATING = frozenset(
    {"entry", "parameter", "part", "notificationEvent", "additionalContext", "error", "coding", "participant"}
)
"""Elements of notifications that are lists in JSON even where they stand once."""
DEEPEST = 500
"""No FHIR resource nests like that; what does is not read any further."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

NOT_XML = "The body is not well-formed XML. Send the notification as FHIR JSON, or as FHIR XML in UTF-8."
NOT_FHIR = "The body is XML but not a FHIR resource: its root has to be a resource in http://hl7.org/fhir."
FORBIDDEN = "The XML declares a document type or entities, which are never read. Send the resource alone."


def is_xml(body: bytes) -> bool:
    """Whether the body begins as XML does, whatever media type was said: no JSON begins with `<`."""
    return body.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] == b"<"


def xml_depth(body: bytes) -> int:
    """How deeply elements nest, counted up to DEEPEST; NotificationProblem when it is not XML that is read here."""
    return _read(body).deepest


def resource_of_xml(body: bytes) -> dict[str, Any]:
    """The body as one FHIR resource in the shape of FHIR JSON; primitive values stay text. NotificationProblem else."""
    root = _read(body).root
    if root is None:
        raise NotificationProblem(NOT_FHIR)
    return root


def _read(body: bytes) -> _Resource:
    handler = _Resource()
    parser = make_parser()
    parser.forbid_dtd = True
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(handler)
    try:
        parser.feed(body.removeprefix(_BYTE_ORDER_MARK).lstrip())
        parser.close()
    except DefusedXmlException as problem:
        raise NotificationProblem(FORBIDDEN) from problem
    except _Enough:
        pass
    except (SAXException, ValueError, LookupError) as problem:  # the last: an encoding that nobody knows
        raise NotificationProblem(NOT_XML) from problem
    return handler


class _Enough(Exception):
    """Use this to stop reading XML that nests deeper than any resource."""


class _Resource(ContentHandler):
    """Builds FHIR JSON from the events of a parser. Texts between elements and everything foreign is passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.root: dict[str, Any] | None = None
        self.deepest = 0
        self._open: list[tuple[str, dict[str, Any], str | None]] = []
        self._foreign = 0

    def startElementNS(  # noqa: N802  (the name that SAX calls)
        self, name: tuple[str | None, str], qname: str | None, attrs: AttributesNSImpl
    ) -> None:
        del qname
        space, local = name
        self.deepest = max(self.deepest, len(self._open) + self._foreign + 1)
        if self.deepest >= DEEPEST:
            raise _Enough
        if self._foreign or space != FHIR:
            self._foreign += 1
            return
        given = {key[1]: text for key, text in attrs.items() if key[0] is None}
        value = given.pop("value", None)
        self._open.append((local, dict(given), value))

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: N802  (as above)
        del name, qname
        if self._foreign:
            self._foreign -= 1
            return
        local, members, value = self._open.pop()
        is_resource = local[:1].isupper()
        if is_resource:
            members = {"resourceType": local, **members}
        if not self._open:
            self.root = members if is_resource else None
            return
        parent_name, parent, parent_value = self._open[-1]
        if is_resource:
            # `<resource><Encounter>…`: the resource takes the place of the element that holds it.
            self._open[-1] = (parent_name, members, parent_value)
        else:
            _add(parent, local, members if value is None else value)


def _add(parent: dict[str, Any], name: str, value: Any) -> None:
    if name in parent:
        before = parent[name]
        parent[name] = [*before, value] if isinstance(before, list) else [before, value]
    else:
        parent[name] = [value] if name in REPEATING else value
