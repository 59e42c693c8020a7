"""The same time lived again: with the same version it is the same life; with another one, what that version changes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from service.app.past import Past
from service.app.relived import Act, Happening, Life, differences, happenings, live
from service.app.simulation import Moment
from service.domain.due import Unit, Within
from service.domain.follow_up_task import DueIn
from service.domain.vocabulary import PathwayId
from service.fhir import systems
from service.fhir.history import History, versions_in
from tests.app.pasts import DENVER, bundle_of, fullest_case, library, played, site_of
from tests.sandbox import HOUSE_NOW

POST_DISCHARGE = PathwayId("post-discharge-coordination")
STORY = fullest_case(POST_DISCHARGE).with_stem("readmitted")


def past_of(run):
    return Past(History(versions_in(bundle_of(run), DENVER)), DENVER)


def as_life(run):
    return Life(moments=run.moments, nowhere=(), next_due_at=None)


def relived(run, practice):
    return live(happenings(past_of(run)), practice, until=run.case.timeline[-1].at)


@pytest.mark.parametrize("pathway", sorted(library().pathways))
def test_the_same_version_lives_the_same_life(pathway):
    run = played(fullest_case(pathway))
    life = relived(run, site_of(pathway).practice)

    assert differences(as_life(run), life) == []
    assert (life.nowhere, len(life.moments)) == ((), len(run.moments))


def hurried(practice):
    """A version in which everything is due within an hour."""
    pathway = practice.pathways[POST_DISCHARGE]
    hour = DueIn(otherwise=Within(count=1, unit=Unit.HOURS))
    stages = tuple(replace(s, tasks=tuple(replace(t, due_in=hour) for t in s.tasks)) for s in pathway.stages)
    return replace(practice, pathways={POST_DISCHARGE: replace(pathway, version="2027.1.0", stages=stages)})


def test_another_version_is_told_by_what_only_one_of_the_two_does():
    run = played(STORY)
    found = differences(as_life(run), relived(run, hurried(site_of(POST_DISCHARGE).practice)))

    assert found[0].at == run.moments[0].at
    assert any(
        "confirm-appointments/1: requested, Tess, waiting to be accepted, due Mon 03-09 17:30" in e
        for e in found[0].only_first
    )
    assert any(
        "confirm-appointments/1: requested, Tess, waiting to be accepted, due Fri 03-06 17:30" in e
        for e in found[0].only_second
    )


def test_what_people_did_to_a_follow_up_that_another_version_does_not_open_has_nowhere_to_go():
    run = played(STORY)
    practice = site_of(POST_DISCHARGE).practice
    pathway = practice.pathways[POST_DISCHARGE]
    acted = [
        h.what
        for h in happenings(past_of(run))
        if isinstance(h.what, Act) and h.what.system == systems.FOLLOW_UP
    ]
    task = acted[0].identifier.split("/")[3]
    stages = tuple(replace(s, tasks=tuple(t for t in s.tasks if t.id != task)) for s in pathway.stages)
    without = replace(practice, pathways={POST_DISCHARGE: replace(pathway, stages=stages)})

    assert acted[0].identifier in {h.what.identifier for h in relived(run, without).nowhere}


def test_a_life_ends_when_it_is_told_to():
    run = played(STORY)
    until = run.moments[2].at
    life = live(happenings(past_of(run)), site_of(POST_DISCHARGE).practice, until=until)

    assert life.moments[-1].at <= until
    assert life.next_due_at is None or life.next_due_at > until


def test_a_life_in_which_nothing_happens_is_empty():
    life = live([], site_of(POST_DISCHARGE).practice, until=HOUSE_NOW)

    assert (life.moments, life.nowhere, life.next_due_at) == ((), (), None)


def test_what_a_decision_wrote_is_nobodys_act():
    run = played(fullest_case(POST_DISCHARGE).with_stem("nobody-acts"))

    assert [h.what for h in happenings(past_of(run)) if isinstance(h.what, Act)] == []


def an_encounter(**more):
    resource = {
        "resourceType": "Encounter",
        "id": "stay",
        "status": "finished",
        "subject": {"reference": "Patient/ana"},
    }
    return {"resource": resource | more}


def happened(*entries):
    past = Past(History(versions_in({"resourceType": "Bundle", "entry": list(entries)}, DENVER)), DENVER)
    return happenings(past)


def test_what_a_file_does_not_date_happened_when_it_says_and_else_was_always_there():
    stay = an_encounter(period={"start": "2026-03-01T08:00:00-07:00", "end": "2026-03-06T16:00:00-07:00"})
    person = {"resource": {"resourceType": "Patient", "id": "ana"}}
    found = happened(stay, person)

    assert [(h.what.version.reference, h.at) for h in found] == [
        ("Encounter/stay", HOUSE_NOW - timedelta(minutes=30)),
        ("Patient/ana", HOUSE_NOW - timedelta(minutes=30)),
    ]


def test_nothing_is_dated_at_all():
    assert happened({"resource": {"resourceType": "Patient", "id": "ana"}}) == []


def test_on_a_clock_of_its_own_what_arrived_before_a_decision_comes_before_it():
    """A demonstration's clock runs otherwise than its server's: order is what both have in common."""
    run = played(STORY)
    bundle = bundle_of(run)
    for entry in bundle["entry"]:
        meta = entry["resource"]["meta"]
        meta["lastUpdated"] = meta["lastUpdated"].replace("2026-", "2031-")
    past = Past(History(versions_in(bundle, DENVER)), DENVER)
    life = live(happenings(past), site_of(POST_DISCHARGE).practice, until=run.case.timeline[-1].at)

    assert differences(as_life(run), life) == []


def a_moment(hours, *events):
    return Moment(at=HOUSE_NOW + timedelta(hours=hours), line=0, events=events)


def test_lives_differ_only_where_they_do():
    one = Life(moments=(a_moment(0, "a", "b"), a_moment(1, "c")), nowhere=(), next_due_at=None)
    other = Life(
        moments=(a_moment(0, "b"), a_moment(0, "a", "d"), a_moment(2, "c")), nowhere=(), next_due_at=None
    )

    assert [(d.at, d.only_first, d.only_second) for d in differences(one, other)] == [
        (HOUSE_NOW, (), ("d",)),
        (HOUSE_NOW + timedelta(hours=1), ("c",), ()),
        (HOUSE_NOW + timedelta(hours=2), (), ("c",)),
    ]


def test_a_deleted_resource_goes():
    deletion = {
        "request": {"method": "DELETE", "url": "Encounter/stay"},
        "response": {"etag": 'W/"2"', "lastModified": "2026-03-06T17:00:00-07:00"},
    }
    stay = an_encounter(meta={"versionId": "1", "lastUpdated": "2026-03-06T16:00:00-07:00"})
    found = happened(stay, deletion)

    assert [h.what.version.content is None for h in found] == [False, True]
    assert all(isinstance(h, Happening) for h in found)
    assert live(found, site_of(POST_DISCHARGE).practice, until=HOUSE_NOW + timedelta(hours=2)).moments == ()
