"""What only the record in memory does: searches in detail, faults, versions."""

from datetime import timedelta

import pytest

from service.adapters.memory_record import Faults, InMemoryRecord
from service.ports import Capabilities, NotInRecord, RecordRefused, Search, Write, Written
from tests.plans import enrolment_plan, new

CATEGORY = "https://throughline.example/fhir/CodeSystem/careplan-category"
ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "12",
    "status": "finished",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "subject": {"reference": "Patient/ana"},
    "period": {"start": "2026-03-01T08:00:00-07:00", "end": "2026-03-05T10:00:00-07:00"},
}


@pytest.fixture
def record(clock):
    record = InMemoryRecord(clock)
    record.put(
        {
            "resourceType": "Patient",
            "id": "ana",
            "active": True,
            "name": [{"family": "Ruiz", "given": ["Ana"]}],
        }
    )
    record.put(ENCOUNTER)
    record.put({
        "resourceType": "CarePlan", "id": "cp", "status": "active", "subject": {"reference": "Patient/ana"},
        "category": [{"coding": [{"system": CATEGORY, "code": "pathway"}]}],
        "meta": {"tag": [{"system": "urn:x", "code": "one"}]},
    })  # fmt: skip
    record.put({"resourceType": "Coverage", "id": "cov", "beneficiary": {"reference": "Patient/ana"}})
    record.put({"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/lee"}, "code": [{"coding": [{"code": "nurse"}]}]})  # fmt: skip
    record.put({"resourceType": "Practitioner", "id": "lee"})
    record.put(
        {"resourceType": "Appointment", "id": "app", "participant": [{"actor": {"reference": "Patient/ana"}}]}
    )
    return record


@pytest.mark.parametrize(
    ("kind", "params", "found"),
    [
        ("Patient", "_id=ana", "Patient/ana"),
        ("Patient", "_id=ana,ben", "Patient/ana"),
        ("Patient", "active=true", "Patient/ana"),
        ("Patient", "name=rui", "Patient/ana"),
        ("Encounter", "patient=Patient/ana", "Encounter/12"),
        ("Encounter", "patient=ana", "Encounter/12"),
        ("Encounter", "subject:Patient=ana", "Encounter/12"),
        ("Encounter", "patient=Patient/an", ""),
        ("Encounter", "class=IMP", "Encounter/12"),
        ("Encounter", "class=http://terminology.hl7.org/CodeSystem/v3-ActCode|IMP", "Encounter/12"),
        ("Encounter", "class=http://other.example|IMP", ""),
        ("Encounter", "class=|IMP", ""),
        ("Encounter", "status:not=finished", ""),
        ("Encounter", "date=ge2026-03-05", "Encounter/12"),
        ("Encounter", "date=ge2026-03-06", ""),
        ("Encounter", "date=lt2026-03-01T15:00:01Z", "Encounter/12"),
        ("Encounter", "date=2026-03", "Encounter/12"),
        ("Encounter", "part-of:missing=true", "Encounter/12"),
        ("CarePlan", f"category={CATEGORY}|pathway", "CarePlan/cp"),
        ("CarePlan", f"category={CATEGORY}|", "CarePlan/cp"),
        ("CarePlan", f"category={CATEGORY}|escalation", ""),
        ("CarePlan", "_tag=urn:x|one", "CarePlan/cp"),
        ("CarePlan", "_tag=urn:x|two", ""),
        ("CarePlan", "_lastUpdated=ge2026-03-06T23:30:00Z", "CarePlan/cp"),
        ("CarePlan", "_lastUpdated=ge2026-03-06T23:30:01Z", ""),
        ("Coverage", "beneficiary=Patient/ana", "Coverage/cov"),
        ("Coverage", "patient=Patient/ana", "Coverage/cov"),
        ("Appointment", "actor=Patient/ana", "Appointment/app"),
        (
            "PractitionerRole",
            "role=nurse&_include=PractitionerRole:practitioner",
            "PractitionerRole/r Practitioner/lee",
        ),
        (
            "Practitioner",
            "_id=lee&_revinclude=PractitionerRole:practitioner",
            "Practitioner/lee PractitionerRole/r",
        ),
    ],
)
def test_searches_find_what_fhir_says(record, kind, params, found):
    pairs = tuple((name, value) for name, _, value in (pair.partition("=") for pair in params.split("&")))
    resources = record.search(Search(kind=kind, params=pairs))
    assert " ".join(f"{r['resourceType']}/{r['id']}" for r in resources) == found


