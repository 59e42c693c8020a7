"""What holds for every history: deciding settles, replays, wakes in time, and survives dying half-way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.decide import decide_all
from service.domain.evidence import PersonRecord
from service.domain.intents import Decision
from service.domain.pathway import Pathway
from service.domain.vocabulary import OPEN, RUNNING_PLAN
from tests.domain.an_imaginary_record import World, apply, steps
from tests.domain.histories import BESIDE, EVERYTHING, HISTORIES, beginning, happen

bounded = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


several = pytest.mark.parametrize("pathways", [(EVERYTHING,), BESIDE], ids=["alone", "beside"])


def decide(world: World, at: datetime | None = None) -> tuple[Decision, ...]:
    return decide_all(world.pathways, world.record, at or world.now)


def settle(world: World) -> int:
    """Decide and write until nothing is left to write; how many times something was written."""
    for rounds in range(9):
        writing = [decision for decision in decide(world) if not decision.is_settled]
        if not writing:
            return rounds
        for decision in writing:
            world.record = apply(world.record, decision)
    raise AssertionError("it never settles")


def live(
    history: list, watch: Callable[[World], None], pathways: tuple[Pathway, ...] = (EVERYTHING,)
) -> World:
    """Live through a history as production does: each event is noticed, and time passes from due time to due time.
    `watch` sees the world before each decision."""
    world = beginning(pathways)
    for event in [("start", None), *history]:
        if event[0] == "time":
            _time_passes(world, world.now + event[1], watch)
            continue
        happen(world, event)
        watch(world)
        settle(world)
    return world


def _time_passes(world: World, until: datetime, watch: Callable[[World], None]) -> None:
    while (due := world.next_due_at()) is not None and due <= until:
        assert due > world.now, "a due time lies in the future"
        world.now = due
        watch(world)
        settle(world)
    world.now = until


def nothing_to_write(decisions: tuple[Decision, ...]) -> bool:
    return all(decision.is_settled for decision in decisions)


@several
@bounded
@given(HISTORIES)
def test_deciding_again_after_writing_settles(pathways, history):
    # Once for what the record says, once more where a follow-up waits for what was just written about another; and
    # once more where another pathway needs by an earlier time what was just asked for.
    def watch(world: World) -> None:
        assert settle(replace(world)) <= 1 + len(pathways)

    live(history, watch, pathways)


@several
@bounded
@given(HISTORIES, st.integers(0, 999))
def test_nothing_changes_before_the_next_due_time(pathways, history, part):
    # The promise behind "silence escalates": what no due time announces, nobody would ever look at.
    def watch(world: World) -> None:
        written = replace(world)
        settle(written)
        due = written.next_due_at()
        assert due is None or due > world.now
        horizon = (due or world.now + timedelta(days=30)) - world.now
        for at in (world.now + horizon * part / 1000, world.now + horizon - timedelta(microseconds=1)):
            assert nothing_to_write(decide(written, at)), f"something is due at {at}, announced was {due}"

    live(history, watch, pathways)


@several
@bounded
@given(HISTORIES)
def test_the_same_record_gives_the_same_decision(pathways, history):
    def watch(world: World) -> None:
        assert decide(world) == decide(world)

    live(history, watch, pathways)


@several
@bounded
@given(HISTORIES, st.randoms(use_true_random=False))
def test_the_order_in_which_the_record_is_read_does_not_matter(pathways, history, random):
    def watch(world: World) -> None:
        assert decide(replace(world, record=shuffled(world.record, random))) == decide(world)

    live(history, watch, pathways)


def test_the_order_in_which_the_record_is_read_does_not_matter_at_the_end_either():
    world = live([("time", timedelta(days=4)), ("end", 9)], lambda _: None)
    happen(world, ("end", 0))
    backwards = replace(
        world.record,
        follow_ups=world.record.follow_ups[::-1],
        escalations=world.record.escalations[::-1],
    )

    (decision,) = decide(world)
    assert len(decision.changes) > 5
    assert decide(replace(world, record=backwards)) == (decision,)


def shuffled(record: PersonRecord, random: Random) -> PersonRecord:
    return replace(
        record,
        facts=tuple(random.sample(record.facts, len(record.facts))),
        follow_ups=tuple(random.sample(record.follow_ups, len(record.follow_ups))),
        escalations=tuple(random.sample(record.escalations, len(record.escalations))),
    )


@several
@bounded
@given(HISTORIES)
def test_every_follow_up_is_opened_once_and_always_has_an_owner(pathways, history):
    seen: set[str] = set()

    def watch(world: World) -> None:
        decisions = decide(world)
        new = [o.identifier for d in decisions for o in d.open]
        new += [f"{r.escalation}/{r.number}" for d in decisions for r in d.rungs if r.write_task]
        assert len(new) == len(set(new))
        assert seen.isdisjoint(new)
        seen.update(new)
        changed = [c.identifier for d in decisions for c in d.changes]
        assert len(changed) == len(set(changed)), "one write per Task"
        listed = {name for d in decisions for name in d.enrolment.activities}
        decided = tuple(f"{d.enrolment.identifier}/" for d in decisions)
        mine = {f.identifier for f in world.record.follow_ups if f.identifier.startswith(decided)}
        assert mine <= listed, "none disappears"
        assert all(f.owner for f in world.record.follow_ups if f.status in OPEN)

    live(history, watch, pathways)


@bounded
@given(HISTORIES)
def test_after_long_silence_every_open_follow_up_stands_under_an_escalation(history):
    last = live([*history, ("time", timedelta(days=60))], lambda _: None)
    # One ladder stands for a follow-up, whichever of its attempts is under way.
    running = {e.task: e for e in last.record.escalations if e.status in RUNNING_PLAN}
    ladders = {t.id: t.escalation for s in EVERYTHING.stages for t in s.tasks}
    for follow_up in last.record.follow_ups:
        ladder = ladders[follow_up.task]
        if follow_up.status in OPEN and ladder is not None:
            rungs = running[follow_up.task].rungs
            assert len(rungs) == len(EVERYTHING.ladders[ladder].rungs), "up to the last rung"


@several
@bounded
@given(HISTORIES, st.integers(0, 30), st.integers(0, 30))
def test_dying_between_any_two_writes_ends_with_the_same_record(pathways, history, first, second):
    def watch(world: World) -> None:
        whole = replace(world)
        settle(whole)
        broken = replace(world)
        for length in (first, second):
            for decision in decide(broken):
                for write in steps(decision)[:length]:
                    broken.record = write(broken.record)
        settle(broken)
        assert outcome(broken.record) == outcome(whole.record)

    live(history, watch, pathways)


def outcome(record: PersonRecord) -> object:
    """What people see; not the versions, which count how often something was written."""
    return (
        sorted((f.identifier, f.status, f.owner, f.timeliness, f.complete_by) for f in record.follow_ups),
        sorted(
            (e.identifier, e.status, tuple((r.number, r.status, r.owner, r.notice_exists) for r in e.rungs))
            for e in record.escalations
        ),
        sorted((e.identifier, e.status, e.stage, e.activities, e.variances) for e in record.enrolments),
    )
