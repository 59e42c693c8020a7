"""Taking in: whoever may be concerned is woken, whatever else happens to the notification that said so."""

import json
import logging
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.vocabulary import PathwayId
from service.fhir.parked import unpacked
from service.flow.concerned import Skip
from service.flow.take_in import TakenIn, take_in
from service.ports import (
    FhirRecord,
    InboxUnavailable,
    NotInRecord,
    RawNotification,
    RecordRefused,
    RecordUnavailable,
    Written,
)
from tests.fakes import FakeDeadLetters, FakeEchoes, FakeInbox, FakeWatermarks, FakeWorkIndex, ManualClock

BASE = "https://record.example/fhir"


@dataclass
class Record:
    """A record of a few resources that can be down, refuse, or have lost one."""

    resources: dict[str, dict] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    down: bool = False
    refuses: set[str] = field(default_factory=set)
    reads: list[str] = field(default_factory=list)
    searches: int = 0

    def read(self, reference):
        self.reads.append(reference)
        if self.down:
            raise RecordUnavailable("The record is down.")
        if reference in self.refuses:
            raise RecordRefused("Forbidden.", status=403)
        if reference not in self.resources:
            gone = reference in self.deleted
            raise NotInRecord("Not there.", status=410 if gone else 404, deleted=gone)
        return self.resources[reference]

    def search_all(self, searches):
        self.searches += 1
        if self.down:
            raise RecordUnavailable("The record is down.")
        wanted = [{f"{s.kind}/{id_}" for id_ in s.params[0][1].split(",")} for s in searches]
        return [[r for ref, r in self.resources.items() if ref in w - self.refuses] for w in wanted]


@dataclass
class Site:
    """Everything that taking in touches."""

    inbox: FakeInbox = field(default_factory=FakeInbox)
    index: FakeWorkIndex = field(default_factory=FakeWorkIndex)
    record: Record = field(default_factory=Record)
    letters: FakeDeadLetters = field(default_factory=FakeDeadLetters)
    marks: FakeWatermarks = field(
        default_factory=lambda: FakeWatermarks({"known:encounters": "Subscription/s1"})
    )
    echoes: FakeEchoes = field(default_factory=FakeEchoes)
    clock: ManualClock = field(default_factory=ManualClock)
    caught_up: list[str] = field(default_factory=list)
    catch_up_fails: Exception | None = None
    events: dict[int, dict] = field(default_factory=dict)
    """What the server tells again when asked, by number."""
    events_fail: Exception | None = None
    answers_alone: bool = False
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def comes(self, body=b"", *, subscription="encounters", method="POST", path="", headers=None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.inbox.append(
            RawNotification(
                subscription=subscription,
                method=method,
                path=path,
                content_type="",
                body=content,
                headers=headers or {},
            )
        )

    def take_in(self, limit: int = 100) -> TakenIn:
        return take_in(
            self.inbox, self.index, cast("FhirRecord", self.record), self.letters, self.clock,
            watermarks=self.marks, echoes=self.echoes, catch_up=self._catch_up, pathways=[PathwayId("after-discharge")],
            base_url=BASE, limit=limit, events=self._events, canaries={"canary"},
        )  # fmt: skip

    def _events(self, reference: str, first: int, last: int) -> dict:
        if self.events_fail is not None:
            raise self.events_fail
        self.asked.append((reference, first, last))
        told = [(number, self.events[number]) for number in range(first, last + 1) if number in self.events]
        if self.answers_alone:
            return told[0][1]
        numbered = [
            {
                "eventNumber": str(number),
                "focus": {"reference": f"{resource['resourceType']}/{resource['id']}"},
                "additionalContext": [resource["subject"]],
            }
            for number, resource in told
        ]
        status = {"resourceType": "SubscriptionStatus", "type": "query-event", "notificationEvent": numbered}
        return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}

    def _catch_up(self, name: str) -> None:
        if self.catch_up_fails is not None:
            raise self.catch_up_fails
        self.caught_up.append(name)


@pytest.fixture
def site() -> Site:
    return Site()


def encounter(id_="e1", person="p1", **rest):
    return {"resourceType": "Encounter", "id": id_, "subject": {"reference": f"Patient/{person}"}, **rest}


