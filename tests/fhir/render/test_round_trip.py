"""What is written reads back as what was decided: the record alone is enough to go on from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.enrolment import StageEntry, Variance
from service.domain.vocabulary import (
    FieldId,
    FollowUpStatus,
    GateId,
    PlanStatus,
    Priority,
    Reference,
    StageId,
    Timeliness,
    VarianceKind,
)
from tests.fhir.decisions import (
    CONTACT,
    ESCALATION,
    a_first_decision,
    a_rung,
    an_enrolment,
    an_escalation,
    an_opening,
)
from tests.fhir.r4 import check_r4
from tests.fhir.render.stories import discharged, enrolled, escalated, writes_of

TIMES = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2035, 1, 1), timezones=st.just(UTC))
FEW = settings(max_examples=40, deadline=None)
CODES = st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+){0,3}", fullmatch=True)
WORDS = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(
    lambda text: text.strip()
)


def variances():
    return st.builds(
        Variance,
        kind=st.sampled_from(VarianceKind),
        subject=CODES,
        at=TIMES,
        reason=st.one_of(st.just(""), WORDS),
    )


@st.composite
def enrolments(draw):
    return replace(
        an_enrolment(),
        started_at=draw(TIMES),
        status=draw(st.sampled_from(PlanStatus)),
        stage=StageId(draw(CODES)),
        reached=StageId(draw(CODES)),
        history=tuple(
            draw(
                st.lists(
                    st.builds(StageEntry, stage=CODES.map(StageId), entered_at=TIMES), min_size=1, max_size=3
                )
            )
        ),
        unmet_gates=tuple(draw(st.lists(CODES.map(GateId), max_size=3))),
        missing=tuple(draw(st.lists(CODES.map(FieldId), max_size=3))),
        variances=tuple(draw(st.lists(variances(), max_size=3))),
        lead=draw(st.sampled_from([None, Reference("Practitioner/sam"), Reference("PractitionerRole/x.1")])),
        lead_display="",
        ended_reason=draw(st.one_of(st.just(""), WORDS)),
        revision=draw(st.integers(min_value=0, max_value=10_000)),
    )


def as_decided(enrolment):
    """Without what the server gives."""
    return replace(enrolment, reference=None, version="")


@FEW
@given(enrolments())
def test_a_new_enrolment_reads_back_equal(enrolment):
    shelf = discharged()
    writes = writes_of(a_first_decision(enrolment=enrolment), shelf)
    check_r4(writes[0].resource)

    shelf.write(writes)

    assert as_decided(shelf.read().enrolments[0]) == enrolment
    assert shelf.read().unreadable == ()


@FEW
@given(enrolments())
def test_an_updated_enrolment_reads_back_equal_whatever_stood_there_before(enrolment):
    shelf = enrolled()
    placed = replace(enrolment, reference=Reference("CarePlan/1"), version="1")

    shelf.write(writes_of(a_first_decision(enrolment=placed, open=()), shelf))

    assert shelf.read().enrolments[0] == replace(placed, version="2")


@FEW
@given(
    opened_at=TIMES,
    accept=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)),
    complete=st.timedeltas(min_value=timedelta(days=-3), max_value=timedelta(days=90)),
    priority=st.sampled_from(Priority),
    timeliness=st.sampled_from(Timeliness),
)
def test_a_follow_up_reads_back_with_its_owner_and_both_clocks(
    opened_at, accept, complete, priority, timeliness
):
    opening = an_opening(
        opened_at=opened_at,
        accept_by=opened_at + accept,
        complete_by=opened_at + complete,
        priority=priority,
        timeliness=timeliness,
    )
    shelf = discharged()
    shelf.write(writes_of(a_first_decision(open=(opening,)), shelf))

    seen = shelf.read().follow_ups[0]

    assert (seen.identifier, seen.task, seen.occurrence) == (CONTACT, "contact-person", 1)
    assert (seen.opened_at, seen.changed_at) == (opened_at, opened_at)
    assert (seen.accept_by, seen.complete_by) == (opening.accept_by, opening.complete_by)
    assert (seen.status, seen.owner) == (FollowUpStatus.REQUESTED, opening.owner.reference)
    assert (seen.priority, seen.timeliness) == (priority, timeliness)


def test_an_escalation_reads_back_with_its_rungs_and_its_clock():
    seen = escalated().read().escalations[0]
    plan, rung = an_escalation(), a_rung()

    assert (seen.identifier, seen.cause, seen.status) == (ESCALATION, plan.cause, plan.status)
    assert (seen.missed_at, seen.listed) == (plan.missed_at, 1)
    assert [(r.number, r.owner, r.raised_at, r.respond_by, r.notice_exists) for r in seen.rungs] == [
        (1, rung.recipient.reference, rung.raised_at, rung.respond_by, True)
    ]


def test_writing_the_same_decision_twice_changes_nothing():
    shelf = enrolled()
    before = dict(shelf.by_reference)

    shelf.write(writes_of(a_first_decision(), discharged()))

    assert shelf.by_reference == before


def test_activities_are_recognized_when_a_server_drops_the_identifier_beside_a_reference():
    shelf = enrolled()
    plan = shelf.by_reference[Reference("CarePlan/1")]
    plan["activity"] = [{"reference": {"reference": "Task/1"}}]

    assert shelf.read().enrolments[0].activities == (CONTACT,)
