"""What begins a pathway and what does not: every start of both pathway files, as hospitals really code them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from service.adapters.clocks import SystemClock
from tests.builders import Json, a_condition, a_service_request, coded
from tests.journeys.hospital import ICD_10_CM, SERVICE_TYPE, SNOMED, crisis, stay
from tests.journeys.practice_folder import folder_with, in_use
from tests.journeys.record import CRISIS, POST_DISCHARGE
from tests.journeys.world import DENVER, World, open_world

NUBC = "https://www.nubc.org/CodeSystem/PatDischargeStatus"
NUBC_BEFORE = "http://www.nubc.org/patient-discharge"
UB92 = "http://terminology.hl7.org/CodeSystem/nubc-UB92"
HL7 = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"

BIPOLAR = (SNOMED, "13746004")
OVERDOSE = (ICD_10_CM, "T39.1X2A")
APPENDICITIS = (ICD_10_CM, "K35.80")
BROKEN_ARM = (ICD_10_CM, "S52.501A")
CRISIS_INTERVENTION = (SNOMED, "5694008")
EMERGENCY_VISIT = (SNOMED, "4525004")
OUTPATIENT_FOLLOW_UP = (SNOMED, "308477009")

WENT_HOME = {"hl7": (HL7, "home"), "nubc": (NUBC, "01"), "nubc-before": (NUBC_BEFORE, "06"), "ub92": (UB92, "1"), "snomed": (SNOMED, "306689006")}  # fmt: skip
DIED = {"hl7": (HL7, "exp"), "nubc": (NUBC, "20"), "nubc-before": (NUBC_BEFORE, "41"), "ub92": (UB92, "40"), "snomed": (SNOMED, "371828006")}  # fmt: skip
MOVED = {"hl7": (HL7, "psy"), "nubc": (NUBC, "65"), "nubc-before": (NUBC_BEFORE, "02"), "ub92": (UB92, "5"), "snomed": (SNOMED, "306701001")}  # fmt: skip


def condition(person: str, code: tuple[str, str], visit: str | None) -> Json:
    """`Condition/<person>-why`; without a visit it is only in the problem list."""
    encounter = {"reference": f"Encounter/{person}-{visit}"} if visit else None
    return a_condition(
        f"{person}-why", subject=_is(person), encounter=encounter, code=coded(*code), meta=None
    )


def stays_that_begin(now: datetime) -> dict[str, list[Json]]:
    pointed_at = {"condition": {"reference": "Condition/by-diagnosis-why"}}
    begin = {
        "imp": [stay("imp", now)],
        "acute": [stay("acute", now, class_="ACUTE")],
        "nonac": [stay("nonac", now, class_="NONAC")],
        "self-harm": [stay("self-harm", now, reason=OVERDOSE)],
        "by-encounter": [stay("by-encounter", now, reason=None), condition("by-encounter", BIPOLAR, "stay")],
        "by-diagnosis": [
            stay("by-diagnosis", now, reason=None, diagnosis=[pointed_at]),
            condition("by-diagnosis", BIPOLAR, None),
        ],
        "by-reason": [
            stay("by-reason", now, reason=None, reasonReference=[{"reference": "Condition/by-reason-why"}]),
            condition("by-reason", BIPOLAR, None),
        ],
        "psychiatry": [stay("psychiatry", now, reason=None, serviceType=coded(SERVICE_TYPE, "138"))],
        "unsaid": [stay("unsaid", now, disposition=None)],
        "a-month-ago": [stay("a-month-ago", now - timedelta(days=29))],
    }
    return begin | {f"home-{s}": [stay(f"home-{s}", now, disposition=code)] for s, code in WENT_HOME.items()}


def crisis_contacts_that_begin(now: datetime) -> dict[str, list[Json]]:
    pointed_at = {"condition": {"reference": "Condition/ed-by-diagnosis-why"}}
    return {
        "ed": [crisis("ed", now)],
        "ed-self-harm": [crisis("ed-self-harm", now, reason=OVERDOSE)],
        "ed-by-encounter": [
            crisis("ed-by-encounter", now, reason=None),
            condition("ed-by-encounter", BIPOLAR, "crisis"),
        ],
        "ed-by-diagnosis": [
            crisis("ed-by-diagnosis", now, reason=None, diagnosis=[pointed_at]),
            condition("ed-by-diagnosis", OVERDOSE, None),
        ],
        "ed-liaison": [crisis("ed-liaison", now, reason=None, serviceType=coded(SNOMED, "310116007"))],
        "ed-by-type": [crisis("ed-by-type", now, class_="AMB", type=[coded(*EMERGENCY_VISIT)])],
        "ed-by-type-and-condition": [
            crisis(
                "ed-by-type-and-condition", now, class_="AMB", reason=None, type=[coded(*EMERGENCY_VISIT)]
            ),
            condition("ed-by-type-and-condition", BIPOLAR, "crisis"),
        ],
        "crisis-team": [
            crisis("crisis-team", now, class_="HH", reason=None, type=[coded(*CRISIS_INTERVENTION)])
        ],
        "crisis-hcpcs": [
            crisis("crisis-hcpcs", now, class_="FLD", reason=None, type=[coded(HCPCS, "H2011")])
        ],
        "crisis-service": [
            crisis("crisis-service", now, class_="AMB", reason=None, serviceType=coded(*CRISIS_INTERVENTION))
        ],
        "requested": [
            crisis("requested", now, status="in-progress", reason=BROKEN_ARM, disposition=None),
            a_service_request(
                "requested-follow-up",
                subject=_is("requested"),
                encounter={"reference": "Encounter/requested-crisis"},
                code=coded(*OUTPATIENT_FOLLOW_UP),
                meta=None,
            ),
        ],
    }


def what_begins_nothing(now: datetime) -> dict[str, list[Json]]:
    nothing = {
        "appendix": [stay("appendix", now, reason=APPENDICITIS)],
        "appendix-and-known-depression": [
            stay("appendix-and-known-depression", now, reason=APPENDICITIS),
            condition("appendix-and-known-depression", BIPOLAR, None),
        ],
        "still-there": [stay("still-there", now, status="in-progress", disposition=None)],
        "planned": [stay("planned", now, status="planned", disposition=None)],
        "taken-in-error": [stay("taken-in-error", now, status="entered-in-error")],
        "long-ago": [stay("long-ago", now - timedelta(days=32))],
        "broken-arm": [crisis("broken-arm", now, reason=BROKEN_ARM)],
        "ed-died": [crisis("ed-died", now, disposition=DIED["nubc"])],
        "ed-admitted": [crisis("ed-admitted", now, disposition=MOVED["nubc-before"])],
        "office-visit": [crisis("office-visit", now, class_="AMB")],
    }
    nothing |= {f"died-{s}": [stay(f"died-{s}", now, disposition=code)] for s, code in DIED.items()}
    return nothing | {f"moved-{s}": [stay(f"moved-{s}", now, disposition=code)] for s, code in MOVED.items()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A site that uses these two pathways and no other."""
    with open_world(tmp_path, env=in_use(tmp_path, POST_DISCHARGE, CRISIS)) as world:
        yield world


