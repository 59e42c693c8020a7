"""The page at `/`: how many people are on which stage, what is held and what is overdue, read from the record.

Shows no names and nothing about a person; the links lead into the record, where access is controlled.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from threading import Lock

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.app.observing import Observation
from service.app.overview import RESPONSE, Enrolled, Overview, page, policy
from service.app.settings import Settings
from service.app.wiring import open_record
from service.domain.vocabulary import OPEN
from service.fhir import systems
from service.fhir.read.elements import extension_value, text_of
from service.fhir.references import codings, identifier_values, mappings, reference_to
from service.ports import FhirRecord, RecordFailure, Resource, Search

KEEP_FOR = 5.0
"""Seconds for which a reading is shown again: a page that is reloaded must not load the record server."""


def pages(
    settings: Settings,
    monotonic: Callable[[], float] = time.monotonic,
    seen: Observation | None = None,
) -> APIRouter:
    """The governance page."""
    router = APIRouter()
    reading = _Reading(settings, monotonic, seen)

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    def overview() -> HTMLResponse:
        text = page(reading.overview(), settings.fhir_base_url or "")
        return HTMLResponse(text, headers={"content-security-policy": policy()})

    return router


class _Reading:
    """The last look at the record; one at a time."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float], seen: Observation | None) -> None:
        self._settings, self._monotonic = settings, monotonic
        self._seen = seen
        self._lock, self._read_at, self._last = Lock(), float("-inf"), Overview()

    def overview(self) -> Overview:
        with self._lock:
            if self._monotonic() - self._read_at > KEEP_FOR:
                self._last = self._look()
                self._read_at = self._monotonic()
            return self._last

    def _look(self) -> Overview:
        try:
            with open_record(self._settings, reading_only=True, seen=self._seen) as record:
                return read_overview(record)
        except RecordFailure as failure:
            return Overview(problem=f"The record cannot be read now. {failure}")


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


def _enrolled(plan: Resource) -> Enrolled:
    value = (identifier_values(plan, systems.ENROLMENT) or [""])[0]
    extensions = list(mappings(plan.get("extension")))
    return Enrolled(
        reference=reference_to(plan) or "",
        pathway=value.partition("/")[0],
        stage=str(extension_value(plan, systems.STAGE, "valueCode") or ""),
        reached=str(extension_value(plan, systems.STAGE_REACHED, "valueCode") or ""),
        unmet=tuple(str(e.get("valueCode")) for e in extensions if e.get("url") == systems.UNMET_GATE),
        title=text_of(plan.get("title")),
        missing=sum(e.get("url") == systems.MISSING_FIELD for e in extensions),
    )


def _timeliness(task: Resource) -> str:
    found = [code for system, code in codings(task.get("businessStatus")) if system == systems.TIMELINESS]
    return found[0] if found else RESPONSE
