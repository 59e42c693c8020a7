"""What every FHIR record does, in memory and on a real server alike."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import count

import pytest

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.probe import probe
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.memory_record import InMemoryRecord
from service.ports import NotInRecord, RecordRefused, Search, VersionConflict, Write
from tests.plans import IDENTIFIERS, enrolment_plan, new

NUMBERS = count(1)


@pytest.fixture(scope="module")
def http_record(sandbox):
    client = FhirClient(sandbox.base_url)
    yield HttpFhirRecord(client, probe(client).capabilities)
    client.close()


@pytest.fixture(params=["memory", "http"])
def record(request, clock):
    return InMemoryRecord(clock) if request.param == "memory" else request.getfixturevalue("http_record")


@pytest.fixture
def person(record):
    return record.create(new("mrn", "Patient", f"p-{next(NUMBERS)}")).reference


def task(person, value=None, **elements):
    value = value or f"t-{next(NUMBERS)}"
    usual = {"status": "requested", "intent": "order", "for": {"reference": person}}
    return new("follow-up", "Task", value, **{**usual, **elements})


def changed(record, written, **elements):
    return Write(
        resource={**record.read(written.reference), **elements},
        full_url=written.reference,
        if_match=written.version,
    )


def tasks_of(record, person, *params):
    return list(record.search(Search(kind="Task", params=(("patient", person), *params))))


def test_what_is_created_can_be_read(record, person):
    written = record.create(task(person, priority="urgent"))
    assert written.created
    read = record.read(written.reference)
    assert (read["priority"], read["meta"]["versionId"]) == ("urgent", written.version)


def test_creating_again_answers_what_is_there_and_changes_nothing(record, person):
    first = record.create(task(person, "same"))
    again = record.create(task(person, "same", priority="stat"))
    assert (again.reference, again.version, again.created) == (first.reference, first.version, False)
    assert "priority" not in record.read(first.reference)


@pytest.mark.parametrize("value", ["a,b", "a|b", "a$b", "a&b=c", "ä é", "50%+1", r"back\slash"])
def test_identifiers_with_characters_that_mean_something_in_searches_stay_one_resource(record, person, value):
    value = f"{value}/{next(NUMBERS)}"
    first = record.create(task(person, value))
    again = record.create(task(person, value))
    assert (first.created, again.created, again.reference) == (True, False, first.reference)


def test_the_same_created_by_sixteen_at_once_exists_once(record, person):
    write = task(person)
    with ThreadPoolExecutor(16) as pool:
        written = list(pool.map(lambda _: record.create(write), range(16)))
    assert len({each.reference for each in written}) == 1
    assert [each.created for each in written].count(True) == 1


def test_an_update_of_the_current_version_is_taken(record, person):
    written = record.create(task(person))
    updated = record.update(changed(record, written, status="accepted"))
    assert (updated.reference, updated.created) == (written.reference, False)
    assert updated.version != written.version
    assert record.read(written.reference)["status"] == "accepted"


def test_an_update_of_an_outdated_version_is_a_conflict(record, person):
    written = record.create(task(person))
    late = changed(record, written, status="rejected")
    record.update(changed(record, written, status="accepted"))
    with pytest.raises(VersionConflict):
        record.update(late)
    assert record.read(written.reference)["status"] == "accepted"


def test_what_was_never_there_is_not_in_the_record(record):
    with pytest.raises(NotInRecord) as absent:
        record.read("Task/never-there")
    assert not absent.value.deleted


def test_searches_by_person_and_status_find_exactly_those(record, person):
    wanted = record.create(task(person))
    record.create(task(person, status="completed"))
    record.create(task(record.create(new("mrn", "Patient", f"p-{next(NUMBERS)}")).reference))
    found = tasks_of(record, person, ("status", "requested,accepted"))
    assert [f"Task/{each['id']}" for each in found] == [wanted.reference]


def test_searches_follow_all_pages(record, person):
    written = {record.create(task(person)).reference for _ in range(7)}
    found = tasks_of(record, person, ("_count", "2"))
    assert sorted(f"Task/{each['id']}" for each in found) == sorted(written)


def test_several_searches_are_answered_in_the_order_asked(record, person):
    written = record.create(task(person))
    by_id = Search(kind="Patient", params=(("_id", person.partition("/")[2]),))
    none = Search(kind="CarePlan", params=(("patient", person),))
    by_person = Search(kind="Task", params=(("patient", person),))
    found = record.search_all([by_person, none, by_id])
    assert [[f"{r['resourceType']}/{r['id']}" for r in each] for each in found] == [
        [written.reference],
        [],
        [person],
    ]


def test_includes_come_with_the_matches(record, person):
    written = record.create(task(person, owner={"reference": person}))
    found = tasks_of(record, person, ("_include", "Task:owner"))
    assert [f"{each['resourceType']}/{each['id']}" for each in found] == [written.reference, person]


def test_an_unknown_search_parameter_is_refused_and_not_ignored(record, person):
    with pytest.raises(RecordRefused):
        tasks_of(record, person, ("favourite-colour", "blue"))


def test_recent_changes_can_be_asked_for(record, person):
    written = record.create(task(person))
    assert (
        tasks_of(record, person, ("_lastUpdated", "ge2020-01-01T00:00:00Z"))[0]["id"] == written.reference[5:]
    )
    assert tasks_of(record, person, ("_lastUpdated", "ge2099-01-01T00:00:00Z")) == []


def test_a_transaction_resolves_what_its_entries_say_of_each_other(record, person):
    plan = enrolment_plan(f"e-{next(NUMBERS)}", ["call", "visit"], person)
    enrolling, *tasks, _trail = record.transact(plan)
    activities = [a["reference"]["reference"] for a in record.read(enrolling.reference)["activity"]]
    assert activities == [each.reference for each in tasks]
    assert record.read(tasks[0].reference)["basedOn"][0]["reference"] == enrolling.reference
    assert [each.created for each in record.transact(plan)] == [False] * 4


def test_a_transaction_with_an_outdated_fence_leaves_nothing(record, person):
    written = record.create(task(person))
    late = changed(record, written, status="rejected")
    record.update(changed(record, written, status="accepted"))
    fresh = task(person, "left-behind")
    with pytest.raises(VersionConflict):
        record.transact([fresh, late])
    assert not tasks_of(record, person, ("identifier", f"{IDENTIFIERS}/follow-up|left-behind"))


def test_decimals_arrive_as_they_were_sent(record, person):
    code = {"text": "weight"}
    sent = new("observation", "Observation", f"o-{next(NUMBERS)}", status="final", code=code, subject={"reference": person}, valueQuantity={"value": Decimal("72.3")})  # fmt: skip
    value = record.read(record.create(sent).reference)["valueQuantity"]["value"]
    assert (value, type(value)) == (Decimal("72.3"), Decimal)


@pytest.mark.parametrize(
    "reference", ["Task/..", "Task/../Patient/1", "../Task/1", "Task/1?x=y", "https://x/Task/1", ""]
)
def test_a_reference_that_is_none_never_becomes_a_request(http_record, reference):
    with pytest.raises(RecordRefused) as refused:
        http_record.read(reference)
    assert str(refused.value) == (
        "A reference is not of the form Type/id, so it cannot be read: correct where it stands."
    )
