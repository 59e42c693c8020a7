"""Shipped pathways beside each other: what is the same is asked for once, and what only sounds the same is not mistaken."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from service.app.practice import practice_of
from service.app.simulation import Simulation
from service.domain.vocabulary import OPEN, Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.flow.practice import Practice
from service.pathways.library import load_library
from tests.builders import a_patient, an_appointment, coded
from tests.journeys.hospital import OUTPATIENT_PSYCHIATRY, crisis, stay
from tests.sandbox import HOUSE_NOW

DENVER = ZoneInfo("America/Denver")
PERSON = Reference("Patient/robin")


@cache
def practice() -> Practice:
    mappings = Path(__file__).parents[2] / "mappings"
    library = load_library(mappings, StrictPathCompiler(zone=DENVER), today=HOUSE_NOW.date())
    return practice_of(library, zone=DENVER, base_url="", accountable=Reference("Practitioner/dara"))


def life(*arrivals) -> Simulation:
    lived = Simulation(practice(), HOUSE_NOW)
    for resource in (a_patient("robin", meta=None), *arrivals):
        lived.arrives(resource)
    lived.look()
    return lived


def asked(lived: Simulation) -> set[str]:
    """`<pathway>/<task>` of everything that is open."""
    open_now = (f.identifier.split("/") for f in lived.seen(PERSON).follow_ups if f.status in OPEN)
    return {f"{parts[0]}/{parts[3]}" for parts in open_now}


def completes(lived: Simulation, pathway: str, task: str) -> None:
    """By its owner, ten minutes later."""
    lived.passes_until(lived.clock.at + timedelta(minutes=10))
    [found] = [
        f for f in lived.seen(PERSON).follow_ups if f.identifier.startswith(f"{pathway}/") and f.task == task
    ]
    assert found.reference is not None
    changed = {"status": "completed", "lastModified": lived.clock.at.isoformat()}
    lived.arrives({**lived.record.read(found.reference), **changed})
    lived.look()


def test_the_call_after_a_discharge_is_not_the_clinicians_contact_after_a_crisis():
    lived = life(stay("robin", HOUSE_NOW - timedelta(hours=6)), crisis("robin", HOUSE_NOW))
    assert {"post-discharge-coordination/contact-person", "crisis-step-down/first-contact"} <= asked(lived)

    completes(lived, "post-discharge-coordination", "contact-person")

    assert "crisis-step-down/first-contact" in asked(lived)
    running = {e.pathway for e in lived.seen(PERSON).enrolments if e.status == "active"}
    assert "crisis-to-outpatient" in running


def test_a_kept_appointment_is_the_first_contact_of_every_pathway_that_a_crisis_began():
    lived = life(crisis("robin", HOUSE_NOW))
    assert {name for name in asked(lived) if "contact" in name and "consent" not in name} == {
        "crisis-step-down/first-contact"
    }

    lived.passes_until(HOUSE_NOW + timedelta(hours=3))
    lived.arrives(
        an_appointment(
            "kept",
            status="fulfilled",
            start=lived.clock.at.isoformat(),
            end=(lived.clock.at + timedelta(minutes=50)).isoformat(),
            serviceType=[coded(*OUTPATIENT_PSYCHIATRY)],
            participant=[{"actor": {"reference": PERSON}, "status": "accepted"}],
            meta=None,
        )
    )
    lived.look()
    lived.passes_until(HOUSE_NOW + timedelta(days=4))

    assert "crisis-step-down/first-contact" not in asked(lived)
    about = {e.task for e in lived.seen(PERSON).escalations}
    assert not about & {"first-contact", "follow-up-touchpoint", "outreach"}
