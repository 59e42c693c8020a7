"""Notifications in FHIR XML say the same as in JSON; what XML can do beyond a resource is refused."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4b_model
from hypothesis import given
from hypothesis import strategies as st

from service.fhir.notification_body import NotificationProblem
from service.fhir.notification_content import carried_resource, depth_of
from service.fhir.notification_xml import DEEPEST, is_xml
from service.fhir.notifications import Kind, parse
from service.ports import RawNotification

DATA = Path(__file__).parent / "data/notifications"
BASES = {
    "r4": "https://fhirserver.org/fhir",
    "r4b": "http://example.org/FHIR/R4B",
    "r5": "http://example.org/FHIR/R5",
}
EXAMPLES = [
    path for path in sorted(DATA.glob("*/*.json")) if "non_conformant" not in path.name
]  # that one is not even valid enough to be rendered as XML


def understood(body: bytes, base_url: str):
    raw = RawNotification(subscription="s", method="POST", path="", content_type="", body=body)
    return parse(raw, base_url=base_url)


def as_xml(path: Path) -> bytes:
    resource = json.loads(path.read_bytes())
    model = (r5_model if path.parent.name == "r5" else r4b_model)(resource["resourceType"])
    rendered = model.model_validate(resource).model_dump_xml()
    return rendered if isinstance(rendered, bytes) else rendered.encode()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_published_example_means_the_same_in_xml(path: Path) -> None:
    in_json = understood(path.read_bytes(), BASES[path.parent.name])
    in_xml = understood(as_xml(path), BASES[path.parent.name])

    def said(parsed):
        changes = [(c.reference, c.version, c.deleted, c.person, c.at) for c in parsed.changes]
        return parsed.kind, changes, parsed.unnamed, parsed.since, parsed.numbers, parsed.errors

    assert said(in_xml) == said(in_json)


def test_a_resource_in_xml_names_itself_and_its_person() -> None:
    body = b"""<?xml version="1.0" encoding="UTF-8"?>
    <Encounter xmlns="http://hl7.org/fhir"><id value="e1"/><meta><versionId value="7"/></meta>
      <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>words</p></div></text>
      <subject><reference value="Patient/p1"/></subject></Encounter>"""

    parsed = understood(body, "https://record.example/fhir")

    [change] = parsed.changes
    assert (parsed.kind, change.reference, change.version) == (Kind.RESOURCE_CHANGE, "Encounter/e1", "7")
    assert change.resource is not None
    assert change.resource["subject"] == {"reference": "Patient/p1"}
    assert "words" not in str(change.resource)


def test_json_and_xml_are_told_apart_by_the_body() -> None:
    assert is_xml(b"\xef\xbb\xbf\n <Encounter/>")
    assert not is_xml(b'{"resourceType":"Encounter"}')


def test_depth_is_counted_in_elements_and_never_further_than_needed() -> None:
    nested = b'<Encounter xmlns="http://hl7.org/fhir">' + b"<a>" * 30 + b"</a>" * 30 + b"</Encounter>"

    assert depth_of(nested) == 31
    assert depth_of(b"<a>" * 1_000_000) == DEEPEST


@given(st.text(alphabet="<>/&;!?[]\"'=ax:E \n", max_size=60))
def test_whatever_looks_like_xml_is_read_or_refused_in_words(text: str) -> None:
    with suppress(NotificationProblem):
        carried_resource(f"<{text}".encode())
