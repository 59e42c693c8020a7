"""What was decided is decided again from the evidence as it was: the same, or it says in what it is not."""

import copy
from dataclasses import replace

import pytest

from service.app.past import Past
from service.app.replay import replay
from service.domain.due import Unit, Within
from service.domain.follow_up_task import DueIn
from service.domain.vocabulary import PathwayId, Reference
from service.fhir.history import History, versions_in
from tests.app.pasts import DENVER, bundle_of, fullest_case, library, played, site_of

POST_DISCHARGE = PathwayId("post-discharge-coordination")
STORY = fullest_case(POST_DISCHARGE).with_stem("readmitted")


def past_of(bundle):
    return Past(History(versions_in(bundle, DENVER)), DENVER)


def person_of(bundle):
    [person] = {e["resource"]["id"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient"}
    return Reference(f"Patient/{person}")


def replayed(bundle, site=None, **more):
    return replay(person_of(bundle), past_of(bundle), site or site_of(POST_DISCHARGE), **more)


@pytest.fixture
def bundle():
    return copy.deepcopy(bundle_of(played(STORY)))


def resources(bundle, kind):
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


@pytest.mark.parametrize("pathway", sorted(library().pathways))
def test_every_recorded_decision_replays_to_equality(pathway):
    bundle = bundle_of(played(fullest_case(pathway)))
    done = replayed(bundle, site_of(pathway))

    assert [(d.recorded.recorded_at, d.differences, d.lost, d.unchecked) for d in done if not d.is_same] == []
    assert [d.unchecked for d in done if d.unchecked] == []
    assert len(done) == len(resources(bundle, "Provenance")) > 1


def test_decisions_come_in_the_order_in_which_they_were_made(bundle):
    done = replayed(bundle)

    assert [d.recorded.recorded_at for d in done] == sorted(d.recorded.recorded_at for d in done)
    assert {d.enrolment for d in done} == {"post-discharge-coordination/Encounter/stay"}


def test_only_what_was_decided_by_an_instant_is_looked_at(bundle):
    everything = replayed(bundle)
    until = everything[2].recorded.recorded_at

    assert replayed(bundle, until=until) == everything[:3]


def otherwise(bundle, site=None):
    """The differences of the decisions that are not the same."""
    return [line for each in replayed(bundle, site) for line in each.differences]


def test_a_task_that_was_written_with_another_due_time_is_told_with_both(bundle):
    task = next(t for t in resources(bundle, "Task") if t["meta"]["versionId"] == "1")
    for version in resources(bundle, "Task"):
        if version["id"] == task["id"]:
            version["priority"] = "stat"

    assert any(
        ": priority would be routine, and was stat" in line
        or ": priority would be urgent, and was stat" in line
        for line in otherwise(bundle)
    )


def test_other_reasons_than_those_recorded_are_told(bundle):
    resources(bundle, "Provenance")[0]["activity"]["text"] = "because the moon was full"

    assert any(line.endswith("; and were: because the moon was full") for line in otherwise(bundle))


def test_a_decision_about_something_that_it_did_not_write_is_told(bundle):
    resources(bundle, "Provenance")[0]["target"].append({"reference": "Task/not-ours"})
    resources(bundle, "Provenance")[0]["meta"]["tag"][0]["code"] = "0" * 32

    assert "it would not write Task/not-ours" in otherwise(bundle)


def test_a_decision_that_says_to_have_seen_less_is_told(bundle):
    trail = resources(bundle, "Provenance")[1]
    (dropped,) = [e for e in trail["entity"] if e["what"]["reference"].startswith("CarePlan/")][:1]
    trail["entity"].remove(dropped)

    assert any(line.startswith("it would ") for line in otherwise(bundle))


def test_evidence_that_the_record_no_longer_has_is_named(bundle):
    gone = next(e for e in bundle["entry"] if e["resource"]["resourceType"] == "Encounter")
    bundle["entry"].remove(gone)
    lost = [line for each in replayed(bundle) for line in each.lost]

    assert f"Encounter/{gone['resource']['id']} version 1" in lost
    assert not all(each.is_same for each in replayed(bundle))


def test_another_policy_would_decide_otherwise_from_the_first_decision_on(bundle):
    pathway = library().pathways[POST_DISCHARGE]
    hour = DueIn(otherwise=Within(count=1, unit=Unit.HOURS))
    stages = tuple(replace(s, tasks=tuple(replace(t, due_in=hour) for t in s.tasks)) for s in pathway.stages)
    site = site_of(POST_DISCHARGE)
    changed = replace(site.practice, pathways={POST_DISCHARGE: replace(pathway, stages=stages)})

    assert any(
        "restriction.period.end would be" in line
        for line in otherwise(bundle, replace(site, practice=changed))
    )


def test_the_version_that_decided_decides_again_although_another_one_is_current(bundle):
    pathway = library().pathways[POST_DISCHARGE]
    site = site_of(POST_DISCHARGE)
    newer = replace(pathway, version="2027.1.0", stages=pathway.stages[:1])
    practice = replace(
        site.practice, pathways={POST_DISCHARGE: newer}, earlier=(replace(pathway, current=False),)
    )

    assert otherwise(bundle, replace(site, practice=practice)) == []


def test_a_version_that_is_not_in_the_folder_is_named(bundle):
    pathway = library().pathways[POST_DISCHARGE]
    site = site_of(POST_DISCHARGE)
    practice = replace(site.practice, pathways={POST_DISCHARGE: replace(pathway, version="2027.1.0")})

    assert set(otherwise(bundle, replace(site, practice=practice))) == {
        f"the mappings folder does not have version {pathway.version} of post-discharge-coordination"
    }


def test_what_came_between_the_reading_and_the_writing_is_set_aside(bundle):
    """Somebody else wrote while it was being decided: the decision did not see it, and is still the same."""
    first = resources(bundle, "Provenance")[0]
    bundle["entry"].append({
        "resource": {
            "resourceType": "Encounter", "id": "again", "status": "in-progress",
            "meta": {"versionId": "1", "lastUpdated": first["meta"]["lastUpdated"]},
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "subject": {"reference": person_of(bundle)}, "period": {"start": first["recorded"]},
        }
    })  # fmt: skip

    assert replayed(bundle)[0].is_same


def test_a_trail_that_cannot_be_understood_is_told_and_keeps_no_other_waiting(bundle):
    resources(bundle, "Provenance")[0]["policy"] = []
    past = past_of(bundle)

    [told] = past.unreadable
    assert told.endswith(": it does not say which version of which pathway decided")
    assert len(past.looks) > 1


def test_a_server_that_writes_the_same_instant_in_another_way_changes_nothing(bundle):
    for task in resources(bundle, "Task"):
        task["authoredOn"] = task["authoredOn"].replace("-07:00", "-07:00")
        utc = task["restriction"]["period"]
        if utc["end"].endswith("-07:00") and "T17:30:00" in utc["end"]:
            day = int(utc["end"][8:10]) + 1
            utc["end"] = f"{utc['end'][:8]}{day:02}T00:30:00Z"

    assert otherwise(bundle) == []
