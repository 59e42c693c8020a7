"""Does a worked case speak of its own pathway, and does its time only go forward?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise

from pydantic_core import PydanticCustomError

from service.domain.pathway import Pathway
from service.pathways.case_schema import read_local_time
from service.pathways.checks import outline
from service.pathways.scalars import shown
from service.pathways.spelling import suggest
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node, Place

Named = tuple[str, Place]


def check_case(source: Source, root: Node, pathway: Pathway) -> None:
    """Adds every name the pathway does not have, and every step that goes back in time."""
    said = root.get("pathway")
    if said is not None and said.text is not None and said.text != pathway.id:
        source.report(said.place, "id-and-folder-differ", f"this case stands with the pathway {shown(pathway.id)}",
                      f"write 'pathway: {pathway.id}', or move the file")  # fmt: skip
    known: dict[str, Collection[str]] = {
        "task": {task.id for stage in pathway.stages for task in stage.tasks},
        "stage": {stage.id for stage in pathway.stages},
        "field": {one.id for one in pathway.required},
        "gate": {gate.id for gate in pathway.gates},
        "measure": {measure.id for measure in pathway.measures},
        "capacity": pathway.capacities,
        "role": pathway.role_titles,
    }
    for noun, (name, place) in _named(root):
        if name not in known[noun]:
            message = f"{noun} {shown(name)} is not defined in this pathway"
            plural = {"capacity": "capacities"}.get(noun, f"{noun}s")
            source.report(place, f"unknown-{noun}", message, suggest(name, known[noun], plural))
    _check_order(source, root)


def _keys(node: Node | None, key: str) -> Iterator[Named]:
    for name, value in outline.entries_of(node, key) if node else ():
        yield name, value.head


def _texts(nodes: list[Node]) -> Iterator[Named]:
    for node in nodes:
        if node.text is not None:
            yield node.text, node.place


def _named(root: Node) -> Iterator[tuple[str, Named]]:
    """(noun, (name, place)) of everything a case names."""
    yield from (("role", named) for named in _keys(root, "people"))
    for step in outline.rows_of(root, "timeline"):
        for key in ("task", "respond"):
            yield from (("task", named) for named in _keys(step, key))
        for _, act in outline.entries_of(step, "task"):
            yield from (("field", named) for named in _keys(act, "records"))
            yield from (("gate", named) for named in _keys(act, "waives"))
        yield from _expected(step.get("expect"))


def _expected(expect: Node | None) -> Iterator[tuple[str, Named]]:
    if expect is None:
        return
    stage = expect.get("stage")
    yield from (("stage", named) for named in _texts([stage] if stage else []))
    yield from (("gate", named) for named in _texts(outline.rows_of(expect, "unmet")))
    yield from (("field", named) for named in _texts(outline.rows_of(expect, "missing")))
    for key in ("tasks", "owners", "due", "escalated"):
        yield from (("task", named) for named in _keys(expect, key))
    yield from (("measure", named) for named in _keys(expect, "measures"))
    yield from (("capacity", named) for named in _keys(expect, "queue"))
    earlier = expect.get("earlier")
    before = earlier.get("stage") if earlier else None
    yield from (("stage", named) for named in _texts([before] if before else []))


def _check_order(source: Source, root: Node) -> None:
    times = [at for step in outline.rows_of(root, "timeline") if (at := step.get("at")) is not None]
    for earlier, later in pairwise(times):
        try:
            goes_back = read_local_time(later.text) < read_local_time(earlier.text)
        except PydanticCustomError:
            continue  # the grammar has reported it
        if goes_back:
            source.report(
                later.place, "time-goes-back", "this step is before the one above it", "order steps by time"
            )