def test_every_start_of_both_pathways_begins_one_enrolment_and_nothing_else_does(world: World) -> None:
    stays, contacts = stays_that_begin(world.now()), crisis_contacts_that_begin(world.now())
    nothing = what_begins_nothing(world.now())
    everybody = stays | contacts | nothing
    world.hospital.registers(*everybody)
    world.hospital.writes(*(resource for resources in everybody.values() for resource in resources))

    found = {person: [e.identifier for e in world.record.enrolments(person)] for person in everybody}
    assert found == {
        **{person: [f"{POST_DISCHARGE}/Encounter/{person}-stay"] for person in stays},
        **{person: [f"{CRISIS}/Encounter/{person}-crisis"] for person in contacts},
        **{person: [] for person in nothing},
    }
    for person in (*stays, *contacts):
        owners = {follow_up.owner for follow_up in world.record.follow_ups(person).values()}
        assert owners <= {"Tess Okafor", "Omar Lindqvist", "Cora Benitez", "Kofi Asante", "Ines Marchetti", "Sam Whitlock"}  # fmt: skip
        assert owners
    # A referral's clock counts from the referral, everybody else's from the end of the stay or contact.
    started = {
        person: world.record.enrolment(person).started_at for person in ("imp", "a-month-ago", "requested")
    }
    assert started == {
        "imp": world.now(),
        "a-month-ago": world.now() - timedelta(days=29),
        "requested": datetime(2026, 3, 6, 13, 0, tzinfo=DENVER),
    }

    # The diagnosis comes a day after the discharge: the clock still counts from the discharge.
    world.hospital.discharges("coded-late", reason=None)
    assert world.record.enrolments("coded-late") == []
    discharged_at = world.now()
    world.time_passes(hours=2)
    world.hospital.diagnoses("coded-late", BIPOLAR)
    late = world.record.enrolment("coded-late")
    assert (late.started_at, late.variances) == (discharged_at, {})
    assert world.record.follow_up("coded-late", "contact-person").due == "Mon 09 17:30"

    # The same discharge sent again, and a correction of it, begin nothing new.
    world.hospital.changes("Encounter/imp-stay", serviceProvider={"display": "North Valley Hospital, ward 4"})
    assert len(world.record.enrolments("imp")) == 1
    assert len(world.record.follow_ups("imp")) == 8


