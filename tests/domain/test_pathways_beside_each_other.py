"""One person on several pathways: nobody is asked twice, one takes over from another, and one lead answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.decide import decide_all
from service.domain.follow_up_task import DueIn
from service.domain.measures import count
from service.domain.needs import EnrolmentState, OnPathway, TaskState
from service.domain.pathway import Measure, Pathway
from service.domain.versions import Versions
from service.domain.vocabulary import MeasureId, PathwayId, RoleId
from tests.domain.an_imaginary_record import World, apply
from tests.domain.builders import (
    CLINICIAN,
    COORDINATOR,
    LEAD,
    NOW,
    ROSTER,
    SECOND_COORDINATOR,
    STABLE,
    discharge,
    fact,
    hours,
    in_record,
    later,
    on_task,
    pathway,
    record,
    stage,
    task,
)

STAY = discharge()
HOME, CRISIS = f"home/{STAY.reference}", f"crisis/{STAY.reference}"
ALL_HOME = stage("at-home", enter=(in_record("Observation", says="at-home"),), final=True)


def home(**more) -> Pathway:
    call = task("call", purpose="first-contact", due_in=DueIn(otherwise=hours(72)))
    settings = {"precedence": 10, "lead": RoleId("lead"), **more}
    return pathway(stage("received", call, task("transport")), ALL_HOME, id=PathwayId("home"), **settings)


def crisis(*stages, **more) -> Pathway:
    visit = task("visit", purpose="first-contact", due_in=DueIn(otherwise=hours(24)))
    settings = {"precedence": 20, "lead": RoleId("clinician"), **more}
    return pathway(*(stages or (stage("received", visit), STABLE)), id=PathwayId("crisis"), **settings)


def beside(*pathways: Pathway, facts=(STAY,)) -> World:
    return World(pathways=pathways, record=record(*facts), now=NOW).wake()


# --- one purpose, one follow-up ---


def test_what_both_need_is_asked_for_once_and_by_the_earlier_time():
    life = beside(home(), crisis())

    assert set(life.everything()) == {f"{CRISIS}/visit/1", f"{HOME}/transport/1"}
    assert life.follow_up("visit", of=CRISIS).complete_by == later(hours=24)


def test_the_earlier_time_holds_also_when_the_other_pathway_was_there_first():
    late = fact("Encounter", "later", later(hours=5), status="arrived", ward="crisis")
    on_crisis = replace(crisis().starts[0], condition=in_record("Encounter", ward="crisis").condition)
    life = beside(home(), crisis(starts=(on_crisis,)))
    life.now = later(hours=5)
    life.told(late)

    assert set(life.everything()) == {f"{HOME}/call/1", f"{HOME}/transport/1"}
    assert life.follow_up("call", of=HOME).complete_by == later(hours=29)


def test_doing_it_once_counts_on_both_pathways():
    seen = stage("seen", enter=(on_task("call", TaskState.COMPLETED),))
    received = home().stages[0]
    two = replace(home(), stages=(received, seen, ALL_HOME))
    life = beside(two, crisis()).set("visit", "completed", of=CRISIS)

    assert life.enrolled(HOME).stage == "seen"


def test_whoever_ends_without_having_done_it_leaves_it_to_the_other_at_once():
    life = beside(home(), crisis()).told(fact("Observation", "s", NOW, says="stable"))

    assert life.statuses()[CRISIS] == "completed"
    assert life.everything()[f"{CRISIS}/visit/1"] == "cancelled"
    assert life.everything()[f"{HOME}/call/1"] == "requested"
    assert len(life.decided) == 2 + 2, "in the same decision as the end"


def test_an_attempt_that_failed_is_made_again_once_and_in_its_time():
    again = {"attempts": 3, "attempt_every": hours(24)}
    call, visit = (
        task("call", purpose="first-contact", **again),
        task("visit", purpose="first-contact", **again),
    )
    at_home = pathway(stage("received", call), ALL_HOME, id=PathwayId("home"), precedence=10)
    life = beside(at_home, crisis(stage("received", visit), STABLE)).passes(hours=2)

    life.set("visit", "failed", of=CRISIS)
    assert life.everything() == {f"{CRISIS}/visit/1": "failed"}
    life.passes(hours=24)
    assert life.everything() == {f"{CRISIS}/visit/1": "failed", f"{CRISIS}/visit/2": "requested"}


def test_an_attempt_of_another_pathway_climbs_no_ladder_of_ours_while_we_wait_to_try_again():
    call = task("call", purpose="first-contact", attempts=2, attempt_every=hours(24))
    at_home = pathway(stage("received", call), ALL_HOME, id=PathwayId("home"), precedence=10)
    life = beside(at_home, crisis()).passes(hours=2).set("visit", "accepted", of=CRISIS)
    life.passes(hours=18).set("visit", "failed", of=CRISIS)

    life.passes(hours=10)
    assert {e.identifier for e in life.record.escalations} == {f"{CRISIS}/visit/1/unreachable"}
    assert f"{HOME}/call/1" not in life.everything()
    life.passes(hours=14)
    assert life.everything() == {f"{CRISIS}/visit/1": "failed", f"{HOME}/call/1": "requested"}


def test_what_failed_on_a_pathway_that_is_over_is_asked_for_by_the_other():
    life = beside(home(), crisis()).passes(hours=2).set("visit", "failed", of=CRISIS)
    assert f"{HOME}/call/1" not in life.everything(), "whoever asked sees to what follows"

    life.told(fact("Observation", "s", life.now, says="stable"))

    assert life.statuses()[CRISIS] == "completed"
    assert life.everything()[f"{HOME}/call/1"] == "requested"


def test_what_was_done_before_the_pathway_began_does_not_count():
    later_start = replace(home().starts[0], condition=in_record("Encounter", ward="home").condition)
    life = beside(home(starts=(later_start,)), crisis()).set("visit", "completed", of=CRISIS)
    life.now = later(hours=31)
    life.told(fact("Encounter", "home", later(hours=30), status="in-progress", ward="home"))

    assert life.everything()["home/Encounter/home/call/1"] == "requested"


def test_silence_about_what_is_shared_climbs_one_ladder():
    life = beside(home(), crisis()).passes(days=4)

    about = [e.identifier for e in life.record.escalations if e.task in {"visit", "call"}]
    assert about == [f"{CRISIS}/visit/1/acceptance"]


def test_two_enrolments_on_one_pathway_ask_each_for_themselves():
    again = fact("Encounter", "again", later(hours=3), status="finished")
    life = beside(crisis(), facts=(STAY, again))

    assert len([name for name in life.everything() if "/visit/" in name]) == 2


def test_measures_count_what_another_pathway_did():
    measure = Measure(id=MeasureId("seen"), title="Seen", numerator=(on_task("call", TaskState.COMPLETED),))
    counted, other = home(measures=(measure,)), crisis()
    life = beside(counted, other).set("visit", "completed", of=CRISIS)

    (found,) = count(counted, [life.record], life.now, Versions([counted, other]))
    assert found.numerator == (HOME,)


# --- taking over, and keeping out ---


def taking_over(**more) -> Pathway:
    return crisis(supersedes=frozenset({PathwayId("home")}), **more)


def test_both_beginnings_in_one_decision_only_the_one_that_takes_over_begins():
    assert beside(home(), taking_over()).statuses() == {CRISIS: "active"}


def test_taking_over_ends_the_other_with_the_reason_and_its_work_goes_on_under_the_new_one():
    on_crisis = replace(crisis().starts[0], condition=in_record("Encounter", ward="crisis").condition)
    life = beside(home(), taking_over(starts=(on_crisis,)))
    life.now = later(hours=5)
    life.told(fact("Encounter", "later", later(hours=5), status="finished", ward="crisis"))

    ended = life.enrolled(HOME)
    assert (ended.status, ended.ended_reason) == ("revoked", "superseded by Transition")
    assert life.everything() == {
        f"{HOME}/call/1": "cancelled",
        f"{HOME}/transport/1": "cancelled",
        "crisis/Encounter/later/visit/1": "requested",
    }
    (seen,) = count(
        replace(home(), measures=(Measure(id=MeasureId("all"), title="All"),)), [life.record], life.now
    )
    assert seen.denominator == (), "what became of the person is told by the other pathway"


def taken_over(life: World, *, at: float = 5) -> World:
    """A crisis, for which the other pathway takes over."""
    life.now = later(hours=at)
    return life.told(fact("Encounter", "later", life.now, status="finished", ward="crisis"))


def at_home_with(roster=ROSTER, **more) -> World:
    on_crisis = replace(crisis().starts[0], condition=in_record("Encounter", ward="crisis").condition)
    plans = (home(), taking_over(starts=(on_crisis,), **more))
    return World(pathways=plans, record=record(STAY, roster=roster), now=NOW).wake()


def new_visit(life: World):
    return life.follow_up("visit", of="crisis/Encounter/later")


TWO = replace(ROSTER, care_team=(*ROSTER.care_team, SECOND_COORDINATOR))


def test_whoever_had_accepted_what_is_taken_over_is_asked_again_for_the_same():
    life = at_home_with(TWO).passes(hours=1)
    life.set("call", "accepted", of=HOME, owner=SECOND_COORDINATOR.reference)

    taken_over(life)

    assert (new_visit(life).owner, new_visit(life).status) == (SECOND_COORDINATOR.reference, "requested")
    (opened,) = [o for d in life.decided for o in d.open if o.identifier.endswith("/visit/1")]
    assert "Carl had accepted it on another pathway, which has ended" in opened.because
    assert life.wake().everything()["crisis/Encounter/later/visit/1"] == "requested"


def test_it_is_the_same_when_a_crash_comes_between_the_end_of_one_and_the_asking_of_the_other():
    life = at_home_with(TWO).passes(hours=1)
    life.set("call", "accepted", of=HOME, owner=SECOND_COORDINATOR.reference)
    life.now = later(hours=5)
    came = fact("Encounter", "later", life.now, status="finished", ward="crisis")
    life.record = replace(life.record, facts=(*life.record.facts, came))
    ending = min(
        decide_all(life.pathways, life.record, life.now), key=lambda d: d.enrolment.identifier != HOME
    )
    life.record = apply(life.record, ending)

    assert new_visit(life.wake()).owner == SECOND_COORDINATOR.reference


@pytest.mark.parametrize("status", ["requested", "rejected"])
def test_whoever_had_not_accepted_it_is_not_sought_out(status):
    life = at_home_with(TWO).passes(hours=1)
    life.set("call", status, of=HOME, owner=SECOND_COORDINATOR.reference)

    assert new_visit(taken_over(life)).owner == COORDINATOR.reference


def test_whoever_had_accepted_it_and_left_is_not_asked():
    life = at_home_with(TWO).passes(hours=1)
    life.set("call", "accepted", of=HOME, owner=SECOND_COORDINATOR.reference).staffed(ROSTER)

    assert new_visit(taken_over(life)).owner == COORDINATOR.reference


def test_whoever_had_accepted_it_is_not_asked_what_needs_another_role():
    visit = task("visit", purpose="first-contact", owner=RoleId("clinician"))
    life = at_home_with(TWO, stages=(stage("received", visit), STABLE)).passes(hours=1)
    life.set("call", "accepted", of=HOME, owner=SECOND_COORDINATOR.reference)

    assert new_visit(taken_over(life)).owner == CLINICIAN.reference


def test_whoever_asks_when_a_pathway_ends_of_itself_asks_the_same_person():
    life = World(pathways=(home(), crisis()), record=record(STAY, roster=TWO), now=NOW).wake().passes(hours=1)
    life.set("visit", "accepted", of=CRISIS, owner=SECOND_COORDINATOR.reference)
    life.told(fact("Observation", "s", life.now, says="stable"))

    assert life.follow_up("call", of=HOME).owner == SECOND_COORDINATOR.reference
    life.set("call", "rejected", of=HOME)
    assert life.follow_up("call", 2, of=HOME).owner == COORDINATOR.reference, (
        "once, and not against their word"
    )


def test_what_was_taken_over_does_not_begin_again_when_the_other_has_ended():
    life = beside(home(), taking_over()).passes(hours=2)
    life.told(fact("Observation", "s", life.now, says="stable")).passes(days=3)

    assert life.statuses() == {CRISIS: "completed"}


def test_when_the_pathway_that_took_over_was_an_error_the_other_goes_on():
    on_crisis = replace(crisis().starts[0], condition=in_record("Encounter", ward="crisis").condition)
    life = beside(home(), taking_over(starts=(on_crisis,)))
    life.now = later(hours=5)
    mistaken = fact("Encounter", "later", later(hours=5), status="finished", ward="crisis")
    life.told(mistaken).told(replace(mistaken, void=True))

    assert life.statuses() == {HOME: "active", "crisis/Encounter/later": "revoked"}
    assert life.everything()[f"{HOME}/call/2"] == "requested"


def test_what_happened_while_another_pathway_had_the_person_stays_out_for_good():
    kept_out = home(excludes=frozenset({PathwayId("crisis")}))
    life = beside(kept_out, crisis())
    assert life.statuses() == {CRISIS: "active"}
    life.passes(hours=2).told(fact("Observation", "s", life.now, says="stable")).passes(days=2)
    assert life.statuses() == {CRISIS: "completed"}


def test_what_happens_after_the_other_has_ended_begins_anew():
    kept_out = home(excludes=frozenset({PathwayId("crisis")}))
    only_home = replace(kept_out.starts[0], condition=in_record("Encounter", ward="home").condition)
    life = beside(replace(kept_out, starts=(*kept_out.starts, only_home)), crisis())
    life.passes(hours=2).told(fact("Observation", "s", life.now, says="stable")).passes(days=2)

    life.told(fact("Encounter", "new", life.now, status="in-progress", ward="home"))

    assert life.statuses() == {CRISIS: "completed", "home/Encounter/new": "active"}


def test_a_row_may_ask_whether_the_person_is_on_another_pathway():
    needs = (OnPathway(pathway=PathwayId("crisis"), state=EnrolmentState.RUNNING),)
    ends = (OnPathway(pathway=PathwayId("crisis"), state=EnrolmentState.ENDED),)
    asking = pathway(
        stage("received", task("join", opens_when=needs), task("look-after", opens_when=ends)),
        ALL_HOME,
        id=PathwayId("home"),
    )
    life = beside(asking, crisis())
    assert set(life.everything()) == {f"{HOME}/join/1", f"{CRISIS}/visit/1"}

    life.told(fact("Observation", "s", life.now, says="stable"))

    assert life.everything()[f"{HOME}/look-after/1"] == "requested"


# --- whose lead answers ---


def test_the_lead_of_the_pathway_with_precedence_answers_for_the_person():
    life = beside(home(), crisis())
    assert life.enrolled(CRISIS).accountable is None, "its own lead answers"
    assert life.enrolled(HOME).lead == LEAD.reference
    assert life.enrolled(HOME).accountable == CLINICIAN.reference

    life.told(fact("Observation", "s", NOW, says="stable"))

    assert life.enrolled(HOME).accountable is None, "the other pathway is over"


def test_deciding_again_changes_nothing():
    life = beside(home(), crisis())
    wrote = len(life.decided)

    life.wake()

    assert len(life.decided) == wrote
