"""Notifications of our own writes cost nothing and hide nothing: what others write in between is always seen."""

from __future__ import annotations

from itertools import count

import pytest

from service.fhir.references import identifier_values
from service.fhir.systems import ENROLMENT, FOLLOW_UP, MISSING_FIELD
from tests.fakes import FakeEchoes
from tests.faults.notifications import put
from tests.faults.standing import differences, told_of
from tests.faults.town import Town, case, play

CASE = case("post-discharge-coordination", "reached-in-time")
CONTACT = "contact-person/1"


def standing_at(town):
    """Everything of the case up to the discharge; nobody has looked yet."""
    first = CASE.timeline[0]
    town.clock.at = first.at
    town.happens(first)
    town.deliver(*(put(resource) for resource in town.changes()))
    return town


def follow_up(town, name):
    everything = town.record.everything()
    [found] = [r for r in everything if any(v.endswith(f"/{name}") for v in identifier_values(r, FOLLOW_UP))]
    return found


def contact(town):
    return follow_up(town, CONTACT)


def somebody_accepts(town):
    at = town.clock.move(minutes=5)
    town.record.put({**contact(town), "status": "accepted", "lastModified": at.isoformat()})


def decisions(town):
    return sum(
        metric.value
        for family in town.work.metrics.decisions.collect()
        for metric in family.samples
        if metric.name.endswith("_total")
    )


def drained(town):
    while town.is_busy():
        town.look()


def skipped(town):
    return town.work.metrics.registry.get_sample_value(
        "throughline_changes_skipped_total", {"why": "own write"}
    )


def test_all_echoes_of_a_discharge_together_cost_not_one_look():
    town = standing_at(Town())
    drained(town)
    before = decisions(town)
    echoes = town.changes()

    town.deliver(*(put(resource) for resource in echoes))
    drained(town)

    assert len(echoes) >= 8
    assert decisions(town) == before
    assert skipped(town) == len(echoes)


def test_a_forgotten_memory_costs_a_look_and_nothing_else():
    town = standing_at(Town())
    drained(town)
    before, written = decisions(town), town.record.writes
    town.echoes.noted.clear()

    town.deliver(*(put(resource) for resource in town.changes()))
    drained(town)

    assert decisions(town) == before + 1
    assert town.record.writes == written


@pytest.mark.parametrize("first", ["their change", "our echo"])
def test_somebody_elses_change_between_our_write_and_its_echo_is_seen(first):
    town = standing_at(Town())
    drained(town)
    echoes = [put(resource) for resource in town.changes()]
    somebody_accepts(town)
    theirs = [put(resource) for resource in town.changes()]
    before = town.record.writes

    for some in (theirs, echoes) if first == "their change" else (echoes, theirs):
        town.deliver(*some)
        drained(town)

    assert skipped(town) == len(echoes)
    assert town.record.writes > before  # the enrolment says that the contact was taken on
    quiet = Town()
    standing_at(quiet)
    quiet.settle()
    somebody_accepts(quiet)
    quiet.settle()
    assert differences(told_of(town.record.everything()), told_of(quiet.record.everything())) == []


def test_somebody_elses_change_at_the_very_moment_of_our_write_is_seen_although_nobody_tells_of_it():
    """Between the write and the look after it; that look is why echoes may be dropped at all."""
    town = standing_at(Town())
    told = town.echoes.note

    def note_while_somebody_accepts(written):
        told(written)
        if town.clock.now() == CASE.timeline[0].at:
            somebody_accepts(town)

    town.echoes.note = note_while_somebody_accepts
    drained(town)

    town.echoes.note = told
    assert contact(town)["status"] == "accepted"
    before = town.record.writes
    town.index.wake(town.index.people(), town.clock.now())
    drained(town)
    assert town.record.writes == before  # it had been seen already


def test_a_worker_killed_between_its_write_and_its_second_look_leaves_the_person_to_the_next():
    """Its echoes are dropped, but the lease ends: somebody looks."""
    town = standing_at(Town())

    class Killed(BaseException):
        """Use this to end a worker in the middle."""

    told = town.echoes.note

    def note_and_die(written):
        told(written)
        raise Killed

    town.echoes.note = note_and_die
    with pytest.raises(Killed):
        drained(town)
    town.echoes.note = told
    somebody_accepts(town)
    town.restart_worker()
    echoes = [put(r) for r in town.changes() if r["meta"]["versionId"] == "1"]
    town.deliver(*echoes)
    drained(town)

    before = town.record.writes
    town.index.wake(town.index.people(), town.clock.now())
    drained(town)
    assert town.record.writes == before


def test_a_memory_that_fails_stops_no_work():
    town = standing_at(Town())
    town.work.take_in()
    town.echoes.fails = True
    for claim in town.bell.people:
        town.work.reconcile_person(claim.person, claim.token)
    assert contact(town)["status"] == "requested"
    assert town.index.claimed == {}


def while_it_is_looked_at(town, act):
    """After each write of a look, before the next look: `act(how often so far)`."""
    told, times = town.echoes.note, count(1)

    def note(written):
        told(written)
        act(next(times))

    town.echoes.note = note
    return told


def test_staff_at_work_while_a_person_is_looked_at_are_no_reason_to_worry(caplog):
    """Each look finds something new; the person is looked at again in turn, without waiting for any notification."""
    town = standing_at(Town())
    town.work.take_in()
    [claim] = town.bell.people
    asked = iter(["contact-person/1", "review-discharge-plan/1", "confirm-receipt/1"])

    def somebody_accepts_another(_times):
        if (wanted := next(asked, None)) is not None:
            at = town.clock.move(minutes=1)
            task = follow_up(town, wanted)
            town.record.put({**task, "status": "accepted", "lastModified": at.isoformat()})

    told = while_it_is_looked_at(town, somebody_accepts_another)
    with caplog.at_level("INFO", logger="service.app.work"):
        town.work.reconcile_person(claim.person, claim.token)

    assert town.index.due == {claim.person: town.clock.now()}
    assert [r.levelname for r in caplog.records if "looked at again" in r.getMessage()] == ["INFO"]
    town.echoes.note = told
    town.bell.people.clear()
    drained(town)
    assert next(asked, None) is None
    assert town.index.due[claim.person] > town.clock.now()


def test_a_system_that_undoes_what_we_write_is_told_and_does_not_keep_us_busy_for_ever(caplog):
    town = standing_at(Town())
    town.work.take_in()
    [claim] = town.bell.people

    def another_system_strikes_out_what_is_missing(_times):
        [plan] = [r for r in town.record.everything() if identifier_values(r, ENROLMENT)]
        kept = [each for each in plan["extension"] if each["url"] != MISSING_FIELD]
        town.record.put({**plan, "extension": kept})

    while_it_is_looked_at(town, another_system_strikes_out_what_is_missing)
    town.work.reconcile_person(claim.person, claim.token)

    assert "a person's record did not settle; looked at again when due" in caplog.messages
    assert town.index.due[claim.person] > town.clock.now()


class Forgetful(FakeEchoes):
    """Remembers nothing."""

    def note(self, written):
        """Nothing is kept."""


def test_a_whole_story_is_the_same_with_and_without_the_memory():
    remembering, forgetful = Town(), Town()
    forgetful.echoes = Forgetful()
    forgetful.new_worker()
    for town in (remembering, forgetful):
        play(town, CASE, town.settle)

    found, wanted = (told_of(town.record.everything()) for town in (remembering, forgetful))
    assert differences(found, wanted) == []
    assert remembering.record.writes == forgetful.record.writes
    assert decisions(remembering) < decisions(forgetful)
