"""Whether we are still being told: what the server shows, what was heard, and what the sweep saw without a word."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest

from service.fhir.subscription_kept import kept_of
from service.fhir.subscription_wanted import Flavour, Wanted
from service.flow.listen import PATIENCE, TOLERANCE, Hearing, note_unheard, state_of
from tests.fakes import HOUSE_NOW, FakeWatermarks

ENCOUNTERS = Wanted(name="encounters", criteria="Encounter?")
URL = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period"


def shown(status="active", heartbeat=None):
    channel: dict[str, Any] = {"type": "rest-hook", "endpoint": "https://x.example/notifications/t"}
    if heartbeat is not None:
        channel["extension"] = [{"url": URL, "valueUnsignedInt": heartbeat}]
    return kept_of(
        {"resourceType": "Subscription", "status": status, "criteria": "Encounter?", "channel": channel}
    )


def marks(**given):
    return FakeWatermarks({f"{name}:encounters": value for name, value in given.items()})


def ago(**length):
    return (HOUSE_NOW - timedelta(**length)).isoformat()


def judged(kept, known) -> tuple[Hearing, str]:
    state = state_of("encounters", kept, known, HOUSE_NOW)
    return state.hearing, "; ".join(state.says)


def test_one_that_tells_is_heard() -> None:
    known = marks(heard=ago(hours=5), active=ago(days=3))

    assert judged(shown(), known) == (Hearing.HEARD, "")
    assert state_of("encounters", shown(), known, HOUSE_NOW).heard_at == ago(hours=5)


def test_one_that_had_nothing_to_tell_is_well() -> None:
    assert judged(shown(), marks(active=ago(days=3))) == (Hearing.NOT_YET, "no notification has come yet")
    assert Hearing.NOT_YET.is_well


def test_one_that_was_never_asked_for_is_another_thing_than_one_that_vanished() -> None:
    assert judged(None, marks()) == (
        Hearing.NOT_ASKED,
        "it is not on the server: apply the subscriptions",
    )
    assert judged(None, marks(known="Subscription/1", heard=ago(hours=1))) == (
        Hearing.GONE,
        "it was on the server and is not there any more",
    )


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("requested", "the server has not activated it yet"),
        ("off", "the server has it as off"),
        ("error", "the server has it as error"),
        ("", "the server has it as nothing"),
    ],
)
def test_one_that_is_not_active_is_said(status, says) -> None:
    assert judged(shown(status), marks(heard=ago(hours=1))) == (Hearing.NOT_ACTIVE, says)


def test_errors_that_the_server_tells_are_said() -> None:
    known = marks(heard=ago(minutes=1), errors="no-response")

    assert judged(shown(), known) == (Hearing.FAILING, "the server last told of: no-response")


@pytest.mark.parametrize(("seconds", "hearing"), [(149, Hearing.HEARD), (151, Hearing.HEARTBEAT_MISSED)])
def test_a_heartbeat_may_be_late_once_but_not_twice(seconds, hearing) -> None:
    known = marks(heard=ago(seconds=seconds), active=ago(days=1))

    assert judged(shown(heartbeat=60), known)[0] is hearing


def test_a_heartbeat_that_never_came_is_missed_from_the_activation_on() -> None:
    assert judged(shown(heartbeat=60), marks(active=ago(seconds=200)))[1] == (
        "nothing has come for 200 seconds; a sign of life is due every 60; no notification has come yet"
    )
    assert judged(shown(heartbeat=60), marks(active=ago(seconds=20)))[0] is Hearing.NOT_YET


# --- no traffic while the sweep sees changes


def seen(known, *, at, wanted=ENCOUNTERS, kind="Encounter"):
    """The sweep came across a change that the server stamped at `at`."""
    note_unheard([wanted], {kind: at.astimezone(UTC)}, known)


def test_a_change_that_nobody_told_of_is_silence_after_a_while() -> None:
    known = marks(heard=ago(hours=3), active=ago(days=1))
    seen(known, at=HOUSE_NOW - PATIENCE - timedelta(seconds=1))

    hearing, says = judged(shown(), known)
    assert hearing is Hearing.SILENT
    assert says == "the record has changed since 2026-03-06 23:24 UTC and the server has told of nothing"


def test_a_fresh_change_is_still_on_its_way() -> None:
    known = marks(heard=ago(hours=3), active=ago(days=1))
    seen(known, at=HOUSE_NOW - PATIENCE + timedelta(seconds=1))

    assert judged(shown(), known)[0] is Hearing.HEARD


def test_silence_counts_from_the_first_change_however_many_follow() -> None:
    known = marks(heard=ago(hours=3), active=ago(days=1))
    for minutes in (30, 20, 10, 1):
        seen(known, at=HOUSE_NOW - timedelta(minutes=minutes))

    assert judged(shown(), known)[0] is Hearing.SILENT


def test_whatever_is_heard_afterwards_ends_the_silence() -> None:
    known = marks(heard=ago(hours=3), active=ago(days=1))
    seen(known, at=HOUSE_NOW - timedelta(minutes=30))
    known.set("heard:encounters", ago(minutes=1))

    assert judged(shown(), known)[0] is Hearing.HEARD
    seen(known, at=HOUSE_NOW - timedelta(minutes=1))
    assert judged(shown(), known)[0] is Hearing.HEARD


def test_clocks_that_differ_a_little_make_no_silence() -> None:
    known = marks(heard=ago(minutes=30), active=ago(days=1))
    seen(known, at=HOUSE_NOW - timedelta(minutes=30) + TOLERANCE)

    assert judged(shown(), known)[0] is Hearing.HEARD


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        (ENCOUNTERS, {}),  # not active yet, as far as anybody has seen
        (ENCOUNTERS, {"active": ago(minutes=10)}),  # the change is older than the subscription
        (Wanted(name="encounters", criteria="Encounter?class=IMP"), {"active": ago(days=1)}),
        (
            Wanted(
                name="encounters",
                flavour=Flavour.R4_BACKPORT,
                topic="http://t.example",
                watched=("Encounter",),
            ),
            {"active": ago(days=1)},
        ),
    ],
    ids=["not active", "older", "filtered", "by topic"],
)
def test_where_a_change_may_rightly_go_untold_there_is_no_silence(wanted, given) -> None:
    known = marks(**given)
    seen(known, at=HOUSE_NOW - timedelta(minutes=20), wanted=wanted)

    assert judged(shown(), known)[0] is Hearing.NOT_YET


def test_changes_of_other_types_say_nothing_about_it() -> None:
    known = marks(active=ago(days=1))
    seen(known, at=HOUSE_NOW - timedelta(minutes=20), kind="Task")

    assert known.get("unheard:encounters") is None


def test_marks_that_cannot_be_read_frighten_nobody() -> None:
    known = marks(active="yes", unheard="then", heard="2026-03-06T10:00:00")
    seen(known, at=HOUSE_NOW - timedelta(hours=2))

    assert judged(shown(heartbeat=60), known)[0] is Hearing.HEARD
