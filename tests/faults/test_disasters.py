"""What docs/operations.md drills: a record restored from an earlier time, and a clock that was wrong for a while."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.faults.standing import name_of, wrong_with
from tests.faults.town import Town, case, instants, play

STORIES = [
    ("post-discharge-coordination", "missed-contact-every-rung"),
    ("crisis-to-outpatient", "first-contact-missed"),
]
NAMES = [name for _, name in STORIES]


def undisturbed(pathway, name):
    town = Town()
    play(town, case(pathway, name), town.settle)
    return names_of(town.record.everything())


def names_of(found):
    """How often each of our resources stands there. What an escalation that was raised again says by when differs."""
    return Counter(name for resource in found if (name := name_of(resource)))


def empty_redis(town):
    """As the drill says before anything is started again: what Redis knows is of a record that is gone."""
    for held in (town.index.due, town.index.claimed, town.inbox.entries, town.marks.marks, town.echoes.noted):
        held.clear()
    town._told.clear()


@pytest.mark.parametrize(("pathway", "name"), STORIES, ids=NAMES)
def test_a_record_restored_from_before_each_step_is_made_whole_again(pathway, name):
    """What people and senders had written since is given again by them; what we had written is written again by us."""
    town = Town()
    for step in case(pathway, name).timeline:
        before = town.record.kept()
        for at in instants(town, step.at):
            town.clock.at = at
            town.settle()
        town.clock.at = step.at
        town.happens(step)
        town.settle()

        town.record.rewind(before)
        empty_redis(town)
        town.new_worker()
        town.work.catch_up()
        town.settle()
        town.happens(step)
        town.settle()

    found = town.record.everything()
    assert wrong_with(found) == []
    assert names_of(found) == undisturbed(pathway, name)
    assert town.letters.list() == []


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=-2)], ids=["ahead", "behind"])
def test_a_clock_that_was_wrong_for_a_while_asks_early_or_late_and_never_twice(ahead):
    pathway, name = STORIES[0]
    town = Town()
    play(town, case(pathway, name), lambda: wrong_for_a_while(town, ahead))

    found = town.record.everything()
    assert wrong_with(found) == []
    assert set(names_of(found).values()) == {1}
    assert told(found) >= told_in(undisturbed(pathway, name))


def wrong_for_a_while(town, ahead):
    town.settle()
    right = town.clock.at
    town.clock.at = right + ahead
    town.work.catch_up()
    town.settle()
    town.clock.at = right
    town.work.catch_up()
    town.settle()


def told(found):
    """Communications, by name."""
    return told_in(names_of(found))


def told_in(names):
    return {name for name in names if name.startswith("Communication")}
