"""What messages tell ends in the record: once, in the order it was said, about the right person."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.adapters.fhir_versions import VersionNeutralRecord
from service.adapters.memory_record import Faults, InMemoryRecord
from service.domain.vocabulary import Reference
from service.fhir.messages.bundle import read_bundle
from service.fhir.messages.content import Message
from service.fhir.patient_links import Ambiguous
from service.flow.upsert import Site, Upserted, upsert
from service.ports import Capabilities, RecordUnavailable
from tests.builders import Json
from tests.fakes import ManualClock
from tests.fhir.r4 import check_r4
from tests.fhir.r5.test_r5_shapes import check_r5
from tests.messages import DENVER, MRN, SENDER, VISIT, a_message, davinci

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=DENVER)
BASE = "https://record.example/fhir"


class Registry:
    """A record, and messages that come in."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self.record = InMemoryRecord(ManualClock(), capabilities)
        self.site = Site(record=self.record, base_url=BASE, zone=DENVER)

    def told(self, bundle: Json | Message) -> Upserted:
        message = bundle if isinstance(bundle, Message) else read_bundle(bundle, sender=SENDER, now=NOW)
        return upsert(message, self.site, NOW)

    def all(self, kind: str) -> list[Json]:
        return [dict(r) for r in self.record.everything() if r["resourceType"] == kind]

    def only(self, kind: str) -> Json:
        [found] = self.all(kind)
        return found


@pytest.fixture
def registry() -> Registry:
    return Registry()


def sent(hour: int, minute: int = 0) -> str:
    return f"2026-03-06T{hour:02}:{minute:02}:00-07:00"


# --- the published examples


@pytest.mark.parametrize("event", ["admit", "transfer", "discharge"])
def test_every_published_example_is_put_into_an_empty_record_as_valid_r4(registry, event):
    done = registry.told(davinci(event))

    assert done.people == (Reference(f"Patient/{registry.only('Patient')['id']}"),)
    assert registry.only("Encounter")["subject"]["reference"] == done.people[0]
    assert (
        registry.only("Condition")["encounter"]["reference"]
        == f"Encounter/{registry.only('Encounter')['id']}"
    )
    assert registry.only("Coverage")["beneficiary"]["reference"] == done.people[0]
    assert len(registry.all("Organization")) == 2
    for resource in registry.record.everything():
        check_r4(resource)


def test_on_a_server_that_speaks_r5_the_same_is_valid_r5_and_once(registry):
    """In between it is translated there and back: what comes back must not look like news."""
    inner = InMemoryRecord(ManualClock())
    registry.site = replace(registry.site, record=VersionNeutralRecord(inner, lambda: "5.0.0"))
    for event in ("admit", "transfer", "discharge"):
        registry.told(davinci(event))
    again = registry.told(davinci("discharge"))

    kinds = [str(r["resourceType"]) for r in inner.everything()]
    assert again.written == ()
    assert [kinds.count(kind) for kind in ("Patient", "Encounter", "Coverage", "Condition")] == [1, 1, 1, 1]
    [stay] = [r for r in inner.everything() if r["resourceType"] == "Encounter"]
    assert (stay["status"], "end" in stay["actualPeriod"]) == ("completed", True)
    for resource in inner.everything():
        check_r5(resource)


def test_admit_transfer_and_discharge_are_one_stay_of_one_person(registry):
    for event in ("admit", "transfer", "discharge"):
        registry.told(davinci(event))

    stay = registry.only("Encounter")
    assert (stay["status"], stay["class"]["code"]) == ("finished", "IMP")
    assert [past["status"] for past in stay["statusHistory"]] == ["in-progress"]
    assert stay["hospitalization"].keys() == {"admitSource", "dischargeDisposition"}
    assert {
        kind: len(registry.all(kind)) for kind in ("Patient", "Location", "Practitioner", "Condition")
    } == {
        "Patient": 1,
        "Location": 1,
        "Practitioner": 1,
        "Condition": 1,
    }


@pytest.mark.parametrize("order", list(itertools.permutations(["admit", "transfer", "discharge"])))
def test_the_order_in_which_they_come_does_not_matter(registry, order):
    for event in order:
        registry.told(davinci(event))

    stay = registry.only("Encounter")
    assert (stay["status"], stay["class"]["code"], stay["period"]["end"]) == (
        "finished",
        "IMP",
        "2018-10-23T22:22:15-07:00",
    )


