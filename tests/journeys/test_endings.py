"""How a pathway ends before its time: nothing is silently dropped, and what ended stays ended."""

from __future__ import annotations

from datetime import timedelta

from tests.journeys.hospital import BROKEN_BONE
from tests.journeys.record import AFTER_A_CRISIS, POST_DISCHARGE
from tests.journeys.world import World

CANCELLED = "the resource that began this pathway was cancelled or entered in error"
DELETED = "the resource that began this pathway was deleted from the record"
DIED = "the person has died"


def test_a_death_a_deletion_and_a_correction_end_the_pathway_with_the_reason(world: World) -> None:
    hospital, record = world.hospital, world.record
    discharged, in_crisis = ("dot", "del", "ron", "eve", "cam"), ("doc", "deb", "ern")
    for person in discharged:
        hospital.discharges(person)
    for person in in_crisis:
        hospital.ends_crisis_contact(person)
    left = (world.now() - timedelta(hours=3)).isoformat()  # and was in crisis the same afternoon
    hospital.discharges("both", period={"start": "2026-02-24T09:00:00-07:00", "end": left})
    hospital.ends_crisis_contact("both")
    assert record.pathways("both") == {POST_DISCHARGE} | AFTER_A_CRISIS
    for person in in_crisis:
        assert record.pathways(person) == AFTER_A_CRISIS

    world.until("2026-03-06 18:30")  # an escalation runs about each of those in crisis
    for person in in_crisis:
        assert record.escalation(person, "intake-review/1/acceptance").status == "active"
    world.clinic.rejects("eve", "contact-person", "On leave")
    assert record.escalation("eve", "contact-person/1/refusal").status == "active"

    world.until("2026-03-06 18:40")
    for person in ("dot", "doc", "both"):
        hospital.notes_death(person)
    hospital.changes("Encounter/eve-stay", status="entered-in-error")
    hospital.changes("Encounter/ern-crisis", status="entered-in-error")
    hospital.changes("Encounter/cam-stay", status="cancelled")
    for person, reason in {
        "dot": DIED,
        "doc": DIED,
        "eve": CANCELLED,
        "ern": CANCELLED,
        "cam": CANCELLED,
    }.items():
        _has_ended(world, person, reason)
    assert [enrolment.status for enrolment in record.enrolments("both")] == ["revoked"] * 4
    assert record.open_follow_ups("both") == set()

    # This server tells nobody about deletions; they are seen when the person is looked at next, or when told of.
    hospital.deletes("Encounter/del-stay")
    hospital.deletes("Encounter/deb-crisis")
    hospital.deletes("Encounter/ron-stay")
    world.is_told_of_deletion("Encounter/ron-stay")
    _has_ended(world, "ron", DELETED)
    world.until("2026-03-06 20:30")
    _has_ended(world, "deb", DELETED)
    world.until("2026-03-09 10:00")
    _has_ended(world, "del", DELETED)

    before = {person: _everything(world, person) for person in (*discharged, *in_crisis)}
    world.until("2026-03-13 23:59:59")
    assert {person: _everything(world, person) for person in before} == before


def test_back_in_hospital_ends_the_follow_up_and_the_next_discharge_begins_another(world: World) -> None:
    hospital, record = world.hospital, world.record
    for person in ("rex", "sue", "tab"):
        hospital.discharges(person)
    world.until("2026-03-06 16:40")
    world.clinic.completes("rex", "contact-person")
    hospital.admits("sue", "surgery", reason=BROKEN_BONE)
    hospital.admits("rex")
    # Tab's discharge is taken back: she is still on the ward.
    admitted = {"start": "2026-02-24T09:00:00-07:00"}
    hospital.changes("Encounter/tab-stay", status="in-progress", period=admitted, hospitalization=None)
    tab = record.enrolment("tab")
    assert (tab.stage, tab.status, record.open_follow_ups("tab")) == (
        "back-in-acute-care",
        "completed",
        set(),
    )
    rex = record.enrolment("rex")
    assert (rex.stage, rex.status, record.open_follow_ups("rex")) == (
        "back-in-acute-care",
        "completed",
        set(),
    )
    followed = record.follow_ups("rex")
    assert (followed["contact-person/1"].status, followed["first-appointment/1"].status) == (
        "completed",
        "cancelled",
    )
    assert followed["first-appointment/1"].why_closed == "the pathway ended: Back in acute care"
    for person in ("rex", "tab"):
        _everybody_who_held_it_was_told(world, person, "Back in acute care")
    assert record.enrolment("sue").status == "active"

    world.until("2026-03-08 12:00")
    ended = {"start": "2026-03-06T16:40:00-07:00", "end": world.now().isoformat()}
    hospital.changes("Encounter/rex-readmission", status="finished", period=ended)
    begun = {e.identifier: e for e in record.enrolments("rex")}
    again = begun[f"{POST_DISCHARGE}/Encounter/rex-readmission"]
    assert (again.status, again.stage, again.started_at) == ("active", "discharge-received", world.now())
    assert begun[f"{POST_DISCHARGE}/Encounter/rex-stay"].status == "completed"


def _has_ended(world: World, person: str, reason: str) -> None:
    """On every pathway that the person was on."""
    enrolments = world.record.enrolments(person)
    assert enrolments
    for ended in enrolments:
        assert (ended.status, ended.ended_because) == ("revoked", reason)
        assert reason in ended.words
    assert world.record.open_follow_ups(person) == set()
    closed = [f for f in world.record.follow_ups(person).values() if f.status == "cancelled"]
    assert closed
    assert {f.why_closed for f in closed} == {f"the pathway ended: {reason}"}
    _everybody_who_held_it_was_told(world, person, reason)
    for about, escalation in world.record.escalations(person).items():
        assert escalation.status == "completed"
        assert {response.status for response in world.record.responses(person, about)} == {"cancelled"}


def _everybody_who_held_it_was_told(world: World, person: str, reason: str) -> None:
    """One Communication for each Task that was cancelled by the end, to its owner, with the reason."""
    record = world.record
    held = {key: f for key, f in record.follow_ups(person).items() if "the pathway ended" in f.why_closed}
    for about in record.escalations(person):
        for number, response in enumerate(record.responses(person, about), start=1):
            if "the pathway ended" in response.why_closed:
                held[f"{about}/{number}"] = response
    told = record.told_of_cancelling(person)
    assert set(told) == set(held)
    for name, notice in told.items():
        assert notice["recipient"][0]["display"] == held[name].owner
        assert reason in notice["payload"][0]["contentString"]


def _everything(world: World, person: str) -> tuple[dict[str, int], dict[str, str], int]:
    """Revision of each enrolment, the status of each follow-up, how many notices."""
    revisions = {each.identifier: each.revision for each in world.record.enrolments(person)}
    follow_ups = {key: f.status for key, f in world.record.follow_ups(person).items()}
    notices = sum(len(e.told) for e in world.record.escalations(person).values())
    return revisions, follow_ups, notices