def event(*foci, numbers=None, type_="event-notification", since=None):
    status = {"resourceType": "SubscriptionStatus", "type": type_, "status": "active"}
    status["notificationEvent"] = [
        {"focus": {"reference": focus}, **({"eventNumber": str(numbers[at])} if numbers else {})}
        for at, focus in enumerate(foci)
    ]
    if since is not None:
        status["eventsSinceSubscriptionStart"] = str(since)
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}


# --- whom it concerns -------------------------------------------------------------------------------------------


def test_the_person_of_a_carried_resource_is_woken_now_without_reading_the_record(site) -> None:
    site.comes(encounter(), method="PUT", path="Encounter/e1")

    assert site.take_in() == TakenIn(taken=1, woken=1)
    assert site.index.woken == [("Patient/p1", site.clock.now())]
    assert site.record.reads == []
    assert site.inbox.size() == 0


def test_the_person_of_a_named_resource_is_found_in_the_record(site) -> None:
    site.record.resources["Encounter/e1"] = encounter()
    site.comes(event("Encounter/e1"))

    site.take_in()

    assert site.index.people() == {"Patient/p1"}


def test_a_carried_person_may_be_written_with_our_base_but_not_with_another(site) -> None:
    site.comes({**encounter(), "subject": {"reference": f"{BASE}/Patient/p1"}})
    site.comes({**encounter("e2"), "subject": {"reference": "https://elsewhere.example/fhir/Patient/p2"}})
    site.record.resources["Encounter/e2"] = encounter("e2", "p3")

    site.take_in()

    assert site.index.people() == {"Patient/p1", "Patient/p3"}


def test_a_changed_patient_is_the_person(site) -> None:
    site.comes(method="DELETE", path="Patient/p1")

    site.take_in()

    assert site.index.people() == {"Patient/p1"}
    assert site.record.reads == []


def test_everybody_of_a_group_appointment_is_woken(site) -> None:
    participants = [{"actor": {"reference": f"Patient/p{n}"}} for n in (1, 2)]
    site.comes({"resourceType": "Appointment", "id": "a1", "participant": participants})

    site.take_in()

    assert site.index.people() == {"Patient/p1", "Patient/p2"}


def test_wake_ups_of_one_round_are_merged(site) -> None:
    for n in range(19):
        site.comes(encounter(meta={"versionId": str(n)}))

    assert site.take_in().woken == 1
    assert len(site.index.woken) == 1


def test_many_foci_are_looked_up_in_a_few_searches(site) -> None:
    for n in range(120):
        site.record.resources[f"Encounter/e{n}"] = encounter(f"e{n}", f"p{n}")
        site.comes(event(f"Encounter/e{n}"))

    assert site.take_in(limit=200).woken == 120
    assert (site.record.searches, site.record.reads) == (1, [])


def test_no_more_than_the_limit_is_taken(site) -> None:
    for n in range(5):
        site.comes(encounter(f"e{n}", f"p{n}"))

    assert site.take_in(limit=3).taken == 3
    assert site.inbox.size() == 2


# --- nobody to wake ---------------------------------------------------------------------------------------------


def test_a_task_without_patient_is_skipped_with_its_reason(site, caplog) -> None:
    caplog.set_level(logging.INFO)
    site.record.resources["Task/t1"] = {"resourceType": "Task", "id": "t1"}
    site.comes({"resourceType": "Task", "id": "t1"})

    assert site.take_in().skipped == {Skip.ABOUT_NOBODY: 1}
    assert "change of a Task from encounters woke nobody: the resource is about no person" in caplog.messages


def test_a_deleted_focus_that_names_nobody_is_skipped_with_its_reason(site) -> None:
    site.record.deleted.add("Encounter/e1")
    site.comes(method="DELETE", path="Encounter/e2")
    site.comes(event("Encounter/e1"))

    taken = site.take_in()

    assert taken.skipped == {Skip.DELETED: 2}
    assert (taken.woken, site.inbox.size()) == (0, 0)


def test_a_deleted_focus_that_was_carried_still_wakes_its_person(site) -> None:
    site.comes(encounter(), headers={"x-medplum-interaction": "delete"})

    site.take_in()

    assert site.index.people() == {"Patient/p1"}


def test_a_focus_that_is_not_there_yet_is_left_to_a_catch_up(site) -> None:
    site.comes(event("Encounter/e1"))

    taken = site.take_in()

    assert taken.skipped == {Skip.NOT_FOUND: 1}
    assert site.caught_up == ["encounters"]


