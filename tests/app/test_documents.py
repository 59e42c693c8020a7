"""What the documents name exists: settings, commands and addresses, so that whoever follows them gets there."""

import re
from pathlib import Path

import pytest

from service.app.settings import FILE_VARIABLE, Settings, secret_names, variable

ROOT = Path(__file__).parents[2]
KNOWN = {variable(name) for name in Settings.model_fields} | {FILE_VARIABLE}
KNOWN |= {f"{variable(name)}_FILE" for name in secret_names()}
PAGES = ("README.md", "docs/connecting.md", "docs/metrics.md", "docs/settings.md", "CHANGELOG.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_a_page_names_exists(page):
    text = (ROOT / page).read_text("utf-8")
    named = set(re.findall(r"THROUGHLINE_[A-Z_]*[A-Z](?!…|_…)\b", text))
    assert named - KNOWN - {"THROUGHLINE_LIVE_FHIR"} == set()


def test_every_way_of_connecting_is_described():
    page = (ROOT / "docs" / "connecting.md").read_text("utf-8")
    ours = {variable(name) for name in Settings.model_fields if name.startswith(("fhir_auth", "fhir_c"))}
    assert {name for name in ours if name not in page} == set()


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)\)", text):
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
