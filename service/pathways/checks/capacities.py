"""Can reserved places be found and asked for? Schedules are searched by their codes, and each has one queue."""

from __future__ import annotations

from service.pathways.checks import outline
from service.pathways.scalars import shown
from service.pathways.site_files import Shared
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node


def check_capacities(source: Source, root: Node, shared: Shared) -> None:
    """Every capacity: its own request, and a value set that lists codes."""
    asked: dict[str, str] = {}
    for name, capacity in outline.capacities(root):
        request, schedules = capacity.get("request"), capacity.get("schedules")
        if request is not None and request.text in asked:
            source.report(request.place, "request-of-another", f"task {shown(request.text)} asks for a place of {shown(asked[request.text])} already",
                          "give each capacity a task of its own to ask with")  # fmt: skip
        elif request is not None and request.text is not None:
            asked[request.text] = name
        if schedules is not None and _lists_no_code(shared, schedules.text):
            source.report(schedules.place, "no-code", f"value set {shown(schedules.text or '')} lists no code itself, and schedules are searched by code",
                          "name a set that lists the codes of Schedule.serviceType")  # fmt: skip


def _lists_no_code(shared: Shared, name: str | None) -> bool:
    found = shared.terminology.matchers.get(name or "")
    return found is not None and not any(part.codes for part in found.composition.include)
