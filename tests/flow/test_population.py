"""Who should be on a pathway and who is, counted from the record: shipped pathways, real rules, nobody forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.adapters.memory_record import InMemoryRecord
from service.domain.vocabulary import PathwayId, Reference
from service.flow.population import Coverage, population
from service.flow.reconcile import reconcile
from tests.fakes import ManualClock
from tests.faults.town import STAFF, Town, shipped

PATHWAY = PathwayId("post-discharge-coordination")
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
REQUEST_KIND = "https://throughline.example/fhir/CodeSystem/request-kind"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"


class Site:
    """A town that nobody tells anything, two hours after everything was written."""

    def __init__(self) -> None:
        self.town = Town(library=shipped)
        assert STAFF
        self.record: InMemoryRecord = self.town.record
        self.clock: ManualClock = self.town.clock

    def stay(self, id_: str, *, ended=timedelta(hours=3), **changes) -> str:
        self.record.put({"resourceType": "Patient", "id": f"p-{id_}"})
        end = (self.clock.now() - ended).isoformat()
        start = (self.clock.now() - ended - timedelta(days=5)).isoformat()
        encounter = {
            "resourceType": "Encounter",
            "id": id_,
            "status": "finished",
            "class": {"system": ACT, "code": "IMP"},
            "subject": {"reference": f"Patient/p-{id_}"},
            "period": {"start": start, "end": end},
            "reasonCode": [{"coding": [{"system": ICD, "code": "F33.2"}]}],
        }
        self.record.put({key: value for key, value in {**encounter, **changes}.items() if value is not None})
        return f"{PATHWAY}/Encounter/{id_}"

    def enrols(self, *ids: str) -> None:
        for id_ in ids:
            reconcile(
                Reference(f"Patient/p-{id_}"),
                record=self.record,
                practice=self.town.work.practice,
                now=self.clock.now(),
                directory=self.town.work.directory,
            )

    def asks_for_coordination(self, id_: str, *, asked: timedelta) -> str:
        self.record.put({"resourceType": "Patient", "id": "p-a"})
        self.record.put(
            {
                "resourceType": "ServiceRequest",
                "id": id_,
                "status": "active",
                "intent": "order",
                "code": {"coding": [{"system": REQUEST_KIND, "code": "care-coordination"}]},
                "subject": {"reference": "Patient/p-a"},
                "authoredOn": (self.clock.now() - asked).isoformat(),
            }
        )
        return f"coordination-ownership/ServiceRequest/{id_}"

    def count(self, *, later=timedelta(hours=2), pathway=PATHWAY) -> Coverage:
        practice = self.town.work.practice
        return population(
            self.record,
            practice,
            directory=self.town.work.directory,
            now=self.clock.now() + later,
            lookback=timedelta(days=30),
        )[pathway]


@pytest.fixture
def site() -> Site:
    return Site()


def test_with_nobody_discharged_there_is_nothing_to_cover(site) -> None:
    assert site.count() == Coverage()
    assert site.count().rate is None


def test_every_finished_inpatient_stay_of_the_window_is_enrolled_or_missed(site) -> None:
    there, missed = site.stay("a"), site.stay("b")
    site.enrols("a")

    found = site.count()

    assert (found.enrolled, found.missed, found.pending) == ((there,), (missed,), ())
    assert found.woken == {"Patient/p-b"}
    assert found.rate == 0.5
    site.enrols("b")
    assert site.count().rate == 1.0


def test_what_changed_only_just_now_is_pending_and_looked_at_all_the_same(site) -> None:
    name = site.stay("a", ended=timedelta(seconds=30))

    found = site.count(later=timedelta(minutes=1))

    assert (found.missed, found.pending, found.woken) == ((), (name,), {"Patient/p-a"})


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "in-progress"},
        {"class": {"system": ACT, "code": "AMB"}},
        {"reasonCode": [{"coding": [{"system": ICD, "code": "S82.0"}]}]},
        {"status": "entered-in-error"},
        {
            "hospitalization": {
                "dischargeDisposition": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/discharge-disposition",
                            "code": "exp",
                        }
                    ]
                }
            }
        },
        {"ended": timedelta(days=31)},
    ],
    ids=["not ended", "outpatient", "not mental health", "in error", "died", "long ago"],
)
def test_what_rightly_begins_nothing_is_not_expected(site, changes) -> None:
    site.stay("a", **changes)

    assert site.count() == Coverage()


def test_a_stay_that_only_another_resource_makes_one_of_ours_is_expected(site) -> None:
    name = site.stay("a", reasonCode=None)
    assert site.count() == Coverage()
    site.record.put(
        {
            "resourceType": "Condition",
            "id": "c",
            "subject": {"reference": "Patient/p-a"},
            "encounter": {"reference": "Encounter/a"},
            "code": {"coding": [{"system": ICD, "code": "F33.2"}]},
            "recordedDate": site.clock.now().isoformat(),
        }
    )

    assert site.count().missed == (name,)
    site.enrols("a")
    assert site.count().enrolled == (name,)


def test_where_nobody_could_own_it_it_is_missed_all_the_same(site) -> None:
    name = site.stay("a")
    for resource in list(site.record.everything()):
        if resource["resourceType"] in {"PractitionerRole", "Practitioner"}:
            site.record.delete(Reference(f"{resource['resourceType']}/{resource['id']}"))

    assert site.count().missed == (name,)


def test_the_dead_are_not_expected(site) -> None:
    site.stay("a")
    site.record.put(
        {"resourceType": "Patient", "id": "p-a", "deceasedDateTime": site.clock.now().isoformat()}
    )

    assert site.count() == Coverage()


def test_an_import_with_old_stamps_is_found_by_its_own_dates(site) -> None:
    """Bulk imports keep the stamps of the system they come from, and tell nobody."""
    at = site.clock.at
    site.clock.at = at - timedelta(days=400)
    name = site.stay("a", ended=timedelta(days=-399))
    site.clock.at = at

    assert site.count().missed == (name,)


def test_more_than_can_be_looked_into_are_pending_until_the_next_count(site, monkeypatch) -> None:
    monkeypatch.setattr("service.flow.population.MOST_READ", 3)
    for number in range(8):
        site.stay(f"n{number}")

    found = site.count()
    assert (len(found.missed), len(found.pending), len(found.woken)) == (3, 5, 3)
    site.enrols(*(person.removeprefix("Patient/p-") for person in found.woken))
    found = site.count()
    assert (len(found.enrolled), len(found.missed), len(found.pending)) == (3, 3, 2)


def test_a_pathway_of_which_a_person_has_one_at_a_time_is_expected_once(site) -> None:
    coordination = PathwayId("coordination-ownership")
    first = site.asks_for_coordination("first", asked=timedelta(hours=5))
    site.asks_for_coordination("second", asked=timedelta(hours=3))

    before = site.count(pathway=coordination)
    site.enrols("a")
    after = site.count(pathway=coordination)

    assert (before.enrolled, before.missed) == ((), (first,))
    assert (after.enrolled, after.missed, after.expected) == ((first,), (), 1)


def test_what_other_resources_begin_is_left_to_the_sweep(site) -> None:
    practice = site.town.work.practice
    counted = population(
        site.record,
        practice,
        directory=site.town.work.directory,
        now=site.clock.now(),
        lookback=timedelta(days=30),
    )

    assert "moderate-coordination" in practice.pathways
    assert PathwayId("moderate-coordination") not in counted
    assert {PATHWAY, PathwayId("step-up"), PathwayId("single-front-door")} <= set(counted)


def test_whoever_was_put_right_and_whose_work_still_stands_under_the_wrong_person_is_missed(site) -> None:
    """Nobody was told that the stay is about somebody else: the count finds it and has them looked at."""
    name = site.stay("a")
    site.enrols("a")
    stay = site.record.read(Reference("Encounter/a"))
    site.record.put({"resourceType": "Patient", "id": "p-b"})
    site.record.put({**stay, "subject": {"reference": "Patient/p-b"}})

    covered = site.count()
    assert (covered.missed, covered.woken) == ((name,), {Reference("Patient/p-a"), Reference("Patient/p-b")})
    site.enrols("b")
    assert site.count().enrolled == (name,)


def test_whoever_holds_what_is_about_somebody_else_is_looked_at_even_if_it_would_begin_nothing_there(
    site,
) -> None:
    """The reason of the stay stands in a Condition that nobody has carried over yet."""
    site.stay("a", reasonCode=None)
    code = {"coding": [{"system": ICD, "code": "F33.2"}]}
    about = {"subject": {"reference": "Patient/p-a"}, "encounter": {"reference": "Encounter/a"}}
    site.record.put({"resourceType": "Condition", "id": "c", "code": code, **about})
    site.enrols("a")
    site.record.put({"resourceType": "Patient", "id": "p-b"})
    stay = site.record.read(Reference("Encounter/a"))
    site.record.put({**stay, "subject": {"reference": "Patient/p-b"}})

    covered = site.count()
    assert (covered.missed, covered.woken) == ((), {Reference("Patient/p-a")})
    site.enrols("a")
    assert site.count().woken == frozenset()


@pytest.mark.parametrize(
    "links",
    [
        {"p-a": {"type": "replaced-by", "other": {"reference": "Patient/p-b"}}},
        {"p-b": {"type": "replaces", "other": {"reference": "Patient/p-a"}}},
    ],
    ids=["the merged record says so", "the record that stays says so"],
)
def test_whoever_was_merged_is_not_missed_although_the_stay_still_stands_under_the_old_record(
    site, links
) -> None:
    name = site.stay("a")
    for each in ("p-a", "p-b"):
        link = {"link": [links[each]]} if each in links else {}
        site.record.put({"resourceType": "Patient", "id": each, **link})
    site.enrols("a", "b")

    covered = site.count()
    assert (covered.enrolled, covered.missed) == ((name,), ())
