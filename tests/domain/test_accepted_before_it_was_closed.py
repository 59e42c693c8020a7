"""A Task has one status: that somebody had accepted it stays known when this software closes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.decide import decide_all
from service.domain.needs import EscalationState, OnEscalation, TaskState
from service.domain.vocabulary import TaskId
from tests.domain.an_imaginary_record import World, steps, world
from tests.domain.builders import (
    CONTACT,
    NOW,
    STABLE,
    discharge,
    fact,
    gate,
    in_record,
    on_task,
    pathway,
    record,
    stage,
    task,
)

ACCEPTED = on_task("contact", TaskState.ACCEPTED)


def accepted_and_stable(*gates) -> World:
    """The follow-up was accepted an hour ago; now the person is stable, and nothing of that is written yet."""
    stages = (stage("received", CONTACT, task("call")), stage("outreach", enter=(in_record("Flag"),)), STABLE)
    life = world(pathway(*stages, gates=gates), record(discharge()), NOW)
    life.passes(hours=1).set("contact", "accepted").passes(hours=1)
    life.record = replace(
        life.record, facts=(*life.record.facts, fact("Observation", "s", life.now, says="stable"))
    )
    return life


@pytest.mark.parametrize("before", ["outreach", "stable"])
@pytest.mark.parametrize("written", range(6))
def test_dying_while_a_pathway_is_closed_leaves_no_gate_unmet_that_was_met(before, written):
    life = accepted_and_stable(gate("acknowledged", before, ACCEPTED))
    (decision,) = decide_all(life.pathways, life.record, life.now)
    for write in steps(decision)[:written]:
        life.record = write(life.record)

    life.wake()

    assert (life.enrolment.stage, life.enrolment.status) == ("stable", "completed")
    assert life.follow_ups() == {"call/1": "cancelled", "contact/1": "cancelled"}
    assert life.variances() == []


def test_what_nobody_had_accepted_is_not_accepted_by_closing_it():
    life = accepted_and_stable(gate("acknowledged", "outreach", on_task("call", TaskState.ACCEPTED)))
    (decision,) = decide_all(life.pathways, life.record, life.now)
    for write in steps(decision)[:2]:
        life.record = write(life.record)

    assert life.wake().variances() == [("gate-unmet", "acknowledged")]


def test_an_acceptance_that_was_cut_off_by_an_error_counts_for_nothing_when_the_pathway_goes_on():
    stages = (stage("received", CONTACT), stage("outreach", enter=(in_record("Flag"),)), STABLE)
    life = world(
        pathway(*stages, gates=(gate("acknowledged", "outreach", ACCEPTED),)), record(discharge()), NOW
    )
    life.passes(hours=1).set("contact", "accepted")
    life.told(discharge(void=True)).told(discharge(), fact("Flag", "f", life.now))

    assert life.follow_ups() == {"contact/1": "cancelled", "contact/2": "requested"}
    assert [*life.enrolment.unmet_gates] == ["acknowledged"], (
        "they were told that nothing more is asked of them"
    )


def test_a_follow_up_that_is_not_needed_any_more_is_accepted_by_nobody():
    visit = task("visit", not_needed_when=(in_record("Observation", says="settled"),))
    stages = (stage("received", visit), stage("outreach", enter=(in_record("Flag"),)), STABLE)
    gates = (gate("acknowledged", "outreach", on_task("visit", TaskState.ACCEPTED)),)
    life = world(pathway(*stages, gates=gates), record(discharge()), NOW)
    life.passes(hours=1).set("visit", "accepted")
    life.told(fact("Observation", "o", life.now, says="settled")).told(fact("Flag", "f", life.now))

    assert [*life.enrolment.unmet_gates] == ["acknowledged"]


def test_an_escalation_that_was_acknowledged_stays_so_when_it_is_over():
    acknowledged = OnEscalation(task=TaskId("contact"), state=EscalationState.ACKNOWLEDGED)
    outreach = stage("outreach", enter=(in_record("Flag"),))
    life = world(
        pathway(
            stage("received", CONTACT), outreach, STABLE, gates=(gate("told", "outreach", acknowledged),)
        ),
        record(discharge()),
        NOW,
    )
    life.passes(hours=80).answer("contact/1/acceptance", "accepted")
    life.passes(hours=1).set("contact", "completed")
    assert life.escalations()["contact/1/acceptance"][0] == "completed"

    life.told(fact("Flag", "f", life.now))

    assert life.enrolment.stage == "outreach"


def test_an_escalation_that_was_over_before_anybody_answered_was_acknowledged_by_nobody():
    acknowledged = OnEscalation(task=TaskId("contact"), state=EscalationState.ACKNOWLEDGED)
    outreach = stage("outreach", enter=(in_record("Flag"),))
    life = world(
        pathway(
            stage("received", CONTACT), outreach, STABLE, gates=(gate("told", "outreach", acknowledged),)
        ),
        record(discharge()),
        NOW,
    )
    life.passes(hours=80).set("contact", "completed").told(fact("Flag", "f", life.now))

    assert [*life.enrolment.unmet_gates] == ["told"]
