"""The page at `/` as a browser shows it: `throughline web` as a process, a real FHIR server, a real browser."""

from __future__ import annotations

import httpx
import pytest

from service.fhir import systems
from tests.browser import Browser
from tests.processes import ServiceProcesses, eventually

LUMINANCE = """
function luminance(colour) {
  const parts = colour.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
}
function behind(element) {
  const colour = getComputedStyle(element).backgroundColor;
  return /, 0\\)$/.test(colour) && element.parentElement ? behind(element.parentElement) : colour;
}
function contrast(element) {
  const [dark, light] = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}
Math.min(...[...document.querySelectorAll('h1, h2, p, dt, dd, th, td, a:not(.skip)')].map(contrast))
"""
"""The lowest contrast of a text with what is behind it (WCAG 2.2, relative luminance and contrast ratio)."""


def enrolment(logical_id, pathway, title):
    return {
        "resourceType": "CarePlan", "status": "active", "intent": "plan", "title": title,
        "subject": {"reference": "Patient/page-ada", "display": "Ada Testerly"},
        "category": [{"coding": [{"system": systems.PLAN_CATEGORY, "code": systems.PATHWAY_PLAN}]}],
        "identifier": [{"system": systems.ENROLMENT, "value": f"{pathway}/Encounter/{logical_id}"}],
        "extension": [
            {"url": systems.STAGE, "valueCode": "outreach"}, {"url": systems.STAGE_REACHED, "valueCode": "stable"},
            {"url": systems.UNMET_GATE, "valueCode": "person-outreach"},
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory, sandbox, valkey):
    """Of the page, over a record in which somebody is held by a gate."""
    ada = {"resourceType": "Patient", "id": "page-ada", "name": [{"family": "Testerly", "given": ["Ada"]}]}
    httpx.put(f"{sandbox.base_url}/Patient/page-ada", json=ada).raise_for_status()
    plan = enrolment("page-1", "post-ed-warm-handoff", "Post-ED <warm> handoff")
    httpx.post(f"{sandbox.base_url}/CarePlan", json=plan).raise_for_status()
    service = ServiceProcesses(sandbox.base_url, valkey.url, folder=tmp_path_factory.mktemp("web"))
    with service.running("web"):
        eventually(lambda: answers(f"{service.web_url}/livez"))
        yield f"{service.web_url}/"


def answers(url):
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path / "profile") as opened:
        yield opened


def test_the_page_looks_as_it_is_meant_to_and_the_browser_has_nothing_to_complain_about(browser, address):
    browser.open(address)

    assert browser.evaluate("getComputedStyle(document.body).maxWidth") == "1024px"
    assert browser.evaluate("getComputedStyle(document.querySelector('dd')).fontWeight") == "600"
    assert browser.complaints == []


def test_nothing_is_asked_of_anybody_else(browser, address):
    browser.open(address)

    assert {url for url in browser.asked if not url.startswith(address)} == set()


def test_a_pathway_goes_by_the_name_that_its_file_gives_it(browser, address):
    browser.open(address)

    names = browser.evaluate(
        "[...document.querySelectorAll('#stages ~ .wide tbody th')].map(e => e.innerText)"
    )
    assert "Post-ED <warm> handoff" in names
    assert "Testerly" not in browser.evaluate("document.documentElement.outerHTML")


def test_whoever_uses_a_keyboard_gets_past_the_navigation_at_once(browser, address):
    browser.open(address)
    left = "document.activeElement.getBoundingClientRect().left"

    browser.press("Tab")
    assert browser.evaluate("document.activeElement.innerText") == "To the overview"
    assert browser.evaluate(left) >= 0
    browser.press("Enter")
    assert browser.evaluate("location.hash") == "#main"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_against_what_is_behind_it(browser, address, scheme):
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.tell("Emulation.setEmulatedMedia", features=preferred)
    browser.open(address)

    assert browser.evaluate(LUMINANCE) >= 4.5


def test_a_telephone_shows_the_page_without_moving_it_sideways(browser, address):
    screen = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.tell("Emulation.setDeviceMetricsOverride", **screen)
    browser.open(address)

    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
