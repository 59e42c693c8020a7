"""The narrative is what a clinician reads: plain words, local time, everything escaped, nobody blamed."""

from __future__ import annotations

from dataclasses import replace

from service.domain.enrolment import Variance
from service.domain.intents import Decision
from service.domain.vocabulary import FieldId, FollowUpStatus, GateId, Reference, VarianceKind
from tests.fhir.decisions import (
    DISCHARGED,
    SAM,
    a_change,
    a_first_decision,
    a_pathway,
    an_enrolment,
    an_opening,
)
from tests.fhir.r4 import check_r4, words
from tests.fhir.render.stories import (
    all_done,
    discharged,
    enrolled,
    first_decision,
    missed_contact,
    taken_back,
    writes_of,
)

ENROLLED = """\
Post-discharge coordination
Stage: Discharge received
The record already shows: Outreach
Status: active
Pathway lead: Sam Okafor
Clock started: Fri 6 Mar 2026, 14:00 MST
Needed before the next stage
Receipt of the discharge information confirmed
Still to be recorded
Contact attempts
Safety plan status
Open follow-ups
Reach the person: Tess Moreau, due Mon 9 Mar 2026, 14:00 MDT. Waiting to be accepted
Departures from the pathway
Reach the person – start of the clock assumed, Fri 6 Mar 2026, 14:00 MST: The Encounter has no end; the server's time was taken
Stages so far
Discharge received: since Fri 6 Mar 2026, 14:00 MST"""

NOTICE = """\
Escalation: Reach the person
To: Sam Okafor
Reach the person: not completed by Mon 9 Mar 2026, 15:00 MDT
Please decide who reaches the person today, and accept this Task.
Please respond by Mon 9 Mar 2026, 19:00 MDT."""


def test_the_enrolment_says_where_the_person_is_what_is_missing_and_who_does_what_by_when():
    assert words(first_decision()[0].resource) == ENROLLED


def test_a_notice_says_why_what_is_asked_and_by_when():
    assert words(missed_contact()[3].resource) == NOTICE
    assert missed_contact()[3].resource["payload"][0]["contentString"] == "\n".join(NOTICE.splitlines()[2:])


def test_who_held_a_cancelled_follow_up_reads_what_why_and_that_nothing_more_is_asked():
    told = taken_back()[1].resource

    assert (
        words(told)
        == """\
Cancelled: Reach the person
To: Tess Moreau
Reach the person: this is cancelled.
Why: the pathway ended: the resource that began this pathway was cancelled or entered in error.
Nothing more is asked of you here."""
    )
    assert told["recipient"] == [{"reference": "PractitionerRole/tess-coordinator", "display": "Tess Moreau"}]
    assert told["about"][0]["reference"] == "Task/1"


def test_a_follow_up_says_what_to_record_by_title():
    text = words(first_decision()[1].resource)

    assert "please record: Contact attempts" in text
    assert "Accept by: Mon 9 Mar 2026, 12:00 MDT" in text
    assert "contact-attempts" not in text


def test_a_departure_says_which_of_several_tasks_of_one_follow_up_it_is_about():
    late = Variance(
        kind=VarianceKind.COMPLETED_LATE, subject="contact-person/1", at=DISCHARGED, reason="late"
    )
    variances = (late, replace(late, subject="contact-person/3"), replace(late, subject="Encounter/1"))
    plan = writes_of(a_first_decision(enrolment=an_enrolment(variances=variances)), discharged())[0].resource

    told = [line.partition(" – ")[0] for line in words(plan).splitlines() if "after its time" in line]
    assert told == ["Reach the person", "Reach the person (3)", "Encounter/1"]


def test_an_ended_pathway_says_so_and_lists_nothing_open():
    text = words(all_done()[-1].resource)

    assert "Status: completed" in text
    assert "Ended: The final stage was reached" in text
    assert "Open follow-ups" not in text


def test_a_change_of_owner_shows_in_the_plan_and_in_the_task():
    decision = Decision(
        enrolment=an_enrolment(reference=Reference("CarePlan/1"), version="1"),
        write_enrolment=True,
        changes=(a_change(owner=SAM, status=FollowUpStatus.REQUESTED),),
    )

    task, _trail, plan = writes_of(decision, enrolled())

    assert "Reach the person: Sam Okafor" in words(plan.resource)
    assert "Owner: Sam Okafor" in words(task.resource)


def test_an_owner_off_the_roster_is_still_called_by_name():
    decision = Decision(
        enrolment=an_enrolment(reference=Reference("CarePlan/1"), version="1"), write_enrolment=True
    )

    assert "Reach the person: Tess Moreau" in words(writes_of(decision, enrolled())[-1].resource)


def test_words_that_look_like_markup_stay_words():
    nasty = '<script>alert(1)</script> & "quoted" \x00\x08'
    decision = a_first_decision(
        enrolment=an_enrolment(lead_display=nasty),
        open=(an_opening(because=nasty, owner_role_title="A & B"),),
    )

    plan, task, _trail = writes_of(decision, discharged(), pathway=a_pathway(title=nasty))

    for resource in (plan.resource, task.resource):
        assert "<script>" not in resource["text"]["div"]
        assert '<script>alert(1)</script> & "quoted"' in words(resource)


def test_ids_that_an_older_version_of_the_pathway_knew_are_shown_as_they_are():
    enrolment = an_enrolment(unmet_gates=(GateId("old-gate"),), missing=(FieldId("old-field"),))

    plan = writes_of(a_first_decision(enrolment=enrolment), discharged())[0].resource

    check_r4(plan)
    assert "old-gate" in words(plan)
    assert "old-field" in words(plan)