@pytest.fixture
def at_a_site_that_names_places(tmp_path: Path) -> Iterator[World]:
    """A mappings folder in which site.yaml is filled in."""
    mappings = folder_with(tmp_path, POST_DISCHARGE, CRISIS)
    (mappings / "site.yaml").write_text(
        """\
site:
  name: Willow Street
  at-site:
    post-discharge-coordination:
      service-providers: [Organization/north-valley]
      locations: [Location/ward-4]
    crisis-to-outpatient:
      service-providers: [Organization/crisis-house]
      locations: [Location/place-of-safety]
""",
        encoding="utf-8",
    )
    with open_world(tmp_path, env={"THROUGHLINE_MAPPINGS_DIR": str(mappings)}) as world:
        yield world


def test_places_that_the_site_names_begin_a_pathway_without_any_diagnosis(
    at_a_site_that_names_places: World,
) -> None:
    world = at_a_site_that_names_places

    def at(place: str) -> Json:
        where = {"reference": place}
        return (
            {"serviceProvider": where}
            if place.startswith("Organization/")
            else {"location": [{"location": where}]}
        )

    places = {
        "Organization/north-valley": "organization",
        "Location/ward-4": "ward",
        "Location/ward-5": "another-ward",
    }
    for place, person in places.items():
        world.hospital.discharges(person, reason=None, **{"serviceProvider": None, **at(place)})
    places = {"Organization/crisis-house": "house", "Location/place-of-safety": "safety"}
    for place, person in places.items():
        world.hospital.ends_crisis_contact(
            person, class_="AMB", reason=None, **{"serviceProvider": None, **at(place)}
        )
    assert {
        p: world.record.pathways(p) for p in ("organization", "ward", "another-ward", "house", "safety")
    } == {
        "organization": {POST_DISCHARGE},
        "ward": {POST_DISCHARGE},
        "another-ward": set(),
        "house": {CRISIS},
        "safety": {CRISIS},
    }


@pytest.fixture
def today(tmp_path: Path) -> Iterator[World]:
    """Time stands at the machine's own clock, a minute on: what says no time has only the server's own stamp."""
    at = SystemClock(DENVER).now().replace(microsecond=0) + timedelta(minutes=1)
    with open_world(tmp_path, at=at, env=in_use(tmp_path, POST_DISCHARGE, CRISIS)) as world:
        yield world


def test_an_encounter_without_a_period_begins_with_an_assumed_clock_and_asks_for_the_date(
    today: World,
) -> None:
    world, record = today, today.record
    world.hospital.discharges("dan", period=None)
    world.hospital.ends_crisis_contact("cleo", period=None)
    for person, reference, field, title in (
        ("dan", "Encounter/dan-stay", "discharge-date", "Discharge date"),
        ("cleo", "Encounter/cleo-crisis", "crisis-episode-date", "Crisis episode date"),
    ):
        enrolment = record.enrolment(person)
        stamped = datetime.fromisoformat(world.fhir.get(reference)["meta"]["lastUpdated"])
        assert abs(enrolment.started_at - stamped) < timedelta(seconds=1)
        assert enrolment.variances["clock-assumed Encounter"].endswith("Please complete its period.")
        assert field in enrolment.missing
        assert title in enrolment.words.splitlines()

    world.time_passes(minutes=1)
    world.clinic.completes("dan", "confirm-receipt", records={"discharge-date": "yesterday, by telephone"})
    begun = world.now() - timedelta(hours=3)
    world.hospital.changes("Encounter/cleo-crisis", period={"start": begun.isoformat()})
    assert "discharge-date" not in record.enrolment("dan").missing
    assert "Discharge date" not in record.enrolment("dan").words.splitlines()
    assert "crisis-episode-date" not in record.enrolment("cleo").missing


def _is(person: str) -> Json:
    return {"reference": f"Patient/{person}"}