@pytest.mark.parametrize(
    ("kind", "name"), [("Coverage", "colour"), ("Encounter", "status:fuzzy"), ("Task", "due")]
)
def test_a_parameter_it_does_not_know_is_refused(record, kind, name):
    with pytest.raises(RecordRefused, match=name):
        record.search(Search(kind=kind, params=((name, "x"),)))


def test_results_can_be_sorted(record, clock):
    for logical_id, sent in (("b", "2026-03-02"), ("a", "2026-03-03"), ("c", "2026-03-01")):
        record.put({"resourceType": "Communication", "id": logical_id, "sent": sent})
    ordered = [r["id"] for r in record.search(Search(kind="Communication", params=(("_sort", "-sent"),)))]
    assert ordered == ["a", "b", "c"]


def test_versions_are_kept_with_the_time_of_the_clock(record, clock):
    written = record.create(new("follow-up", "Task", "a", status="requested"))
    clock.move(timedelta(hours=2))
    record.update(
        Write(resource={**record.read(written.reference), "status": "accepted"}, full_url=written.reference)
    )
    assert [(v["status"], v["meta"]) for v in record.versions(written.reference)] == [
        ("requested", {"versionId": "1", "lastUpdated": "2026-03-06T16:30:00.000-07:00"}),
        ("accepted", {"versionId": "2", "lastUpdated": "2026-03-06T18:30:00.000-07:00"}),
    ]


def test_writing_what_is_there_already_makes_no_version(record):
    written = record.create(new("follow-up", "Task", "a", status="requested"))
    again = record.update(
        Write(resource=record.read(written.reference), full_url=written.reference, if_match=written.version)
    )
    assert again.version == written.version
    assert len(record.versions(written.reference)) == 1


def test_what_was_read_can_be_changed_without_changing_the_record(record):
    record.read("Encounter/12")["status"] = "cancelled"
    assert record.read("Encounter/12")["status"] == "finished"


def test_what_was_deleted_is_told_from_never_there_and_found_no_more(record):
    record.delete("Encounter/12")
    with pytest.raises(NotInRecord) as deleted:
        record.read("Encounter/12")
    assert deleted.value.deleted
    assert list(record.search(Search(kind="Encounter", params=()))) == []


def test_a_reference_to_what_does_not_exist_yet_is_refused(record):
    with pytest.raises(RecordRefused, match="does not exist yet"):
        record.create(enrolment_plan("e", ["call"], "Patient/ana")[0])


def test_a_failed_transaction_leaves_nothing_where_it_is_atomic_and_the_rest_where_it_is_not(clock):
    good = new("follow-up", "Task", "good")
    stale = Write(resource={"resourceType": "Task", "id": "x"}, full_url="Task/x", if_match="1")
    atomic = InMemoryRecord(clock)
    with pytest.raises(NotInRecord):
        atomic.transact([good, stale])
    assert atomic.everything() == []
    loose = InMemoryRecord(clock, Capabilities())
    written, failed = loose.transact([good, stale])
    assert [type(each) for each in (written, failed)] == [Written, NotInRecord]


def test_faults_come_before_or_after_the_write_they_are_meant_for(clock):
    class Lost(Exception):
        pass

    def second(n):
        if n == 2:
            raise Lost

    for faults, left in ((Faults(before=second), 1), (Faults(after=second), 2)):
        record = InMemoryRecord(clock, faults=faults)
        record.create(new("follow-up", "Task", "1"))
        with pytest.raises(Lost):
            record.create(new("follow-up", "Task", "2"))
        assert len(record.everything()) == left
