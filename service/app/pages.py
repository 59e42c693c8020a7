"""The page at `/`: how many people are on which stage, what is held and what is overdue, read from the record.

Shows no names and nothing about a person; the links lead into the record, where access is controlled.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import escape
from threading import Lock

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.app.settings import Settings
from service.app.wiring import open_record
from service.domain.vocabulary import OPEN
from service.fhir import systems
from service.fhir.read.elements import extension_value
from service.fhir.references import codings, identifier_values, mappings
from service.ports import FhirRecord, RecordFailure, Resource, Search

KEEP_FOR = 5.0
"""Seconds for which a reading is shown again: a page that is reloaded must not load the record server."""


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """One running enrolment, without the person."""

    reference: str
    pathway: str
    stage: str
    reached: str
    unmet: tuple[str, ...]
    missing: int


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What the page shows."""

    enrolled: tuple[Enrolled, ...] = ()
    follow_ups: Counter[str] = field(default_factory=Counter)
    """Open follow-ups by timeliness."""
    escalations: int = 0
    problem: str = ""


def pages(settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> APIRouter:
    """The governance page."""
    router = APIRouter()
    reading = _Reading(settings, monotonic)

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    def overview() -> str:
        return page(reading.overview(), settings.fhir_base_url or "")

    return router


class _Reading:
    """The last look at the record; one at a time."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float]) -> None:
        self._settings, self._monotonic = settings, monotonic
        self._lock, self._read_at, self._last = Lock(), float("-inf"), Overview()

    def overview(self) -> Overview:
        with self._lock:
            if self._monotonic() - self._read_at > KEEP_FOR:
                self._last = self._look()
                self._read_at = self._monotonic()
            return self._last

    def _look(self) -> Overview:
        try:
            with open_record(self._settings, reading_only=True) as record:
                return read_overview(record)
        except RecordFailure as failure:
            return Overview(problem=f"The record cannot be read: {failure}")


def read_overview(record: FhirRecord) -> Overview:
    """Running enrolments, open follow-ups and running escalations."""
    enrolments, escalations = (
        Search(
            kind="CarePlan",
            params=(("category", f"{systems.PLAN_CATEGORY}|{kind}"), ("status", "active"), ("_count", "500")),
        )
        for kind in (systems.PATHWAY_PLAN, systems.ESCALATION_PLAN)
    )
    tasks = Search(kind="Task", params=(("status", ",".join(sorted(OPEN))), ("_count", "500")))
    running, raised, open_tasks = record.search_all([enrolments, escalations, tasks])
    return Overview(
        enrolled=tuple(_enrolled(plan) for plan in running),
        follow_ups=Counter(
            _timeliness(task) for task in open_tasks if identifier_values(task, systems.FOLLOW_UP)
        ),
        escalations=len(raised),
    )


def page(overview: Overview, base_url: str) -> str:
    """The whole page as HTML."""
    parts = [f'<p class="problem" role="alert">{escape(overview.problem)}</p>'] if overview.problem else []
    parts += [_stages(overview.enrolled), _clocks(overview), _list(overview.enrolled, base_url)]
    return _FRAME.format(body="\n".join(parts))


def _enrolled(plan: Resource) -> Enrolled:
    value = (identifier_values(plan, systems.ENROLMENT) or [""])[0]
    extensions = mappings(plan.get("extension"))
    return Enrolled(
        reference=f"CarePlan/{plan['id']}",
        pathway=value.partition("/")[0],
        stage=str(extension_value(plan, systems.STAGE, "valueCode") or ""),
        reached=str(extension_value(plan, systems.STAGE_REACHED, "valueCode") or ""),
        unmet=tuple(str(e.get("valueCode")) for e in extensions if e.get("url") == systems.UNMET_GATE),
        missing=sum(e.get("url") == systems.MISSING_FIELD for e in extensions),
    )


def _timeliness(task: Resource) -> str:
    found = [code for system, code in codings(task.get("businessStatus")) if system == systems.TIMELINESS]
    return found[0] if found else "response to an escalation"


def _stages(enrolled: Iterable[Enrolled]) -> str:
    counts = Counter((e.pathway, e.stage) for e in enrolled)
    held = Counter((e.pathway, e.stage) for e in enrolled if e.stage != e.reached)
    rows = [(p, s, str(n), str(held[p, s])) for (p, s), n in sorted(counts.items())]
    return _table("stages", "People on each stage", ("Pathway", "Stage", "People", "Held by a gate"), rows)


def _clocks(overview: Overview) -> str:
    rows = [(name, str(n)) for name, n in sorted(overview.follow_ups.items())]
    rows.append(("running escalations", str(overview.escalations)))
    return _table("clocks", "Open follow-ups", ("Standing", "Number"), rows)


def _list(enrolled: Iterable[Enrolled], base_url: str) -> str:
    rows = [
        (f'<a href="{escape(base_url)}/{escape(e.reference)}">{escape(e.reference)}</a>', escape(e.pathway),
         escape(e.stage), escape(", ".join(e.unmet)), str(e.missing))
        for e in enrolled
    ]  # fmt: skip
    head = ("Enrolment", "Pathway", "Stage", "Unmet gates", "Missing fields")
    return _table("worklist", "Worklist", head, rows, escaped=True)


def _table(
    name: str, title: str, head: Iterable[str], rows: Iterable[tuple[str, ...]], *, escaped: bool = False
) -> str:
    columns = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{cell if escaped else escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    body = lines or '<tr><td colspan="9">None.</td></tr>'
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2>'
        f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></section>"
    )


_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Throughline</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="15">
<style>
body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b2430;background:#fbfbf9}}
h1{{font-size:1.6rem;margin-bottom:0}} h2{{font-size:1.1rem;margin-top:2rem}} p{{margin:.3rem 0}}
table{{border-collapse:collapse;width:100%}} th,td{{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d9dde2}}
th{{font-weight:600;color:#51606f}} .problem{{background:#fbe9e7;border-left:4px solid #b3261e;padding:.6rem}}
nav a{{margin-right:1rem}} footer{{margin-top:3rem;color:#51606f;font-size:.9rem}}
</style></head><body>
<header><h1>Throughline</h1><p>Nobody falls between services.</p>
<nav aria-label="Operations"><a href="/readyz">Readiness</a><a href="/metrics">Metrics</a><a href="/openapi.json">API</a></nav>
</header><main>{body}</main>
<footer>Read from the record just now. This page holds nothing about a person; the links lead into the record.</footer>
</body></html>
"""
