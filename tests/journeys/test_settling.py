"""What Throughline writes itself comes back to it as notifications: it looks again, finds nothing to do, and is quiet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.world import World, open_world


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[World]:
    """The worker also says when it has looked at somebody and found nothing to write."""
    with open_world(tmp_path, env={"THROUGHLINE_LOG_LEVEL": "DEBUG"}) as world:
        yield world


def test_our_own_writes_come_back_once_and_bring_about_nothing_more(talkative: World) -> None:
    world = talkative
    world.hospital.registers("ada")
    told = world.notifications_after_settling()
    world.hospital.discharges("ada")
    ada = world.record.enrolment("ada")
    written = world.record.versions("ada")

    assert set(written.values()) == {1}  # nothing was written twice
    assert (ada.revision, len(world.record.provenance("ada"))) == (1, 1)
    assert world.notifications_after_settling() - told == 1 + len(
        written
    )  # the discharge, and each write once
    wrote, quiet = world.looks()
    # A look sees that all is well after writing. Notifications that overtake our remembering of what we wrote come
    # while the person is still held, so however many they are they wake once more; the others wake nobody.
    assert wrote == 1
    assert 1 <= quiet <= 2

    world.time_passes(minutes=10)
    world.clinic.accepts("ada", "contact-person")
    after = world.record.versions("ada")
    task = f"Task/{world.record.follow_up('ada', 'contact-person').task['id']}"
    plan = f"CarePlan/{ada.plan['id']}"
    # The Task: created, accepted by its owner, its standing noted. The enrolment says so too. Nothing else is touched.
    assert {reference: after[reference] for reference in written if after[reference] != 1} == {
        task: 3,
        plan: 2,
    }
    assert set(after) == set(written)
    assert (world.record.enrolment("ada").revision, len(world.record.provenance("ada"))) == (2, 2)
    wrote_again, quiet_again = (
        after - before for after, before in zip(world.looks(), (wrote, quiet), strict=True)
    )
    assert wrote_again == 1
    assert 1 <= quiet_again <= 2

    before = world.looks()
    world.time_passes(hours=12)  # the night: nothing is due
    assert world.record.versions("ada") == after
    assert world.looks() == before
