"""The page at `/`: what it shows, what it never shows, and how it stands up to hostile values and a silent record."""

from collections import Counter
from html.parser import HTMLParser

from service.adapters.memory_record import InMemoryRecord
from service.app.overview import Enrolled, Overview, page
from service.app.pages import pages, read_overview
from service.app.settings import load_settings
from service.fhir import systems
from tests.app.test_web import Site
from tests.sandbox import FrozenClock

BASE = "https://record.example/fhir"
HELD = Enrolled(
    reference="CarePlan/1", pathway="post-discharge", stage="intake", reached="outreach", unmet=("lead",), missing=2
)  # fmt: skip
MOVING = Enrolled(
    reference="CarePlan/2", pathway="post-discharge", stage="outreach", reached="outreach", unmet=(), missing=0
)  # fmt: skip
VOID = {"meta", "br", "link"}


class Outline(HTMLParser):
    """Landmarks, headings and labels as assistive software finds them; fails on a tag that is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.labels: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.seen.append(tag)
        self.ids |= {found["id"]} if "id" in found else set()
        self.labels += [found["aria-labelledby"]] if "aria-labelledby" in found else []
        self.links += [found["href"]] if "href" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def plan(logical_id, stage, reached, **rest):
    return {
        "resourceType": "CarePlan", "id": logical_id, "status": "active", "subject": {"reference": "Patient/ada", "display": "Ada Testerly"},
        "category": [{"coding": [{"system": systems.PLAN_CATEGORY, "code": systems.PATHWAY_PLAN}]}],
        "identifier": [{"system": systems.ENROLMENT, "value": f"post-discharge/Encounter/{logical_id}"}],
        "extension": [
            {"url": systems.STAGE, "valueCode": stage}, {"url": systems.STAGE_REACHED, "valueCode": reached},
            {"url": systems.UNMET_GATE, "valueCode": "lead"}, {"url": systems.MISSING_FIELD, "valueCode": "risk"},
        ], **rest,
    }  # fmt: skip


def task(logical_id, timeliness):
    return {
        "resourceType": "Task", "id": logical_id, "status": "requested", "for": {"reference": "Patient/ada"},
        "identifier": [{"system": systems.FOLLOW_UP, "value": f"post-discharge/Encounter/1/{logical_id}/1"}],
        "businessStatus": {"coding": [{"system": systems.TIMELINESS, "code": timeliness}]},
    }  # fmt: skip


def test_the_page_has_landmarks_headings_and_labels_that_lead_somewhere():
    outline = Outline(page(Overview(enrolled=(HELD, MOVING), follow_ups=Counter(overdue=1)), BASE))
    assert [tag for tag in outline.seen if tag in {"header", "nav", "main", "footer", "h1", "h2"}] == [
        "header", "h1", "nav", "main", "h2", "h2", "h2", "footer",
    ]  # fmt: skip
    assert set(outline.labels) <= outline.ids
    assert "script" not in outline.seen
    assert all(link.startswith(("/", "#", BASE)) for link in outline.links)


def test_those_held_by_a_gate_come_first_and_are_counted():
    text = page(Overview(enrolled=(MOVING, HELD)), BASE)
    assert text.index("CarePlan/1") < text.index("CarePlan/2")
    assert "<dt>Held by a gate</dt><dd>1</dd>" in text


def test_late_follow_ups_stand_first_and_in_words():
    text = page(Overview(follow_ups=Counter({"on-track": 3, "acceptance-overdue": 1, "overdue": 1})), BASE)
    assert text.index("Not accepted by its time") < text.index("Accepted, in time")
    assert '<div class="late"><dt>Past their time</dt><dd>2</dd></div>' in text


def test_hostile_values_stay_text():
    evil = '"><script>alert(1)</script>{0}'
    hostile = Enrolled(reference=evil, pathway=evil, stage=evil, reached=evil + "x", unmet=(evil,), missing=0)
    overview = Overview(enrolled=(hostile,), follow_ups=Counter({evil: 1}))
    assert "<script" not in page(overview, BASE)
    assert "<script" not in page(Overview(problem=evil), BASE)


def test_an_empty_record_says_none_instead_of_empty_tables():
    text = page(Overview(), BASE)
    assert text.count("<p>None.</p>") == 3
    assert "<table" not in text


def test_the_overview_counts_what_the_record_holds_and_keeps_nothing_about_anybody():
    record = InMemoryRecord(FrozenClock())
    for resource in (
        plan("1", "intake", "outreach"),
        plan("2", "outreach", "outreach"),
        task("a", "overdue"),
    ):
        record.put(resource)
    seen = read_overview(record)
    assert [(each.reference, each.held, each.missing) for each in seen.enrolled] == [
        ("CarePlan/1", True, 1),
        ("CarePlan/2", False, 1),
    ]
    assert seen.follow_ups == Counter(overdue=1)
    shown = page(seen, BASE)
    assert "Ada" not in shown
    assert "Patient" not in shown


def test_a_silent_record_is_said_and_the_record_is_not_asked_again_at_once():
    times = iter([0.0, 0.0, 1.0, 1.5])
    settings = load_settings({}, fhir_base_url="http://127.0.0.1:1/fhir", lease_seconds=5)
    site = Site(routers=[pages(settings, monotonic=lambda: next(times))])
    first, second = site.ask("GET", "/"), site.ask("GET", "/")
    assert first.status_code == 200
    assert '<p class="problem" role="alert">The record cannot be read now. ' in first.text
    assert second.text == first.text
    assert list(times) == [1.5]