@given(st.lists(st.sampled_from(["admit", "transfer", "discharge"]), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_however_often_and_in_whatever_order_they_come_the_record_says_what_was_said_last(events):
    registry = Registry()
    for event in events:
        registry.told(davinci(event))

    last = max(events, key=["admit", "transfer", "discharge"].index)
    wanted = {"admit": "in-progress", "transfer": "in-progress", "discharge": "finished"}[last]
    assert registry.only("Encounter")["status"] == wanted
    assert len(registry.all("Patient")) == 1


# --- once


def test_a_message_that_comes_again_changes_nothing(registry):
    registry.told(a_message())
    before = registry.record.everything()

    again = registry.told(a_message())

    assert again.written == ()
    assert again.people == (Reference(f"Patient/{registry.only('Patient')['id']}"),)
    assert registry.record.everything() == before


def test_everything_that_is_made_or_changed_is_in_a_provenance_of_its_message(registry):
    registry.told(davinci("admit"))

    trail = registry.only("Provenance")
    assert len(trail["target"]) == 8
    assert trail["activity"]["text"] == "Message notification-admit"
    assert [agent["who"]["display"] for agent in trail["agent"]] == ["general-hospital", "Throughline"]
    assert trail["occurredDateTime"] == "2020-08-17T11:15:12.011868-06:00"


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_cut_off_at_any_write_it_is_finished_by_the_next_try(atomic, moment):
    capabilities = Capabilities(atomic_transactions=atomic)
    whole = Registry(capabilities)
    whole.told(davinci("discharge"))
    for number in range(1, whole.record.writes + 1):
        registry = Registry(capabilities)

        def dies(n, number=number):
            if n == number:
                raise RecordUnavailable("The test cut the connection.")

        registry.record.faults = Faults(**{moment: dies})
        with pytest.raises(RecordUnavailable):
            registry.told(davinci("discharge"))
        registry.record.faults = Faults()
        registry.told(davinci("discharge"))
        told = [{k: v for k, v in r.items() if k not in {"id", "meta"}} for r in registry.all("Encounter")]
        assert len(told) == 1
        assert told[0]["status"] == "finished"
        assert len(registry.all("Patient")) == len(registry.all("Condition")) == 1
        assert (
            registry.only("Condition")["encounter"]["reference"]
            == f"Encounter/{registry.only('Encounter')['id']}"
        )


def test_a_message_that_loses_a_race_still_has_its_say(registry):
    """Another worker makes the stay between our reading and our writing: what ours says is not lost."""
    admit = a_message(event="admit", bundle_id="b0", sent=sent(9))
    first = [True]

    def races(_n):
        if first.pop() if first else False:
            Registry.told(registry, admit)

    registry.record.faults = Faults(before=races)
    registry.told(a_message(sent=sent(14)))

    assert registry.only("Encounter")["status"] == "finished"
    assert len(registry.all("Patient")) == 1


# --- in the order it was said


def test_what_is_older_fills_gaps_and_replaces_nothing(registry):
    registry.told(a_message(sent=sent(14), encounter={"period": {"end": sent(14)}, "priority": None}))
    registry.told(
        a_message(
            event="admit",
            bundle_id="b0",
            sent=sent(9),
            patient={"name": [{"family": "Byron"}], "gender": "female"},
            encounter={"priority": {"text": "urgent"}},
        )
    )

    stay, patient = registry.only("Encounter"), registry.only("Patient")
    assert stay["status"] == "finished"
    assert stay["period"] == {"start": "2026-03-01T09:00:00-07:00", "end": sent(14)}
    assert stay["priority"] == {"text": "urgent"}
    assert (patient["name"][0]["family"], patient["gender"]) == ("Lovelace", "female")


def test_a_discharge_that_is_taken_back_leaves_no_end_and_a_later_one_sets_it_again(registry):
    registry.told(a_message(sent=sent(14)))
    registry.told(a_message(event="admit", bundle_id="b2", sent=sent(15)))

    stay = registry.only("Encounter")
    assert (stay["status"], "end" in stay["period"]) == ("in-progress", False)
    assert stay["statusHistory"] == [
        {"status": "finished", "period": {"start": "2026-03-01T09:00:00-07:00", "end": sent(15)}}
    ]

    registry.told(a_message(bundle_id="b3", sent=sent(16), encounter={"period": {"end": sent(16)}}))
    assert registry.only("Encounter")["period"]["end"] == sent(16)


def test_news_that_change_nothing_still_count_against_what_is_older(registry):
    """A1 says in-progress, A3 says it again; A2 between them, late, must not bring back what A3 denied."""
    registry.told(a_message(event="admit", bundle_id="a1", sent=sent(9)))
    registry.told(a_message(event="admit", bundle_id="a3", sent=sent(11)))
    registry.told(a_message(bundle_id="a2", sent=sent(10)))

    assert registry.only("Encounter")["status"] == "in-progress"


def test_a_move_leaves_the_former_place_behind(registry):
    def at(name: str) -> tuple[Json, ...]:
        return ({"resourceType": "Location", "id": name, "name": name, "status": "active"},)

    here = {"location": [{"location": {"reference": "urn:uuid:other0"}}]}
    registry.told(a_message(event="admit", sent=sent(9), encounter=here, others=at("ward-1")))
    registry.told(
        a_message(event="transfer", bundle_id="b2", sent=sent(11), encounter=here, others=at("ward-2"))
    )

    ward_1, ward_2 = (f"Location/{each['id']}" for each in registry.all("Location"))
    assert registry.only("Encounter")["location"] == [
        {"location": {"reference": ward_1}, "status": "completed", "period": {"end": sent(11)}},
        {"location": {"reference": ward_2}},
    ]


# --- whose it is


def test_what_others_wrote_on_a_patient_stays(registry):
    registry.record.put(
        {
            "resourceType": "Patient",
            "identifier": [
                {"system": MRN, "value": "4711"},
                {"system": "https://clinic.example/id", "value": "c1"},
            ],
            "generalPractitioner": [{"display": "Dr. Hill"}],
            "name": [{"family": "Byron"}],
        }
    )
    registry.told(a_message(patient={"gender": "female"}))

    patient = registry.only("Patient")
    assert patient["generalPractitioner"] == [{"display": "Dr. Hill"}]
    assert [each["value"] for each in patient["identifier"]] == ["4711", "c1"]
    assert (patient["name"][0]["family"], patient["gender"]) == ("Lovelace", "female")


def test_staff_and_places_that_the_record_knows_are_not_changed_by_a_message(registry):
    known = {
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "9999999995"}],
        "active": False,
    }
    registry.record.put({"resourceType": "Practitioner", "id": "jan", **known})
    registry.told(davinci("discharge"))

    assert registry.only("Practitioner")["meta"]["versionId"] == "1"
    assert registry.only("Encounter")["participant"][0]["individual"]["reference"] == "Practitioner/jan"


