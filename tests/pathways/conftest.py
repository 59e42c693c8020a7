"""A small mappings folder of its own, with one sound pathway, that tests may change."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from service.domain.vocabulary import PathwayId

HERE = Path(__file__).parent
MAPPINGS = HERE / "mappings"
SAMPLE = PathwayId("sample-follow-up")
TODAY = date(2026, 3, 6)


@pytest.fixture(scope="session")
def fresh_mappings(tmp_path_factory):
    """Makes copies of the sample folder."""

    def copy() -> Path:
        return Path(shutil.copytree(MAPPINGS, tmp_path_factory.mktemp("site") / "mappings"))

    return copy


@pytest.fixture
def mappings(fresh_mappings) -> Path:
    return fresh_mappings()


@pytest.fixture
def pathway_file(mappings) -> Path:
    return mappings / "pathways" / SAMPLE / "pathway.yaml"


def pytest_addoption(parser):
    parser.addoption(
        "--update-problems", action="store_true", help="write expected texts anew; review the difference"
    )
