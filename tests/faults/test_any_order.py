"""Notifications shuffled, repeated, lost and late: the record ends as if each had come once, at once and in order."""

from __future__ import annotations

from functools import cache, partial
from random import Random

import pytest

from service.ports import RawNotification
from tests.faults.notifications import empty, id_only, put
from tests.faults.standing import differences, told_of, wrong_with
from tests.faults.town import Town, case, play, shipped

STORIES = [
    ("post-discharge-coordination", "missed-contact-every-rung"),
    ("post-discharge-coordination", "reached-in-time"),
    ("post-discharge-coordination", "rejected-goes-to-somebody-else"),
    ("crisis-to-outpatient", "handed-over-and-engaged"),
    ("crisis-to-outpatient", "first-contact-missed"),
    ("crisis-step-down", "another-crisis-begins-anew"),
]
SEVERAL = "crisis-step-down"
"""Its stories are told with all pathways in use: the crisis begins two more, and shares its follow-ups with them."""
NAMES = [name for _, name in STORIES]
SEEDS = range(4)


def town_of(pathway):
    return Town(library=shipped) if pathway == SEVERAL else Town()


@cache
def in_order(pathway, name):
    town = town_of(pathway)
    play(town, case(pathway, name), town.settle)
    return town


class UnrulyServer:
    """Notifies of every change as badly as it may: in any order, several times, late, or (`loses`) never."""

    def __init__(self, town, dice, *, loses):
        self.town, self.dice, self.loses = town, dice, loses
        self.waiting, self.sent, self.lost, self.number = [], 0, 0, 0

    def settle(self):
        """Until the town rests. What is lost or late is found by the catch-up, as it is in every minute of a real site."""
        for _ in range(60):
            self._hear_of_changes()
            self._deliver_some()
            if self.town.is_busy():
                self._work_a_little()
            elif not self.town.changes_waiting() and (self.loses or not self.waiting):
                if not self.loses:
                    return
                self.town.work.catch_up()
                if not self.town.is_busy():
                    return
        raise AssertionError("the town does not come to rest")

    def _hear_of_changes(self):
        for resource in self.town.changes():
            if self.loses and self.dice.random() < 0.4:
                self.lost += 1
                continue
            self.waiting += [self._told(resource) for _ in range(self.dice.choice([1, 1, 2, 5]))]

    def _told(self, resource):
        self.number += 1
        flavours = [put, empty, partial(id_only, number=self.number)] if self.loses else [put]
        return self.dice.choice(flavours)(resource)

    def _deliver_some(self):
        self.dice.shuffle(self.waiting)
        some = self.dice.randint(0, len(self.waiting))
        self.town.deliver(*self.waiting[:some])
        self.sent += some
        del self.waiting[:some]

    def _work_a_little(self):
        """A worker may get to the inbox and not to the people, or look at somebody between two notifications."""
        self.town.work.take_in()
        if self.dice.random() < 0.7:
            self.town.look()


@pytest.mark.parametrize("loses", [False, True], ids=["repeated", "lost and late"])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("pathway", "name"), STORIES, ids=NAMES)
def test_a_story_ends_the_same_however_its_notifications_come(pathway, name, seed, loses):
    town = town_of(pathway)
    server = UnrulyServer(town, Random(seed), loses=loses)
    play(town, case(pathway, name), server.settle)

    assert server.sent > 10
    assert server.lost > 0 or not loses
    found = town.record.everything()
    assert wrong_with(found) == []
    assert differences(told_of(found), told_of(in_order(pathway, name).record.everything())) == []
    assert town.letters.list() == []


@pytest.mark.parametrize(("pathway", "name"), STORIES, ids=NAMES)
def test_every_notification_of_a_story_sent_again_backwards_afterwards_writes_nothing(pathway, name):
    town = town_of(pathway)
    sent: list[RawNotification] = []
    deliver = town.deliver

    def heard(*some: RawNotification) -> None:
        sent.extend(some)
        deliver(*some)

    town.deliver = heard  # a town whose every notification is written down
    play(town, case(pathway, name), town.settle)
    written = town.record.writes

    deliver(*reversed(sent), *sent, *sent)
    while town.is_busy():
        town.look()

    assert len(sent) > 20
    assert town.record.writes == written


def test_a_queue_emptied_at_every_step_of_a_story_is_filled_again_from_the_record():
    """Redis loses all it had: who is due, the inbox, the marks. What is not in the record was never lost."""
    pathway, name = STORIES[0]
    town = town_of(pathway)

    def settle_after_a_loss():
        town.settle()
        town.index.due.clear()
        town.index.claimed.clear()
        town.inbox.entries.clear()
        town.marks.marks.clear()
        town.echoes.noted.clear()
        town.work.catch_up()
        while town.is_busy():
            town.look()

    play(town, case(pathway, name), settle_after_a_loss)
    found = town.record.everything()
    assert wrong_with(found) == []
    assert differences(told_of(found), told_of(in_order(pathway, name).record.everything())) == []
