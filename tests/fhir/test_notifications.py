"""What each flavour of notification is understood as; everything in it is only a hint."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from service.domain.vocabulary import Reference
from service.fhir.notifications import Kind, NotificationProblem, Parsed, ResourceChange, parse
from service.ports import RawNotification

DATA = Path(__file__).parent / "data/notifications"
BASES = {
    "r4": "https://fhirserver.org/fhir",
    "r4b": "http://example.org/FHIR/R4B",
    "r5": "http://example.org/FHIR/R5",
}
BASE = "https://record.example/fhir"
ENCOUNTER = {"resourceType": "Encounter", "id": "e1", "subject": {"reference": "Patient/p1"}}


def raw(body=b"", *, method="POST", path="", **headers) -> RawNotification:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RawNotification(
        subscription="encounters", method=method, path=path, content_type="", body=content, headers=headers
    )


def understood(body=b"", *, base_url=BASE, **rest) -> Parsed:
    return parse(raw(body, **rest), base_url=base_url)


def example(name: str, base_url: str | None = None) -> Parsed:
    body = (DATA / f"{name}.json").read_bytes()
    return understood(body, base_url=base_url or BASES[name.split("/", maxsplit=1)[0]])


# --- public examples --------------------------------------------------------------------------------------------

EXPECTED = {
    "r4/handshake_bundle_example": (Kind.HANDSHAKE, [], 0, (), True),
    "r4/heartbeat_bundle_example": (Kind.HEARTBEAT, [], 2, (), False),
    "r4/empty_notification_bundle_example": (Kind.EVENT, [], 1, (1,), True),
    "r4/empty_notification_bundle_non_conformant_example": (Kind.EVENT, [], 1, (1,), True),
    "r4/id_only_notification_bundle_example": (
        Kind.EVENT, ["Encounter/86009987-eabe-42bf-8c02-b112b18cb616"], 1, (1,), False,
    ),
    "r4/full_resource_notification_bundle_example": (
        Kind.EVENT, ["Encounter/86009987-eabe-42bf-8c02-b112b18cb616"], 1, (1,), False,
    ),
    "r4b/notification-handshake": (Kind.HANDSHAKE, [], 0, (), True),
    "r4b/notification-heartbeat": (Kind.HEARTBEAT, [], 310, (), False),
    "r4b/notification-empty": (Kind.EVENT, [], 2, (2,), True),
    "r4b/notification-id-only": (Kind.EVENT, ["Encounter/2"], 2, (2,), False),
    "r4b/notification-id-only-with-patient": (Kind.EVENT, ["Encounter/2"], 2, (2,), False),
    "r4b/notification-id-only-query": (Kind.EVENT, ["Encounter/1", "Encounter/2"], 2, (1, 2), False),
    "r4b/notification-full-resource": (Kind.EVENT, ["Encounter/2"], 2, (2,), False),
    "r4b/notification-full-resource-with-patient": (Kind.EVENT, ["Encounter/2"], 2, (2,), False),
    "r4b/notification-message-full-resource": (Kind.EVENT, ["Encounter/2"], 2, (2,), False),
    "r4b/notification-query-status": (Kind.HEARTBEAT, [], 310, (), False),
    "r5/notification-handshake": (Kind.HANDSHAKE, [], 0, (), True),
    "r5/notification-heartbeat": (Kind.HEARTBEAT, [], 310, (), False),
    "r5/notification-empty": (Kind.EVENT, [], 2, (2,), True),
    "r5/notification-error": (Kind.EVENT, [], 328, (328,), True),
    "r5/notification-id-only": (Kind.EVENT, ["Encounter/2"], 2, (2,), False),
    "r5/notification-id-only-with-patient": (Kind.EVENT, ["Encounter/2"], 2, (2,), False),
    "r5/notification-full-resource": (Kind.EVENT, ["Encounter/2"], 2, (2,), False),
    "r5/notification-full-resource-with-patient": (Kind.EVENT, ["Encounter/2"], 2, (2,), False),
    "r5/notification-message-full-resource": (Kind.EVENT, ["Encounter/2"], 2, (2,), False),
    "r5/notification-query-event": (Kind.EVENT, ["Encounter/307", "Encounter/308"], 310, (307, 308), False),
    "r5/notification-query-status": (Kind.HEARTBEAT, [], 310, (), False),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_a_published_example_is_understood(name: str) -> None:
    parsed = example(name)

    changed = [change.reference for change in parsed.changes]
    assert (parsed.kind, changed, parsed.since, parsed.numbers, parsed.needs_catch_up) == EXPECTED[name]
    assert str(parsed.subscription).startswith("Subscription/")


def test_every_published_example_is_expected_here() -> None:
    """A new example is added to EXPECTED; this keeps one from lying unread in the folder."""
    files = {str(p.relative_to(DATA)).removesuffix(".json") for p in DATA.glob("*/*.json")}

    assert files - set(EXPECTED) == {"r4/subscription_status_example"}


@pytest.mark.parametrize(
    "name", [name for name, expected in EXPECTED.items() if expected[1] and "message" not in name]
)
def test_of_another_server_an_example_names_nothing_but_is_not_forgotten(name: str) -> None:
    parsed = example(name, BASE)

    assert parsed.changes == ()
    assert parsed.needs_catch_up
    assert parsed.notes == ("foreign host: a reference to another server was not followed",)


def test_the_patient_of_the_additional_context_comes_along() -> None:
    [change] = example("r4b/notification-id-only-with-patient").changes

    assert change.person == "Patient/ABC"


def test_what_full_resource_content_carries_is_kept_as_a_hint() -> None:
    [change] = example("r4/full_resource_notification_bundle_example").changes

    assert change.resource is not None
    assert change.resource["resourceType"] == "Encounter"
    assert change.at == datetime.fromisoformat("2020-05-29T11:44:13.188243-05:00")


def test_an_error_is_told_as_its_code() -> None:
    assert example("r5/notification-error").errors == ("no-response",)


# --- R4 rest-hook -----------------------------------------------------------------------------------------------


def test_an_empty_post_says_only_that_something_changed() -> None:
    for body in (b"", b"  \r\n", b"\xef\xbb\xbf", b"{}"):
        parsed = understood(body)
        assert parsed == Parsed(kind=Kind.PING)
        assert parsed.needs_catch_up


def test_a_put_names_its_resource_by_the_path() -> None:
    parsed = understood(
        {**ENCOUNTER, "meta": {"versionId": "7", "lastUpdated": "2026-03-06T23:30:00Z"}},
        method="PUT",
        path="Encounter/e1",
    )

    [change] = parsed.changes
    assert (change.reference, change.version, change.deleted) == ("Encounter/e1", "7", False)
    assert change.at == datetime.fromisoformat("2026-03-06T23:30:00+00:00")
    assert parsed.notes == ()


def test_the_path_is_followed_when_the_body_says_otherwise() -> None:
    parsed = understood(ENCOUNTER, method="PUT", path="Encounter/e2")

    assert [change.reference for change in parsed.changes] == ["Encounter/e2"]
    assert parsed.notes == ("the resource in the body is not the one in the path; the path was followed",)


def test_a_posted_resource_names_itself() -> None:
    [change] = understood(ENCOUNTER).changes

    assert change == ResourceChange(reference=Reference("Encounter/e1"), resource=ENCOUNTER)


def test_a_put_without_body_still_names_its_path() -> None:
    assert understood(method="PUT", path="Encounter/e1").changes == (
        ResourceChange(reference=Reference("Encounter/e1")),
    )


def test_a_delete_names_its_path() -> None:
    parsed = understood(method="DELETE", path="Encounter/e1")

    assert parsed.changes == (ResourceChange(reference=Reference("Encounter/e1"), deleted=True),)


def test_a_deletion_told_in_a_header_is_understood() -> None:
    parsed = understood(b"{}", **{"x-medplum-deleted-resource": "Task/t1"})

    assert parsed.changes == (ResourceChange(reference=Reference("Task/t1"), deleted=True),)


def test_a_resource_carried_with_its_deletion_is_deleted() -> None:
    [change] = understood(ENCOUNTER, **{"x-medplum-interaction": "delete"}).changes

    assert change.deleted
    assert change.resource == ENCOUNTER


def test_a_resource_without_id_calls_for_a_catch_up() -> None:
    parsed = understood({"resourceType": "Encounter"})

    assert parsed.changes == ()
    assert parsed.needs_catch_up
    assert parsed.notes == ("a resource without id: it names no resource that could be read",)


def test_the_search_result_of_a_transaction_bundle_names_each_resource() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": ENCOUNTER, "request": {"method": "PUT", "url": "Encounter/e1"}},
            {"fullUrl": f"{BASE}/Patient/p1", "resource": {"resourceType": "Patient", "id": "p1"}},
            {"request": {"method": "DELETE", "url": "Task/t1"}},
        ],
    }

    changes = understood(bundle).changes
    assert [(c.reference, c.deleted) for c in changes] == [
        ("Encounter/e1", False),
        ("Patient/p1", False),
        ("Task/t1", True),
    ]


def test_a_foreign_full_url_is_not_taken_for_ours() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"fullUrl": "https://elsewhere.example/fhir/Encounter/e1", "resource": ENCOUNTER}],
    }

    parsed = understood(bundle)
    assert parsed.changes == ()
    assert parsed.unnamed == 1


# --- deviations of real senders ---------------------------------------------------------------------------------


def parameters(*extra, type_="event-notification", status="active"):
    rows = [
        {"name": "subscription", "valueString": "Subscription/s1"},
        {"name": "status", "valueCode": status},
        {"name": "type", "valueCode": type_},
        *extra,
    ]
    return {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [{"resource": {"resourceType": "Parameters", "parameter": rows}}],
    }


def event(*parts):
    return {"name": "notification-event", "part": list(parts)}


@pytest.mark.parametrize(
    "focus",
    [
        {"valueReference": {"reference": "Encounter/e1"}},
        {"valueReference": {"reference": f"{BASE}/Encounter/e1"}},
        {"valueReference": {"reference": "HTTPS://RECORD.example:443/fhir/Encounter/e1"}},
        {"valueReference": {"reference": "Encounter/Encounter/e1"}},
        {"valueReference": {"reference": "Encounter/e1/_history/3"}},
        {"valueUri": f"{BASE}/Encounter/e1"},
        {"valueString": "Encounter/e1"},
        {"valueCanonical": "Encounter/e1"},
    ],
)
def test_a_focus_is_found_however_it_is_written(focus) -> None:
    parsed = understood(parameters(event({"name": "focus", **focus})))

    assert [change.reference for change in parsed.changes] == ["Encounter/e1"]
    assert parsed.subscription == "Subscription/s1"
    assert not parsed.needs_catch_up


@pytest.mark.parametrize(
    "focus",
    [
        "https://elsewhere.example/fhir/Encounter/e1",
        "http://record.example/fhir/Encounter/e1",
        "https://record.example:8443/fhir/Encounter/e1",
        "https://record.example/fhirs/Encounter/e1",
        "https://record.example@elsewhere.example/fhir/Encounter/e1",
        "https://user@record.example/fhir/Encounter/e1",
        "//record.example/fhir/Encounter/e1",
        "https://record.example:x/fhir/Encounter/e1",
        "file:///etc/passwd",
        "https://record.example/fhir/Encounter/e1?_format=json",
    ],
)
def test_a_focus_elsewhere_is_reduced_to_nothing(focus) -> None:
    parsed = understood(parameters(event({"name": "focus", "valueUri": focus})))

    assert parsed.changes == ()
    assert parsed.needs_catch_up
    assert parsed.notes == ("foreign host: a reference to another server was not followed",)


@pytest.mark.parametrize(
    "focus",
    ["Encounter/..", "../Patient/p1", "Encounter/e1/../../x", "encounter/e1", "e1", "Encounter/a b", f"{BASE}/../x/1"],
)  # fmt: skip
def test_a_focus_that_is_no_type_and_id_is_reduced_to_nothing(focus) -> None:
    parsed = understood(parameters(event({"name": "focus", "valueString": focus})))

    assert parsed.changes == ()
    assert parsed.notes == ("unreadable reference: neither Type/id nor a URL of the record server",)


def test_a_focus_by_identifier_calls_for_a_catch_up() -> None:
    focus = {"name": "focus", "valueReference": {"identifier": {"value": "V-1"}}}
    parsed = understood(parameters(event(focus)))

    assert parsed.changes == ()
    assert parsed.needs_catch_up
    assert parsed.notes == ("a focus by identifier only: it names no resource that could be read",)


@pytest.mark.parametrize(
    ("written", "number"),
    [("7", 7), (7, 7), (" 7 ", 7), ("-1", None), ("7.0", None), (True, None), ("9" * 30, None), ("٣", None)],
)
def test_numbers_are_read_as_text_or_number(written, number) -> None:
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "heartbeat",
        "eventsSinceSubscriptionStart": written,
    }

    assert understood({"resourceType": "Bundle", "entry": [{"resource": status}]}).since == number


def test_letter_case_does_not_matter() -> None:
    assert understood(parameters(type_="Handshake", status="Active")).kind is Kind.HANDSHAKE


def test_an_event_that_the_sender_left_out_calls_for_a_catch_up() -> None:
    parsed = understood(parameters())

    assert (parsed.kind, parsed.unnamed) == (Kind.EVENT, 1)


def test_a_status_of_error_is_an_error() -> None:
    parsed = understood(parameters(type_="heartbeat", status="error"))

    assert parsed.errors == ("status-error",)
    assert parsed.needs_catch_up


def test_error_text_is_never_repeated() -> None:
    error = {"name": "error", "valueCodeableConcept": {"text": "Jane Doe", "coding": [{"code": "Jane Doe!"}]}}

    assert understood(parameters(error)).errors == ("unspecified",)


def test_a_time_without_offset_is_left_out() -> None:
    focus = {"name": "focus", "valueString": "Encounter/e1"}
    [change] = understood(parameters(event(focus, {"name": "timestamp", "valueDate": "2026-03-06"}))).changes

    assert change.at is None


def test_a_carried_resource_is_found_by_its_urn() -> None:
    bundle = parameters(event({"name": "focus", "valueReference": {"reference": "urn:uuid:1"}}))
    bundle["entry"].append({"fullUrl": "urn:uuid:1", "resource": ENCOUNTER})

    [change] = understood(bundle).changes
    assert (change.reference, change.resource) == ("Encounter/e1", ENCOUNTER)


# --- never to be understood -------------------------------------------------------------------------------------

NOT_JSON = "The body is not well-formed JSON. Send the notification as FHIR JSON in UTF-8."
NOT_AN_OBJECT = "The body is JSON but not a FHIR resource: it has to be one JSON object with a resourceType."
NOT_UTF8 = "The body is not UTF-8. FHIR JSON is always UTF-8."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", NOT_JSON),
        (b'{"resourceType":"Encounter"} trailing', NOT_JSON),
        (b"Encounter/1", NOT_JSON),
        (b"NaN", NOT_JSON),
        (b'"\\ud800"', NOT_JSON),
        (b"[" * 3000 + b"]" * 3000, NOT_JSON),
        (b"[]", NOT_AN_OBJECT),
        (b"null", NOT_AN_OBJECT),
        (b'{"a":1}', NOT_AN_OBJECT),
        (b'{"resourceType":7}', NOT_AN_OBJECT),
        ('{"resourceType":"Käse"}'.encode("latin-1"), NOT_UTF8),
    ],
)
def test_what_is_no_fhir_json_is_a_problem_in_plain_words(body: bytes, message: str) -> None:
    with pytest.raises(NotificationProblem) as problem:
        understood(body)

    assert str(problem.value) == message