def test_identifiers_that_belong_to_several_people_are_a_matter_for_a_person(registry):
    for value in ("4711", "4712"):
        registry.record.put({"resourceType": "Patient", "identifier": [{"system": MRN, "value": value}]})
    before = registry.record.everything()
    both = [{"system": MRN, "value": "4711"}, {"system": MRN, "value": "4712"}]

    with pytest.raises(Ambiguous, match="belong to several Patients"):
        registry.told(a_message(patient={"identifier": both}))
    assert registry.record.everything() == before


def test_a_visit_number_that_stands_on_somebody_elses_stay_moves_nobody(registry):
    registry.told(a_message())
    before = registry.record.everything()

    with pytest.raises(Ambiguous, match="The Encounter with this identifier belongs to another Patient"):
        registry.told(a_message(bundle_id="b2", patient={"identifier": [{"system": MRN, "value": "815"}]}))
    assert registry.record.everything() == before


def test_two_stays_with_one_number_are_a_matter_for_a_person_unless_one_was_an_error(registry):
    registry.told(a_message())
    stay = registry.only("Encounter")
    registry.record.put({**stay, "id": "copy", "status": "entered-in-error"})
    registry.told(a_message(event="admit", bundle_id="b2", sent=sent(15)))
    registry.record.put({**stay, "id": "second"})

    with pytest.raises(Ambiguous, match="several resources of type Encounter with this identifier"):
        registry.told(a_message(bundle_id="b3", sent=sent(16)))


def test_a_patient_who_was_merged_is_who_they_are_now(registry):
    registry.record.put(
        {"resourceType": "Patient", "id": "new", "identifier": [{"system": MRN, "value": "1"}]}
    )
    registry.record.put(
        {
            "resourceType": "Patient",
            "id": "old",
            "active": False,
            "identifier": [{"system": MRN, "value": "4711"}],
            "link": [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}],
        }
    )

    assert registry.told(a_message()).people == (Reference("Patient/new"),)
    assert registry.only("Encounter")["subject"]["reference"] == "Patient/new"