# --- our own writes ---------------------------------------------------------------------------------------------


def wrote(site, reference="Task/t1", version="1") -> None:
    site.echoes.note([Written(reference=reference, version=version, created=True)])


def task(version=None, person="p1", **rest):
    meta = {} if version is None else {"meta": {"versionId": version}}
    return {"resourceType": "Task", "id": "t1", "for": {"reference": f"Patient/{person}"}, **meta, **rest}


@pytest.mark.parametrize(
    "echo",
    [task("1"), event("Task/t1/_history/1"), event(f"{BASE}/Task/t1/_history/1")],
    ids=["carried", "named with its version", "named by an address with its version"],
)
def test_exactly_what_we_wrote_ourselves_wakes_nobody_and_is_not_read(site, caplog, echo) -> None:
    caplog.set_level(logging.DEBUG)
    wrote(site)
    site.comes(echo)

    assert site.take_in() == TakenIn(taken=1, skipped={Skip.OWN_WRITE: 1})
    assert (site.record.reads, site.record.searches, site.inbox.size()) == ([], 0, 0)
    assert caplog.messages == [
        "change of a Task from encounters woke nobody: it is our own write, and whoever wrote it has looked again since"
    ]


@pytest.mark.parametrize(
    "change",
    [task("2"), task(), event("Task/t1"), event("Task/t1/_history/2"), {**task("1"), "id": "t2"}],
    ids=["the next version", "no version", "named without version", "named, next version", "another Task"],
)
def test_anything_but_exactly_what_we_wrote_wakes_its_person(site, change) -> None:
    site.record.resources["Task/t1"] = task("2")
    wrote(site)
    site.comes(change)

    site.take_in()

    assert site.index.people() == {"Patient/p1"}


def test_somebody_deleting_what_we_wrote_is_not_our_write(site) -> None:
    wrote(site)
    site.comes(task("1"), headers={"x-medplum-interaction": "delete"})

    site.take_in()

    assert site.index.people() == {"Patient/p1"}


def test_another_reason_to_look_at_the_person_counts_beside_our_own_write(site) -> None:
    wrote(site)
    site.comes(task("1"))
    site.comes(encounter("e1", "p1"))
    site.comes(task("1"))

    taken = site.take_in()

    assert (taken.woken, taken.skipped) == (1, {Skip.OWN_WRITE: 2})
    assert site.index.people() == {"Patient/p1"}


def test_when_nobody_can_say_what_we_wrote_everything_stays_in_the_inbox(site) -> None:
    site.comes(task("1"))
    site.echoes.fails = True
    with pytest.raises(InboxUnavailable):
        site.take_in()
    assert site.inbox.size() == 1

    site.echoes.fails = False
    site.inbox.leave_behind()
    site.take_in()
    assert site.index.people() == {"Patient/p1"}


@given(st.lists(st.integers(1, 6), min_size=1, max_size=25), st.sets(st.integers(1, 6)), st.integers(1, 4))
def test_in_any_order_and_however_often_only_our_own_versions_wake_nobody(versions, own, limit) -> None:
    site = Site()
    for version in own:
        wrote(site, version=str(version))
    for version in versions:
        site.comes(task(str(version), person=f"p{version}"))
    while site.inbox.size():
        site.take_in(limit)

    assert site.index.people() == {f"Patient/p{version}" for version in versions if version not in own}


# --- what is not named ------------------------------------------------------------------------------------------


def test_an_empty_notification_is_caught_up_once_per_subscription_and_round(site) -> None:
    for _ in range(5):
        site.comes()
    site.comes(subscription="tasks")

    taken = site.take_in()

    assert taken.caught_up == ("encounters", "tasks")
    assert site.caught_up == ["encounters", "tasks"]
    assert site.inbox.size() == 0


def test_a_focus_on_another_host_is_not_read_but_caught_up(site) -> None:
    site.comes(event("https://elsewhere.example/fhir/Encounter/e1"))

    site.take_in()

    assert site.record.reads == []
    assert site.caught_up == ["encounters"]


