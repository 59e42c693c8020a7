"""Whatever arrives: it is understood or it is a NotificationProblem; nothing else, and never slowly."""

import json
from string import ascii_letters

from hypothesis import given
from hypothesis import strategies as st

from service.fhir.notification_body import depth
from service.fhir.notification_content import is_deeper
from service.fhir.notification_references import locate
from service.fhir.notifications import NotificationProblem, parse
from service.ports import RawNotification

KEYS = [
    "resourceType", "type", "entry", "resource", "parameter", "name", "part", "valueReference", "valueString",
    "reference", "focus", "notificationEvent", "eventNumber", "additionalContext", "request", "method", "url",
    "fullUrl", "id", "meta", "versionId", "lastUpdated", "error", "coding", "code", "subscription", "status",
]  # fmt: skip
WORDS = [
    "Bundle", "Parameters", "SubscriptionStatus", "Encounter", "Patient/p1", "event-notification", "handshake",
    "history", "message", "DELETE", "https://record.example/fhir/Task/1", "urn:uuid:1", "notification-event", "focus",
    "additional-context", "type", "subscription", "", "Task/..",
]  # fmt: skip
BASE = "https://record.example/fhir"

leaves = st.sampled_from(WORDS) | st.integers() | st.booleans() | st.none() | st.text(max_size=8)
shapes = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=30,
)


def parse_body(body: bytes, path: str = "") -> None:
    notification = RawNotification(subscription="s", method="POST", path=path, content_type="", body=body)
    try:
        parsed = parse(notification, base_url=BASE)
    except NotificationProblem:
        return
    for change in parsed.changes:
        kind, _, id_ = change.reference.partition("/")
        assert set(kind) <= set(ascii_letters)
        assert 0 < len(id_) <= 64
        assert "/" not in id_
        assert id_ not in {".", ".."}


@given(st.dictionaries(st.sampled_from(KEYS), shapes, max_size=8))
def test_json_of_any_shape_is_understood_or_refused(resource) -> None:
    parse_body(json.dumps(resource).encode())


@given(
    st.lists(st.fixed_dictionaries({"resource": st.dictionaries(st.sampled_from(KEYS), shapes, max_size=8)}))
)
def test_a_bundle_of_anything_is_understood_or_refused(entries) -> None:
    parse_body(json.dumps({"resourceType": "Bundle", "entry": entries}).encode())


@given(st.binary(max_size=300), st.text(max_size=20))
def test_bytes_of_any_kind_are_understood_or_refused(body, path) -> None:
    parse_body(body, path)


@given(st.text(max_size=80) | st.sampled_from(WORDS))
def test_a_reference_of_any_kind_is_ours_or_has_a_reason(text) -> None:
    found = locate(text, BASE)

    assert (found.reference is None) == (found.note is not None)


def nested(value) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if children is None else 1 + max((nested(child) for child in children), default=0)


@given(shapes | st.text(alphabet='[]{}"\\,:a'))
def test_depth_is_that_of_the_parsed_value(value) -> None:
    assert depth(json.dumps(value, ensure_ascii=False).encode()) == nested(value)


@given(shapes | st.text(alphabet='[]{}"\\,:a'), st.integers(0, 8))
def test_too_deep_is_what_nests_deeper_than_the_limit(value, limit) -> None:
    assert is_deeper(json.dumps(value, ensure_ascii=False).encode(), limit) == (nested(value) > limit)


def test_depth_of_what_no_parser_would_accept_is_still_found() -> None:
    assert depth(b"[" * 5_000) == 5_000
    assert depth(b'"[[[[') == 0
    assert depth(b'\\"' * 500_000 + b"{") in {0, 1}