def test_links_in_a_circle_are_a_matter_for_a_person(registry):
    for here, there in (("a", "b"), ("b", "a")):
        link = {"other": {"reference": f"Patient/{there}"}, "type": "replaced-by"}
        number = {"system": MRN, "value": "4711"}
        registry.record.put({"resourceType": "Patient", "id": here, "identifier": [number], "link": [link]})

    with pytest.raises(Ambiguous, match="run in a circle"):
        registry.told(a_message())


# --- two become one


def merge(registry: Registry, old: str = "815") -> Upserted:
    """As A40 says it: the person with 4711 is also known by an old number."""
    message = read_bundle(a_message(event="admit", bundle_id="m1", sent=sent(15)), sender=SENDER, now=NOW)
    return registry.told(replace(message, event="ADT^A40", entries=(), replaced=((MRN, old),)))


def test_a_merge_links_both_patients_and_concerns_both(registry):
    registry.record.put(
        {"resourceType": "Patient", "id": "old", "identifier": [{"system": MRN, "value": "815"}]}
    )
    registry.told(a_message())
    done = merge(registry)

    [old, new] = registry.all("Patient")
    assert done.people == (Reference(f"Patient/{new['id']}"), Reference("Patient/old"))
    assert new["link"] == [{"other": {"reference": "Patient/old"}, "type": "replaces"}]
    assert new["identifier"][-1] == {"use": "old", "system": MRN, "value": "815"}
    assert (old["active"], old["link"]) == (
        False,
        [{"other": {"reference": f"Patient/{new['id']}"}, "type": "replaced-by"}],
    )
    for patient in (old, new):
        check_r4(patient)
    assert merge(registry).written == ()


def test_a_merge_into_somebody_the_record_does_not_have_yet_makes_them(registry):
    registry.record.put(
        {"resourceType": "Patient", "id": "old", "identifier": [{"system": MRN, "value": "815"}]}
    )
    merge(registry)

    [old, new] = registry.all("Patient")
    assert old["link"][0]["other"]["reference"] == f"Patient/{new['id']}"
    assert new["link"][0]["other"]["reference"] == "Patient/old"


def test_after_a_merge_the_old_number_finds_the_one_who_stays(registry):
    registry.record.put(
        {"resourceType": "Patient", "id": "old", "identifier": [{"system": MRN, "value": "815"}]}
    )
    merge(registry)
    [_, new] = registry.all("Patient")
    by_old = {"identifier": [{"system": MRN, "value": "815"}]}
    done = registry.told(a_message(bundle_id="b9", sent=sent(16), patient=by_old))

    assert done.people == (Reference(f"Patient/{new['id']}"),)


def test_after_a_merge_was_taken_back_each_number_finds_its_own_person_again(registry):
    """The number of the one still stands with the other, out of use: that is no second person."""
    registry.record.put(
        {"resourceType": "Patient", "id": "old", "identifier": [{"system": MRN, "value": "815"}]}
    )
    merge(registry)
    for patient in registry.all("Patient"):
        kept = {name: value for name, value in patient.items() if name not in {"link", "active"}}
        registry.record.put(kept)
    [_, new] = registry.all("Patient")

    def of(value: str, bundle: str) -> tuple[Reference, ...]:
        number = {"identifier": [{"system": MRN, "value": value}]}
        visit = {"identifier": [{"system": VISIT, "value": f"of {value}"}]}
        return registry.told(
            a_message(bundle_id=bundle, sent=sent(16), patient=number, encounter=visit)
        ).people

    assert of("815", "b9") == (Reference("Patient/old"),)
    assert of("4711", "b10") == (Reference(f"Patient/{new['id']}"),)


def test_a_stay_of_the_one_who_was_merged_follows_when_it_is_told_of_again(registry):
    registry.told(
        a_message(patient={"identifier": [{"system": MRN, "value": "815"}]}, event="admit", sent=sent(9))
    )
    merge(registry)
    registry.told(a_message(bundle_id="b2", sent=sent(16)))

    [_, new] = registry.all("Patient")
    assert registry.only("Encounter")["identifier"] == [{"system": VISIT, "value": "V1"}]
    assert registry.only("Encounter")["subject"]["reference"] == f"Patient/{new['id']}"