def test_an_empty_notification_stays_until_it_could_be_caught_up(site) -> None:
    site.comes()
    site.comes(encounter())
    site.catch_up_fails = RecordUnavailable("The record is down.")

    assert site.take_in() == TakenIn(taken=2, woken=1, later=1)
    assert site.inbox.size() == 1

    site.catch_up_fails = None
    site.inbox.leave_behind()
    assert site.take_in().caught_up == ("encounters",)
    assert site.inbox.size() == 0


# --- event numbers, handshakes, heartbeats ----------------------------------------------------------------------


def numbered(site, *numbers) -> None:
    for number in numbers:
        site.comes(event("Patient/p1", numbers=[number]))
    site.take_in()


def after_the_grace(site) -> TakenIn:
    """A worker looks again when a missing number is no longer to be expected."""
    site.clock.move(seconds=3)
    return site.take_in()


def test_numbers_in_a_row_need_no_catch_up(site) -> None:
    numbered(site, 21)
    numbered(site, 22)
    numbered(site, 24, 23, 23)

    assert site.caught_up == []
    assert site.marks.get("events:encounters") == "24"


def test_a_missing_number_is_caught_up_when_it_has_stayed_away(site) -> None:
    numbered(site, 21)
    numbered(site, 23)
    assert site.caught_up == []

    after_the_grace(site)
    assert site.caught_up == ["encounters"]
    after_the_grace(site)
    assert site.caught_up == ["encounters"]


def test_a_number_that_comes_late_closes_its_gap(site) -> None:
    numbered(site, 21)
    numbered(site, 24)
    numbered(site, 23)
    assert json.loads(site.marks.get("missing:encounters"))[0][:2] == [22, 22]
    numbered(site, 22)

    after_the_grace(site)
    assert site.caught_up == []
    assert site.marks.get("missing:encounters") == "[]"
    assert site.marks.get("gaps") == "{}"


# --- asking the server again ------------------------------------------------------------------------------------


def test_missed_events_are_asked_for_again_and_wake_whom_they_concern(site) -> None:
    site.events = {22: encounter("e22", "p22"), 23: encounter("e23", "p23")}
    numbered(site, 21)
    numbered(site, 24)

    taken = after_the_grace(site)

    assert site.asked == [("Subscription/s1", 22, 23)]
    assert (taken.recovered, taken.caught_up) == (2, ())
    assert {"Patient/p22", "Patient/p23"} <= site.index.people()
    after_the_grace(site)
    assert len(site.asked) == 1


def test_what_the_server_does_not_tell_again_is_caught_up(site) -> None:
    site.events = {23: encounter("e23", "p23")}
    numbered(site, 21)
    numbered(site, 24)

    assert after_the_grace(site).caught_up == ("encounters",)
    assert "Patient/p23" in site.index.people()
    assert after_the_grace(site) == TakenIn()


