"""What reading and deciding get to know of the mappings folder."""

from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.app.practice import begins, practice_of, role_codes
from service.domain.vocabulary import Reference
from service.fhir.path_compiler import StrictPathCompiler
from service.pathways.library import load_library

DENVER = ZoneInfo("America/Denver")
SHIPPED = Path(__file__).parents[2] / "mappings"
ROLE = "https://throughline.example/fhir/CodeSystem/role"


@pytest.fixture(scope="module")
def library():
    return load_library(SHIPPED, StrictPathCompiler(zone=DENVER), today=date(2026, 3, 6))


@pytest.fixture(scope="module")
def practice(library):
    return practice_of(
        library,
        zone=DENVER,
        base_url="http://fhir.test",
        accountable=Reference("Practitioner/boss"),
        lookback=timedelta(days=7),
    )


def test_every_type_that_a_pathway_asks_about_is_read(practice):
    assert {"Encounter", "Observation", "Condition"} <= practice.types


def test_only_what_an_author_asks_about_at_any_time_is_read_whole(practice):
    """Evidence of a stay is read from its beginning; a person's whole history never is."""
    assert "Observation" not in practice.ever
    assert "Encounter" not in practice.ever
    assert practice.ever < practice.types


def test_the_settings_reach_the_catalogue(practice):
    catalogue = practice.catalogue
    assert (catalogue.accountable, catalogue.zone) == ("Practitioner/boss", DENVER)
    # The longest window of any pathway: a count over ninety days must be able to see all of them.
    assert practice.lookback == timedelta(days=91)


def test_a_role_is_known_by_its_own_code(practice, library):
    for role in library.roles:
        assert practice.catalogue.roles[role](ROLE, role)
        assert (ROLE, role) in role_codes(library)


def test_discharges_begin_enrolments(library):
    assert "Encounter" in begins(library)
