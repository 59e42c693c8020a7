"""How one person stands in numbers, from the record as it is after all has been written."""

from dataclasses import replace

from service.domain.tally import Tally, tally
from service.domain.vocabulary import Cause, Timeliness
from tests.domain.an_imaginary_record import World, world
from tests.domain.builders import (
    COORDINATOR,
    LEAD,
    NOW,
    ROSTER,
    STABLE,
    discharge,
    fact,
    pathway,
    record,
    stage,
    task,
    without,
)

PATHWAY = pathway()
P = PATHWAY.id
VACANT = without(ROSTER, COORDINATOR)


def tally_of(town: World) -> Tally:
    return tally(town.record, {P: PATHWAY}, town.now)


def test_somebody_whose_follow_up_waits_to_be_accepted():
    found = tally_of(world(PATHWAY, record(discharge()), NOW).wake())
    assert found == Tally(enrolments={P: 1}, follow_ups={(P, Timeliness.AWAITING_ACCEPTANCE): 1})


def test_silence_moves_the_follow_up_on_and_counts_its_escalation():
    town = world(PATHWAY, record(discharge()), NOW).wake().passes(hours=5).wake()
    found = tally_of(town)
    assert found.follow_ups == {(P, Timeliness.ACCEPTANCE_OVERDUE): 1}
    assert found.escalations == {(P, Cause.ACCEPTANCE): 1}


def test_a_role_that_nobody_holds_is_counted_since_it_was_noticed_and_no_longer_once_somebody_holds_it():
    town = world(PATHWAY, record(discharge(), roster=VACANT), NOW).wake().passes(hours=1).wake()
    found = tally_of(town)
    assert found.unowned == {P: 1}
    assert found.unowned_since == NOW
    assert found.escalations[P, Cause.UNOWNED] == 1
    mended = tally_of(town.staffed(ROSTER).wake())
    assert mended.unowned == {}
    assert mended.unowned_since is None
    assert (P, Cause.UNOWNED) not in mended.escalations


def test_what_is_asked_of_the_sender_is_owned_by_whoever_sent_and_not_by_who_stands_in():
    asked = pathway(stage("received", task("clarify", asks_sender=True)), STABLE)
    town = world(asked, record(discharge(), roster=VACANT), NOW)
    assert tally(town.record, {asked.id: asked}, town.now).unowned == {asked.id: 1}
    [follow_up] = town.record.follow_ups
    sent = replace(town.record, follow_ups=(replace(follow_up, owner=LEAD.reference),))
    assert tally(sent, {asked.id: asked}, town.now).unowned == {}


def test_whoever_has_come_to_the_end_counts_nowhere():
    town = world(PATHWAY, record(discharge()), NOW).told(fact("Observation", "o", NOW, says="stable"))
    assert tally_of(town) == Tally()