@pytest.mark.parametrize(
    "failure",
    [
        NotInRecord("There is no such operation.", status=404),
        RecordRefused("Not supported.", status=400),
        KeyError("ours to fix"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_server_that_tells_nothing_again_is_caught_up(site, failure) -> None:
    site.events_fail = failure
    numbered(site, 21)
    numbered(site, 23)

    assert after_the_grace(site).caught_up == ("encounters",)


def test_an_answer_that_is_no_notification_is_caught_up(site) -> None:
    site.events = {22: {"resourceType": "OperationOutcome"}}
    site.answers_alone = True
    numbered(site, 21)
    numbered(site, 23)

    assert after_the_grace(site).caught_up == ("encounters",)


def test_a_server_that_does_not_answer_is_asked_again_a_little_later(site) -> None:
    site.events_fail = RecordUnavailable("The record is down.")
    numbered(site, 21)
    numbered(site, 23)
    assert after_the_grace(site).caught_up == ()
    assert after_the_grace(site) == TakenIn()  # too soon

    site.events_fail, site.events = None, {22: encounter("e22", "p22")}
    after_the_grace(site)
    assert "Patient/p22" in site.index.people()
    assert site.caught_up == []


def test_where_the_server_was_not_looked_at_yet_the_notification_names_the_subscription(site) -> None:
    site.marks.marks.clear()
    site.events = {22: encounter("e22", "p22")}
    numbered(site, 21)
    numbered(site, 23)
    site.clock.move(seconds=3)
    named = event(type_="heartbeat", since=23)
    named["entry"][0]["resource"]["subscription"] = {"reference": f"{BASE}/Subscription/named"}
    site.comes(named)
    site.take_in()

    assert site.asked == [("Subscription/named", 22, 22)]


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=60),
    st.integers(1, 5),
    st.sets(st.integers(1, 40), max_size=20),
)
def test_whatever_comes_in_whatever_order_every_number_is_heard_recovered_or_caught_up(
    order, limit, told
) -> None:
    site = Site(events={number: encounter(f"e{number}", f"r{number}") for number in told})
    site.comes(event("Patient/p0", numbers=[0]))
    site.take_in()
    for number in order:
        site.comes(event(f"Patient/p{number}", numbers=[number]))
    while site.inbox.size():
        site.take_in(limit)
    after_the_grace(site)

    heard = {int(person.removeprefix("Patient/p")) for person in site.index.people() if "/p" in person}
    recovered = {int(person.removeprefix("Patient/r")) for person in site.index.people() if "/r" in person}
    unaccounted = set(range(max(order))) - heard - recovered
    assert not unaccounted or site.caught_up == ["encounters"]
    assert after_the_grace(site) == TakenIn()


# --- the canary -------------------------------------------------------------------------------------------------


def test_the_canary_is_remembered_and_costs_neither_a_read_nor_a_catch_up(site) -> None:
    basic = {"resourceType": "Basic", "id": "c", "meta": {"versionId": "7"}}
    site.comes(basic, subscription="canary", method="PUT", path="Basic/c")
    site.comes(b"", subscription="canary")

    taken = site.take_in()

    assert taken.skipped == {Skip.CANARY: 2}
    assert (site.record.reads, site.record.searches, site.caught_up) == ([], 0, [])
    at = "2026-03-06T16:30:00-07:00"
    assert json.loads(site.marks.get("canary-heard")) == [["7", at], ["", at]]


# --- gaps that cannot be closed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        RecordUnavailable("The record is down."),
        RecordRefused("Not for this account.", status=403),
        KeyError("ours to fix"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_gap_that_could_not_be_caught_up_is_found_again(site, failure) -> None:
    numbered(site, 21)
    site.catch_up_fails = failure
    numbered(site, 23)
    after_the_grace(site)
    site.catch_up_fails = None
    site.clock.move(minutes=5)
    site.take_in()

    assert site.caught_up == ["encounters"]
    assert site.marks.get("missing:encounters") == "[]"


def test_a_redis_that_goes_away_while_catching_up_parks_nothing_and_finishes_nothing(site) -> None:
    numbered(site, 21)
    numbered(site, 23)
    site.catch_up_fails = InboxUnavailable("away")
    site.comes(encounter())
    with pytest.raises(InboxUnavailable):
        after_the_grace(site)

    assert site.letters.list() == []
    assert site.inbox.size() == 1
    assert site.marks.get("missing:encounters") != "[]"


def test_a_heartbeat_that_counts_more_than_we_saw_is_a_gap(site) -> None:
    numbered(site, 21)
    site.comes(event(type_="heartbeat", since=22))
    site.take_in()
    after_the_grace(site)

    assert site.caught_up == ["encounters"]


def test_a_handshake_begins_the_count_again_and_is_remembered(site) -> None:
    numbered(site, 300)
    site.comes(event(type_="handshake", since=0))
    site.take_in()
    assert site.caught_up == ["encounters"]  # nothing was told before it
    numbered(site, 1)
    numbered(site, 3)
    assert site.marks.get("handshake:encounters") == "2026-03-06T16:30:00-07:00"
    assert site.marks.get("heard:encounters") == "2026-03-06T16:30:00-07:00"
    after_the_grace(site)

    assert site.caught_up == ["encounters"] * 2


def test_a_connection_that_is_shaken_hands_on_anew_says_what_was_missed(site) -> None:
    numbered(site, 21)
    site.comes(event(type_="handshake", since=25))
    site.take_in()
    after_the_grace(site)

    assert site.asked == [("Subscription/s1", 22, 25)]
    assert site.caught_up == ["encounters"] * 2  # at the handshake, and because nothing was told again


def test_an_error_told_by_the_server_is_remembered_until_it_is_over(site) -> None:
    broken = event(type_="heartbeat")
    broken["entry"][0]["resource"]["error"] = [{"coding": [{"code": "no-response"}]}]
    site.comes(broken)
    site.take_in()
    assert site.marks.get("errors:encounters") == "no-response"
    assert site.caught_up == ["encounters"]

    site.comes(event(type_="heartbeat"))
    site.take_in()
    assert site.marks.get("errors:encounters") == ""


# --- what goes wrong --------------------------------------------------------------------------------------------


def test_a_notification_that_cannot_be_understood_is_parked_and_its_neighbours_go_on(site) -> None:
    site.comes(encounter("e1", "p1"))
    site.comes(b"{ broken", path="Encounter/e9", method="PUT", headers={"x-medplum-interaction": "update"})
    site.comes(encounter("e2", "p2"))

    taken = site.take_in()

    assert (taken.woken, taken.parked, site.inbox.size()) == (2, 1, 0)
    [letter] = site.letters
    assert (letter.id, letter.kind, letter.subject) == ("notification-2-0", "notification", "encounters")
    assert letter.reason == ("The body is not well-formed JSON. Send the notification as FHIR JSON in UTF-8.")
    again = unpacked(letter.body)
    assert (again.body, again.path, again.method) == (b"{ broken", "Encounter/e9", "PUT")
    assert again.headers == {"x-medplum-interaction": "update"}


def test_a_focus_that_we_may_not_read_is_parked_with_what_to_do(site) -> None:
    site.record.refuses.add("Encounter/e1")
    site.comes(event("Encounter/e1"))

    assert site.take_in().parked == 1
    assert site.letters.reasons() == [
        "The record server refused to show what changed (HTTP 403). Check what Throughline's account may read, then retry."
    ]


def test_a_fault_of_ours_is_parked_and_tells_no_content(site) -> None:
    class Broken(Record):
        def read(self, reference):
            raise ValueError("Jane Doe was discharged")

    site.record = Broken()
    site.comes(event("Encounter/e1"))
    site.comes(encounter())

    assert site.take_in().woken == 1
    assert site.letters.reasons() == [
        "Throughline itself failed on this notification (ValueError). Report it with this letter's id, then retry."
    ]


def test_while_the_record_is_down_only_what_needs_it_waits(site) -> None:
    site.record.down = True
    for n in range(10):
        site.comes(event(f"Encounter/e{n}"))
    site.comes(encounter("e99", "p99"))

    taken = site.take_in()

    assert (taken.woken, taken.later, taken.parked) == (1, 10, 0)
    assert site.inbox.size() == 10
    assert len(site.record.reads) + site.record.searches == 1

    site.record.down = False
    site.record.resources |= {f"Encounter/e{n}": encounter(f"e{n}", f"p{n}") for n in range(10)}
    site.inbox.leave_behind()
    assert site.take_in().woken == 10
    assert site.inbox.size() == 0


def test_nothing_is_finished_when_nobody_could_be_woken(site) -> None:
    site.comes(encounter())
    site.index.fails = True

    with pytest.raises(Exception, match="told to fail"):
        site.take_in()

    assert site.inbox.size() == 1


def test_an_empty_inbox_is_no_work(site) -> None:
    before = dict(site.marks.marks)
    assert site.take_in() == TakenIn()
    assert site.marks.marks == before


def test_logs_name_no_person(site, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    site.comes(encounter("secret-encounter", "secret-person"))
    site.comes(event("Encounter/secret-encounter"))
    site.comes(b"{ secret")
    site.take_in()

    assert "secret" not in caplog.text


BODIES = {
    "carried": lambda n: encounter(f"e{n}", f"p{n}"),
    "named": lambda n: event(f"Encounter/e{n}"),
    "gone": lambda n: event(f"Encounter/gone{n}"),
    "empty": lambda n: b"",
    "broken": lambda n: b"{",
}


@given(st.lists(st.tuples(st.sampled_from(list(BODIES)), st.integers(0, 4)), max_size=25), st.integers(1, 6))
def test_in_any_order_and_however_often_the_same_people_are_woken(messages, limit) -> None:
    site = Site()
    site.record.resources = {f"Encounter/e{n}": encounter(f"e{n}", f"p{n}") for n in range(5)}
    for kind, n in messages:
        site.comes(BODIES[kind](n))
    while site.inbox.size():
        site.take_in(limit)

    assert site.index.people() == {f"Patient/p{n}" for kind, n in messages if kind in {"carried", "named"}}
    assert len(site.letters.letters) == sum(kind == "broken" for kind, _ in messages)
