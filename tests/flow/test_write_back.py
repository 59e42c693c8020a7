"""Writing back: whatever breaks in between, doing it again ends with the same record and nothing twice."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.pacing import Pace
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.memory_record import Faults, InMemoryRecord
from service.flow.write_back import write_back
from service.ports import Capabilities, RecordRefused, RecordUnavailable, Search, VersionConflict, Write
from tests.plans import IDENTIFIERS, enrolment_plan, new
from tests.sandbox import FrozenClock

ATOMIC = Capabilities(atomic_transactions=True)
STEP_BY_STEP = Capabilities()
NUMBERS = count(1)
NAMES = ["call", "visit", "plan"]
PERSON = {"resourceType": "Patient", "id": "ana"}


class Lost(Exception):
    """The worker died here."""


def fail_at(number):
    def faulty(n):
        if n == number:
            raise Lost

    return faulty


def memory(capabilities=STEP_BY_STEP, faults=None):
    record = InMemoryRecord(FrozenClock(), capabilities, faults)
    record.put(PERSON)
    return record


def said(record):
    """The whole record without what only tells when it was written."""
    return [{k: v for k, v in each.items() if k != "meta"} for each in record.everything()]


def plan(name="e"):
    return enrolment_plan(name, NAMES, "Patient/ana")


def enrolments(record, person="Patient/ana"):
    return list(record.search(Search(kind="CarePlan", params=(("patient", person),))))


def assert_whole(record, person, names=NAMES):
    (enrolment,) = enrolments(record, person)
    tasks = list(record.search(Search(kind="Task", params=(("patient", person),))))
    assert len(tasks) == len(names)
    assert {a["reference"]["reference"] for a in enrolment["activity"]} == {f"Task/{t['id']}" for t in tasks}
    assert {t["basedOn"][0]["reference"] for t in tasks} == {f"CarePlan/{enrolment['id']}"}


# --- the shape of what is written


def test_one_transaction_and_step_by_step_end_with_the_same_record():
    at_once, stepwise = memory(ATOMIC), memory(STEP_BY_STEP)
    first, second = write_back(at_once, plan()), write_back(stepwise, plan())
    assert said(at_once) == said(stepwise)
    assert_whole(at_once, "Patient/ana")
    assert (first.requests, second.requests) == (1, 6)
    assert [w.reference for w in first.written] == [w.reference for w in second.written]
    assert all(w.created for w in (*first.written, *second.written))


def test_the_report_names_the_version_that_stands_now():
    record = memory(STEP_BY_STEP)
    report = write_back(record, plan())
    assert [record.read(w.reference)["meta"]["versionId"] for w in report.written] == [
        w.version for w in report.written
    ]


def test_a_new_enrolment_is_first_and_is_completed_last():
    record = memory(STEP_BY_STEP)
    report = write_back(record, plan())
    stub, whole = record.versions(report.written[0].reference)
    assert "activity" not in stub
    assert len(whole["activity"]) == 3


def test_an_updated_enrolment_is_written_last_even_after_what_had_to_be_completed():
    record = memory(STEP_BY_STEP)
    enrolment = write_back(record, plan()).written[0]
    current = record.read(enrolment.reference)
    escalation, response = enrolment_plan("escalation", ["respond"], "Patient/ana")[:2]
    order: list[tuple[str, str]] = []
    record.create, record.update = watch(record.create, order), watch(record.update, order)
    last = Write(
        resource={**current, "title": "next"}, full_url=enrolment.reference, if_match=enrolment.version
    )
    write_back(record, [escalation, response, last])
    assert [name for name, _ in order] == ["CarePlan", "Task", "CarePlan", "CarePlan"]
    assert order[-1] == ("CarePlan", enrolment.reference)


def test_a_new_enrolment_is_completed_after_everything_else():
    record = memory(STEP_BY_STEP)
    order: list[tuple[str, str]] = []
    record.update = watch(record.update, order)
    escalation, response = enrolment_plan("escalation", ["respond"], "Patient/ana")[:2]
    report = write_back(record, [*plan(), escalation, response])
    assert [reference for _, reference in order] == [report.written[5].reference, report.written[0].reference]


def watch(act, order):
    def watched(write):
        order.append((write.resource["resourceType"], write.full_url))
        return act(write)

    return watched


def test_nothing_to_write_asks_nothing():
    report = write_back(memory(), [])
    assert (report.written, report.requests) == ((), 0)


# --- doing it again


@pytest.mark.parametrize("capabilities", [ATOMIC, STEP_BY_STEP])
def test_writing_the_same_again_changes_nothing(capabilities):
    record = memory(capabilities)
    write_back(record, plan())
    before = record.everything()
    report = write_back(record, plan())
    assert record.everything() == before
    assert not any(w.created for w in report.written)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 7))
def test_a_crash_at_any_write_is_finished_by_doing_it_again(number, when):
    wanted = memory(STEP_BY_STEP)
    write_back(wanted, plan())
    record = memory(STEP_BY_STEP, Faults(**{when: fail_at(number)}))
    with pytest.raises(Lost):
        write_back(record, plan())
    write_back(record, plan())
    assert said(record) == said(wanted)


@pytest.mark.parametrize("number", range(1, 7))
def test_a_crash_is_finished_on_a_server_that_can_do_transactions_by_then(number):
    record = memory(STEP_BY_STEP, Faults(after=fail_at(number)))
    with pytest.raises(Lost):
        write_back(record, plan())
    record._capabilities = ATOMIC
    write_back(record, plan())
    assert_whole(record, "Patient/ana")


@given(crashes=st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_series_of_crashes_ends_with_the_same_record(crashes):
    wanted, record = memory(STEP_BY_STEP), memory(STEP_BY_STEP)
    write_back(wanted, plan())
    for before, number in crashes:
        faulty = fail_at(record.writes + number)
        record.faults = Faults(before=faulty) if before else Faults(after=faulty)
        try:
            write_back(record, plan())
        except Lost:
            continue
    record.faults = Faults()
    write_back(record, plan())
    assert said(record) == said(wanted)


# --- servers that do less


def test_a_server_with_a_limit_gets_single_writes_when_there_are_more():
    record = memory(Capabilities(atomic_transactions=True, transaction_limit=3))
    report = write_back(record, plan())
    assert report.requests == 6
    assert_whole(record, "Patient/ana")


def test_a_limit_that_nobody_knew_of_costs_one_request_and_nothing_else():
    record = memory(Capabilities(atomic_transactions=True, transaction_limit=3))
    record_that_hides_it = hiding(record, ATOMIC)
    report = write_back(record_that_hides_it, plan())
    assert report.requests == 7
    assert_whole(record, "Patient/ana")


class hiding:  # noqa: N801  (reads as a verb where it is used)
    """A record that claims other capabilities than it has."""

    def __init__(self, record, capabilities):
        self.inner = record
        self.capabilities = capabilities

    def __getattr__(self, name):
        return getattr(self.inner, name)


@pytest.mark.parametrize("refused", range(5))
def test_a_transaction_that_turns_out_not_to_be_atomic_is_completed_step_by_step(refused):
    wanted = memory(STEP_BY_STEP)
    write_back(wanted, plan())
    record = NotAtomic(memory(Capabilities(atomic_transactions=False)), refused)
    write_back(record, plan())
    assert record.partly == 1
    assert_whole(record.inner, "Patient/ana")
    (trail,) = [r for r in record.inner.everything() if r["resourceType"] == "Provenance"]
    assert all(record.inner.read(target["reference"]) for target in trail["target"])
    assert len(record.inner.everything()) == len(wanted.everything())


class NotAtomic(hiding):
    """Names ids for all entries, fails one, keeps the others: their References to it lead nowhere."""

    def __init__(self, record, refused):
        super().__init__(record, ATOMIC)
        self.refused = refused
        self.partly = 0

    def transact(self, writes):
        self.partly += 1
        create = self.inner._create

        def create_but_one(write, logical_id=None):
            if write.full_url == writes[self.refused].full_url:
                raise RecordUnavailable("409", status=409)
            return create(write, logical_id)

        self.inner._create = create_but_one
        try:
            return self.inner.transact(writes)
        finally:
            del self.inner._create


# --- other writers


@pytest.mark.parametrize("capabilities", [ATOMIC, STEP_BY_STEP])
def test_a_stale_fence_is_a_conflict_and_the_enrolment_stays_as_the_other_wrote_it(capabilities):
    record = memory(capabilities)
    enrolment = write_back(record, plan()).written[0]
    mine = record.read(enrolment.reference)
    record.update(
        Write(resource={**mine, "title": "theirs"}, full_url=enrolment.reference, if_match=enrolment.version)
    )
    late = Write(resource={**mine, "title": "mine"}, full_url=enrolment.reference, if_match=enrolment.version)
    with pytest.raises(VersionConflict):
        write_back(record, [new("follow-up", "Task", "late", status="requested", intent="order"), late])
    assert record.read(enrolment.reference)["title"] == "theirs"


def test_a_stale_fence_in_a_transaction_leaves_nothing_of_the_outdated_decision():
    record = memory(ATOMIC)
    enrolment = write_back(record, plan()).written[0]
    mine = record.read(enrolment.reference)
    record.update(
        Write(resource={**mine, "title": "theirs"}, full_url=enrolment.reference, if_match=enrolment.version)
    )
    before = record.everything()
    late = Write(resource={**mine, "title": "mine"}, full_url=enrolment.reference, if_match=enrolment.version)
    with pytest.raises(VersionConflict):
        write_back(record, [new("follow-up", "Task", "late", status="requested", intent="order"), late])
    assert record.everything() == before


def test_an_enrolment_that_somebody_else_made_differently_is_a_conflict_not_overwritten():
    record = memory(STEP_BY_STEP)
    enrolling = plan()[0]
    theirs = {**enrolling.resource, "title": "theirs", "activity": []}
    record.create(replace(enrolling, resource=theirs))
    with pytest.raises(VersionConflict) as conflict:
        write_back(record, plan())
    assert str(conflict.value) == (
        "CarePlan: somebody else has made this resource meanwhile, and differently. Read again and decide again."
    )
    assert enrolments(record)[0]["title"] == "theirs"


def test_follow_ups_that_their_owners_have_moved_on_are_left_alone():
    record = memory(STEP_BY_STEP)
    report = write_back(record, plan())
    task = report.written[1]
    accepted = {**record.read(task.reference), "status": "accepted"}
    record.update(Write(resource=accepted, full_url=task.reference, if_match=task.version))
    write_back(record, plan())
    assert record.read(task.reference)["status"] == "accepted"


# --- decisions that are not whole


def test_a_reference_to_something_outside_the_decision_is_refused_before_anything_is_written():
    record = memory()
    with pytest.raises(RecordRefused) as refused:
        write_back(record, plan()[:2])
    assert str(refused.value) == "CarePlan: it refers to a new resource that is not part of this decision."
    assert len(record.everything()) == 1


def test_the_same_resource_twice_in_a_decision_is_refused():
    with pytest.raises(RecordRefused, match="written once"):
        write_back(memory(), [*plan(), plan()[1]])


def test_a_new_resource_without_a_condition_is_refused():
    write = replace(new("follow-up", "Task", "x", status="requested"), create_if_none=None)
    with pytest.raises(RecordRefused, match="needs the condition"):
        write_back(memory(), [write])


# --- a real server


@pytest.fixture
def client(sandbox):
    # One request at a time: this server lets parallel conditional creates outside transactions both win.
    with FhirClient(sandbox.base_url, pace=Pace(start=1, most=1)) as client:
        yield client


@pytest.fixture
def person(client):
    patient = new("mrn", "Patient", f"write-back-{next(NUMBERS)}")
    return HttpFhirRecord(client, STEP_BY_STEP).create(patient).reference


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 7))
def test_a_crash_on_a_real_server_is_finished_by_doing_it_again(client, person, number, when):
    record = Crashing(HttpFhirRecord(client, STEP_BY_STEP), number, when)
    writes = enrolment_plan(f"crash/{person}", NAMES, person)
    with pytest.raises(Lost):
        write_back(record, writes)
    write_back(record.inner, writes)
    assert_whole(record.inner, person)
    write_back(HttpFhirRecord(client, ATOMIC), writes)
    assert_whole(record.inner, person)


class Crashing(hiding):
    def __init__(self, record, number, when):
        super().__init__(record, record.capabilities)
        self.fail, self.when, self.count = fail_at(number), when, 0

    def create(self, write):
        return self._act(self.inner.create, write)

    def update(self, write):
        return self._act(self.inner.update, write)

    def _act(self, act, write):
        self.count += 1
        if self.when == "before":
            self.fail(self.count)
        done = act(write)
        if self.when == "after":
            self.fail(self.count)
        return done


@pytest.mark.parametrize("capabilities", [ATOMIC, STEP_BY_STEP])
def test_sixteen_writers_of_one_decision_leave_one_of_each(client, person, capabilities):
    record = HttpFhirRecord(client, capabilities)
    writes = enrolment_plan(f"race/{person}", NAMES, person)

    def race(_):
        try:
            return write_back(record, writes)
        except VersionConflict:
            return None

    with ThreadPoolExecutor(16) as pool:
        reports = list(pool.map(race, range(16)))
    assert any(reports)
    assert_whole(record, person)
    tag = str(writes[-1].create_if_none).removeprefix("_tag=")
    assert len(list(record.search(Search(kind="Provenance", params=(("_tag", tag),))))) == 1


@pytest.mark.parametrize("capabilities", [ATOMIC, STEP_BY_STEP])
def test_sixteen_writers_in_memory_leave_one_of_each(capabilities):
    record = memory(capabilities)

    def race(_):
        try:
            return write_back(record, plan())
        except VersionConflict:
            return None

    with ThreadPoolExecutor(16) as pool:
        assert any(pool.map(race, range(16)))
    assert_whole(record, "Patient/ana")


def test_identifiers_of_the_plan_are_on_the_real_server(client, person):
    record = HttpFhirRecord(client, ATOMIC)
    write_back(record, enrolment_plan(f"id/{person}", NAMES, person))
    (enrolment,) = enrolments(record, person)
    assert enrolment["identifier"] == [{"system": f"{IDENTIFIERS}/enrolment", "value": f"id/{person}"}]
