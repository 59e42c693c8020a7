"""Catching up: what notifications missed is found by the server's own clock, and nobody is woken for nothing."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.vocabulary import PathwayId, Reference
from service.fhir.record_history import HistoryEntry
from service.fhir.systems import ENROLMENT
from service.flow.catch_up import MARK, catch_up
from service.ports import NotInRecord, RecordRefused, RecordUnavailable
from tests.fakes import HOUSE_NOW, FakeWatermarks, FakeWorkIndex

SERVER_NOW = datetime(2026, 3, 6, 23, 0, tzinfo=UTC)  # half an hour behind ours, as servers are
ANA, BEN, CAM = Reference("Patient/ana"), Reference("Patient/ben"), Reference("Patient/cam")
TYPES = frozenset({"Encounter", "Observation", "CarePlan"})


class Record:
    """A server that stamps what is written with its own time and searches by it."""

    def __init__(self):
        self.now = SERVER_NOW
        self.resources = {}
        self.refuses = set()
        self.breaks_after = None
        self.can_sort = True
        self.searches = []
        self.deleted = {}
        self.keeps_no_history = set()

    def write(self, reference, person, **content):
        kind, _, logical_id = reference.partition("/")
        version = int(self.resources.get(reference, {}).get("meta", {}).get("versionId", 0)) + 1
        self.now += timedelta(seconds=1)
        self.resources[reference] = {
            "resourceType": kind,
            "id": logical_id,
            "meta": {"versionId": str(version), "lastUpdated": self.now.isoformat()},
            "subject": {"reference": person},
            **content,
        }

    def delete(self, reference):
        self.now += timedelta(seconds=1)
        del self.resources[reference]
        self.deleted[reference] = self.now

    def since(self, kind, at):
        """The history of a type, newest first."""
        if kind in self.keeps_no_history:
            raise NotInRecord("no history", status=404)
        there = [(datetime.fromisoformat(r["meta"]["lastUpdated"]), ref) for ref, r in self.resources.items()]
        gone = [(when, ref) for ref, when in self.deleted.items()]
        for when, reference in sorted([*there, *gone], reverse=True):
            if reference.startswith(f"{kind}/") and when >= at:
                resource = self.resources.get(reference)
                version = resource["meta"]["versionId"] if resource else "gone"
                yield HistoryEntry(
                    reference=reference,
                    version=version,
                    changed_at=when,
                    resource=resource,
                    deleted=resource is None,
                )

    def search_all(self, searches):
        return [list(self.search(search)) for search in searches]

    def search(self, search):
        self.searches.append(search)
        params = dict(search.params)
        if search.kind in self.refuses or ("_sort" in params and not self.can_sort):
            raise RecordRefused("no", status=400)
        since = datetime.fromisoformat(
            params.get("_lastUpdated", "ge1970-01-01T00:00:00Z").removeprefix("ge")
        )
        found = [
            each
            for each in self.resources.values()
            if each["resourceType"] == search.kind
            and datetime.fromisoformat(each["meta"]["lastUpdated"]) >= since
            and ("status" not in params or each.get("status") in params["status"].split(","))
            and ("category" not in params or each.get("category") == params["category"])
            and ("identifier" not in params or _named(each) & set(params["identifier"].split(",")))
        ]
        if "_sort" in params:
            found.sort(key=lambda each: each["meta"]["lastUpdated"], reverse=True)
        for number, resource in enumerate(found):
            if self.breaks_after is not None and number >= self.breaks_after:
                raise RecordUnavailable("no answer")
            yield resource


def _named(resource):
    return {f"{each['system']}|{each['value']}" for each in resource.get("identifier", [])}


@pytest.fixture
def record():
    return Record()


@pytest.fixture
def marks():
    return FakeWatermarks()


def run(record, marks, *, types=TYPES, now=HOUSE_NOW, history=False):
    """One catch-up; who was woken, and what it says it did."""
    index = FakeWorkIndex()
    done = catch_up(
        record,
        index,
        marks,
        types=types,
        begins={"Encounter"},
        now=now,
        lookback=timedelta(days=30),
        history=record if history else None,
        pathways=[PathwayId("after-a-stay")],
    )
    assert done.woken == len(index.people()) == len(index.woken)
    return index.people(), done


def enrolment(record, reference, person, status="active"):
    record.write(
        reference,
        person,
        status=status,
        category="https://throughline.example/fhir/CodeSystem/careplan-category|pathway",
    )


def test_with_no_mark_everybody_with_a_running_enrolment_or_a_recent_beginning_is_woken(record, marks):
    record.now = SERVER_NOW - timedelta(days=200)
    enrolment(record, "CarePlan/1", ANA)
    enrolment(record, "CarePlan/2", BEN, status="completed")
    record.write("Encounter/old", BEN)
    record.now = SERVER_NOW
    record.write("Encounter/new", CAM)
    record.write("Observation/1", BEN)
    people, done = run(record, marks)
    assert people == {ANA, CAM}
    assert done.rebuilt


def test_afterwards_only_what_changed_wakes_somebody(record, marks):
    record.write("Encounter/1", ANA)
    run(record, marks)
    assert run(record, marks)[0] == set()
    record.write("Observation/1", BEN)
    assert run(record, marks)[0] == {BEN}
    assert run(record, marks)[0] == set()
    record.write("Observation/1", BEN)
    people, done = run(record, marks)
    assert (people, done.read, done.rebuilt) == ({BEN}, 1, False)


def test_the_mark_is_the_servers_time_not_ours(record, marks):
    record.write("Encounter/1", ANA)
    run(record, marks, now=HOUSE_NOW + timedelta(days=10))
    assert datetime.fromisoformat(json.loads(marks.get("catch-up:Encounter"))["at"]) == record.now


def test_what_was_stamped_before_the_mark_but_became_visible_after_it_is_found(record, marks):
    record.write("Encounter/1", ANA)
    run(record, marks)
    record.now -= timedelta(seconds=60)
    record.write("Encounter/slow", BEN)
    assert run(record, marks)[0] == {BEN}


def test_a_type_that_was_empty_is_read_whole_when_something_comes(record, marks):
    run(record, marks)
    record.now -= timedelta(days=1)
    record.write("Observation/1", ANA)
    assert run(record, marks)[0] == {ANA}


def test_a_mark_does_not_move_when_the_pages_end_early(record, marks):
    run(record, marks)
    for number in range(5):
        record.write(f"Encounter/{number}", f"Patient/{number}")
    before = dict(marks.marks)
    record.breaks_after = 3
    with pytest.raises(RecordUnavailable):
        run(record, marks)
    assert marks.get("catch-up:Encounter") == before["catch-up:Encounter"]
    record.breaks_after = None
    assert run(record, marks)[0] == {f"Patient/{number}" for number in range(5)}


def test_a_rebuild_that_ends_early_is_begun_again(record, marks):
    enrolment(record, "CarePlan/1", ANA)
    record.breaks_after = 0
    with pytest.raises(RecordUnavailable):
        run(record, marks)
    assert marks.get(MARK) is None
    record.breaks_after = None
    people, done = run(record, marks)
    assert (people, done.rebuilt) == ({ANA}, True)


def test_a_type_the_server_refuses_is_told_and_holds_up_no_other(record, marks, caplog):
    record.refuses = {"Encounter"}
    enrolment(record, "CarePlan/1", ANA)
    people, done = run(record, marks)
    assert (people, done.refused) == ({ANA}, ("Encounter",))
    assert [r.getMessage() for r in caplog.records] == [
        "catch-up cannot read Encounter: the record refused (HTTP 400)"
    ]
    record.refuses = set()
    record.write("Encounter/1", BEN)
    assert run(record, marks)[0] == {BEN}


def test_a_server_that_cannot_sort_is_read_from_the_look_back_on(record, marks):
    record.can_sort = False
    record.write("Observation/1", ANA)
    run(record, marks)
    assert run(record, marks)[0] == {ANA}


def test_a_type_watched_since_today_is_read_over_the_look_back_without_a_rebuild(record, marks):
    enrolment(record, "CarePlan/1", ANA)
    run(record, marks)
    record.write("Communication/1", BEN)
    people, done = run(record, marks, types=TYPES | {"Communication"})
    assert (people, done.rebuilt) == ({BEN}, False)


def test_changes_that_were_not_seen_before_are_told_by_type_and_time(record, marks):
    record.write("Encounter/1", ANA)
    assert run(record, marks)[1].newest == {}  # a rebuild reads what is old news
    record.write("Observation/1", BEN)
    assert run(record, marks)[1].newest == {"Observation": record.now}
    assert run(record, marks)[1].newest == {}


# --- the history of a type


def begun_by(record, reference, anchor, person):
    record.write(reference, person, identifier=[{"system": ENROLMENT, "value": f"after-a-stay/{anchor}"}])


def test_whoever_was_on_a_pathway_because_of_what_is_deleted_now_is_woken_once(record, marks):
    record.write("Encounter/1", ANA)
    begun_by(record, "CarePlan/1", "Encounter/1", ANA)
    run(record, marks, history=True)
    record.delete("Encounter/1")

    assert run(record, marks, history=True)[0] == {ANA}
    assert run(record, marks, history=True)[0] == set()


def test_what_is_deleted_and_began_nothing_wakes_nobody(record, marks):
    record.write("Encounter/1", ANA)
    run(record, marks, history=True)
    record.delete("Encounter/1")

    assert run(record, marks, history=True)[0] == set()


def test_a_server_without_such_a_history_is_caught_up_all_the_same(record, marks):
    record.keeps_no_history = set(TYPES)
    run(record, marks, history=True)
    record.write("Encounter/1", ANA)

    people, done = run(record, marks, history=True)
    assert (people, done.refused) == ({ANA}, ())


def test_a_type_whose_search_is_refused_is_read_from_its_history(record, marks):
    record.write("Encounter/0", CAM)
    run(record, marks, history=True)
    record.refuses = {"Encounter"}
    record.write("Encounter/1", ANA)
    begun_by(record, "CarePlan/1", "Encounter/0", CAM)
    run(record, marks, history=True)
    record.write("Encounter/1", ANA)
    record.delete("Encounter/0")

    people, done = run(record, marks, history=True)
    assert (people, done.refused) == ({ANA, CAM}, ())
    assert run(record, marks, history=True)[0] == set()


def test_a_type_that_can_neither_be_searched_nor_has_a_history_is_told(record, marks):
    run(record, marks, history=True)
    record.refuses, record.keeps_no_history = {"Encounter"}, {"Encounter"}

    assert run(record, marks, history=True)[1].refused == ("Encounter",)


def test_a_broken_mark_is_read_over_rather_than_trusted(record, marks):
    record.write("Encounter/1", ANA)
    run(record, marks)
    marks.set("catch-up:Encounter", "yesterday")
    assert run(record, marks)[0] == {ANA}


def test_many_people_are_woken_on_the_way_and_each_once(record, marks):
    for number in range(1200):
        record.write(f"Encounter/{number}", f"Patient/{number % 900}")
    assert len(run(record, marks)[0]) == 900


@given(
    st.lists(
        st.tuples(st.sampled_from([ANA, BEN, CAM]), st.sampled_from(sorted(TYPES)), st.integers(-80, 300)),
        max_size=12,
    )
)
def test_however_stamps_lag_within_the_overlap_every_change_wakes_its_person_exactly_once(changes):
    record, marks = Record(), FakeWatermarks()
    run(record, marks)
    for number, (person, kind, ahead) in enumerate(changes):
        record.now = max(SERVER_NOW, record.now) + timedelta(seconds=ahead)
        record.write(f"{kind}/{number}", person)
        record.now = max(
            record.now, *(datetime.fromisoformat(r["meta"]["lastUpdated"]) for r in record.resources.values())
        )
        assert run(record, marks)[0] == {person}
    assert run(record, marks)[0] == set()
