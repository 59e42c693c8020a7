"""The record's past out of Bundles of any type: every version once, in order, with deletions; or why it is no Bundle."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from service.domain.vocabulary import Reference
from service.fhir.history import History, NotABundle, versions_in

DENVER = ZoneInfo("America/Denver")
ANA, STAY = Reference("Patient/ana"), Reference("Encounter/stay")


def a_bundle(*entries, kind="history"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def a_version(number, at, kind="Patient", id_="ana", **more):
    meta = {"versionId": str(number), "lastUpdated": at}
    return {"resource": {"resourceType": kind, "id": id_, "meta": meta, **more}}


def a_deletion(number, at, url="Patient/ana"):
    return {
        "request": {"method": "DELETE", "url": url},
        "response": {"etag": f'W/"{number}"', "lastModified": at},
    }


def at(hour):
    return datetime(2026, 3, 6, hour, tzinfo=UTC)


def history(*entries):
    return History(versions_in(a_bundle(*entries), DENVER))


THREE = (
    a_deletion(3, "2026-03-06T12:00:00Z"),
    a_version(2, "2026-03-06T11:00:00Z", active=False),
    a_version(1, "2026-03-06T10:00:00Z", active=True),
)


def test_versions_come_oldest_first_with_the_deletion_as_the_last():
    found = history(*THREE).of(ANA)

    assert [(v.number, v.at, v.content is None) for v in found] == [
        ("1", at(10), False), ("2", at(11), False), ("3", at(12), True),
    ]  # fmt: skip


def test_of_the_same_instant_the_higher_number_is_newer():
    noon = "2026-03-06T12:00:00Z"

    assert [v.number for v in history(*(a_version(n, noon) for n in (10, 9, 2))).of(ANA)] == ["2", "9", "10"]


@pytest.mark.parametrize(("hour", "number"), [(9, None), (10, "1"), (11, "2"), (12, "3")])
def test_the_record_at_an_instant_is_the_newest_version_by_then(hour, number):
    found = history(*THREE).last_by(ANA, at(hour))

    assert (found.number if found else None) == number


def test_a_version_without_a_time_was_always_there():
    [version] = versions_in(a_bundle({"resource": {"resourceType": "Patient", "id": "ana"}}), DENVER)

    assert (version.number, version.at) == ("", None)
    assert History([version]).last_by(ANA, at(0)) == version


def test_exact_versions_and_their_followers_are_found():
    known = history(*THREE)

    assert known.exact(ANA, "2").content["active"] is False
    assert (known.after(ANA, "1").number, known.after(ANA, "3"), known.after(ANA, "7")) == ("2", None, None)
    assert (known.of(STAY), known.exact(STAY, "1"), known.last_by(STAY, at(12))) == ((), None, None)


def test_the_same_version_counts_once_however_often_it_comes():
    known = history(*THREE)
    known.add(versions_in(a_bundle(*THREE), DENVER))

    assert len(known.of(ANA)) == 3
    assert list(known) == [ANA]


def test_entries_that_refer_to_each_other_by_full_url_refer_by_id_afterwards():
    person, stay = "urn:uuid:0a1b", "urn:uuid:2c3d"
    bundle = a_bundle(
        {"fullUrl": stay, "resource": {"resourceType": "Encounter", "subject": {"reference": person}}},
        {"fullUrl": person, "resource": {"resourceType": "Patient"}},
        {"fullUrl": "https://a.example/r4/Condition/c", "resource": {
            "resourceType": "Condition", "id": "c", "encounter": {"reference": stay}}},
        {"resource": {"resourceType": "Flag", "subject": {"reference": "https://a.example/r4/Condition/c"}}},
        kind="transaction",
    )  # fmt: skip
    found = versions_in(bundle, DENVER)
    encounter, _, condition, flag = (version.content or {} for version in found)

    assert [version.reference for version in found] == [
        "Encounter/2c3d", "Patient/0a1b", "Condition/c", "Flag/entry-4",
    ]  # fmt: skip
    assert encounter["subject"] == {"reference": "Patient/0a1b"}
    assert condition["encounter"] == {"reference": "Encounter/2c3d"}
    assert flag["subject"] == {"reference": "Condition/c"}


def test_what_a_server_remarks_about_a_search_is_no_part_of_the_record():
    remark = {"search": {"mode": "outcome"}, "resource": {"resourceType": "OperationOutcome", "id": "x"}}

    assert [v.reference for v in versions_in(a_bundle(THREE[1], remark), DENVER)] == [ANA]


def test_an_entry_that_neither_holds_nor_deletes_anything_is_passed_over():
    assert versions_in(
        a_bundle({"fullUrl": "urn:uuid:1"}, a_deletion(1, "x", url="nonsense"), THREE[2]), DENVER
    ) == [history(THREE[2]).of(ANA)[0]]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"resourceType": "Patient"}, "it is not a FHIR Bundle: its resourceType must be Bundle"),
        ([1], "it is not a FHIR Bundle: its resourceType must be Bundle"),
        (None, "it is not a FHIR Bundle: its resourceType must be Bundle"),
        ({"resourceType": "Bundle", "entry": []}, "it has no entry"),
        ({"resourceType": "Bundle", "entry": "x"}, "it has no entry"),
        (a_bundle(THREE[1], {"resource": {"id": "x"}}), "entry 2 holds a resource without its resourceType"),
        (a_bundle({"resource": {"resourceType": 7}}), "entry 1 holds a resource without its resourceType"),
        (a_bundle({"resource": {"resourceType": "../Task", "id": "x"}}), "entry 1 holds a resource without its resourceType"),
        (a_bundle({"resource": {"resourceType": "Pa/ient", "id": "x"}}), "entry 1 holds a Pa/ient whose id or type is not a FHIR one"),
    ],
)  # fmt: skip
def test_what_is_no_bundle_is_told_with_the_entry(content, why):
    with pytest.raises(NotABundle) as told:
        versions_in(content, DENVER)

    assert str(told.value) == why


def test_an_id_that_is_none_is_replaced_by_one_made_of_the_entry():
    [version] = versions_in(a_bundle({"resource": {"resourceType": "Patient", "id": "a b/../c"}}), DENVER)

    assert version.reference == "Patient/entry-1"
