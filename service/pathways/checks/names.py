"""Does every name refer to something, and is every id used once?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from service.pathways.checks import outline
from service.pathways.scalars import shown
from service.pathways.schema import SENDER
from service.pathways.site_files import Shared
from service.pathways.spelling import did_you_mean, suggest
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node

Used = Iterator[Node]


def check_names(source: Source, root: Node, shared: Shared) -> None:
    """Roles, tasks, stages, fields, ladders, sources, criteria, calendars and value sets must exist."""
    fields = outline.ids(outline.rows_of(root, "required"))
    known: list[tuple[str, Used, Collection[str]]] = [
        ("task", _tasks_used(root), outline.ids(outline.tasks(root))),
        ("stage", _stages_used(root), outline.ids(outline.stages(root))),
        ("field", _fields_used(root), fields),
        ("ladder", _values(outline.tasks(root), "escalation"), {name for name, _ in outline.ladders(root)}),
        ("source", _values(outline.reasoned(root), "why"), _sources(root)),
        ("criterion", _criteria_used(root), {name for name, _ in outline.entries_of(root, "criteria")}),
        (
            "capacity",
            _values(outline.need_rows(root), "slot"),
            {name for name, _ in outline.capacities(root)},
        ),
        ("pathway", _pathways_used(root), shared.pathways),
    ]
    if "roles.yaml" not in shared.unread:
        known.append(("role", _roles_used(root), shared.roles))
    if "calendars.yaml" not in shared.unread:
        known.append(("calendar", _values([root], "calendar"), shared.calendars))
    for noun, used, names in known:
        for node in used:
            _check(source, node, noun, names)
    _check_sender(source, root, shared)
    _check_value_sets(source, root, shared)
    _check_levels(source, root)


def _check(source: Source, node: Node, noun: str, names: Collection[str]) -> None:
    text = node.text
    if text is not None and text not in names:
        plural = {"criterion": "criteria", "capacity": "capacities"}.get(noun, noun + "s")
        source.report(node.place, f"unknown-{noun}", f"{noun} {shown(text)} is not defined",
                      suggest(text, names, plural))  # fmt: skip


def _values(nodes: Collection[Node] | Used, key: str) -> Used:
    for node in nodes:
        value = node.get(key)
        if value is not None:
            yield value


def _tasks_used(root: Node) -> Used:
    for row in outline.need_rows(root):
        yield from _values([row], "task")
        yield from _values([row], "escalation")
    yield from _values((capacity for _, capacity in outline.capacities(root)), "request")
    lead = root.get("lead")
    then = lead.get("then") if lead else None
    yield from _values([then] if then else [], "task")


def _stages_used(root: Node) -> Used:
    yield from _values(outline.need_rows(root), "stage")
    yield from _values(outline.rows_of(root, "gates"), "before")


def _fields_used(root: Node) -> Used:
    yield from _values(outline.need_rows(root), "recorded")
    for row in outline.need_rows(root):
        yield from outline.rows_of(row, "missing")
        yield from outline.rows_of(row, "complete")
    for task in outline.tasks(root):
        yield from outline.rows_of(task, "records")


def _roles_used(root: Node) -> Used:
    lead = root.get("lead")
    yield from outline.chosen(lead.get("role") if lead and lead.get("role") else lead)
    for task in outline.tasks(root):
        yield from outline.chosen(task.get("owner"))
    yield from _values(outline.rows_of(root, "required"), "ask")
    for gate in outline.rows_of(root, "gates"):
        yield from outline.rows_of(gate, "waived-by")
    for rung in outline.rungs(root):
        yield from _values([rung], "notify")
        yield from _values([rung], "reassign-to")


def _check_sender(source: Source, root: Node, shared: Shared) -> None:
    if "roles.yaml" in shared.unread or SENDER in shared.roles:
        return
    for asks in _values(outline.tasks(root), "asks"):
        if asks.text == SENDER:
            source.report(asks.place, "unknown-role", f"roles.yaml has no role '{SENDER}', by whose title people are asked",
                          f"add '{SENDER}: {{title: Whoever sent the request}}' there")  # fmt: skip


def _sources(root: Node) -> set[str]:
    governance = root.get("governance")
    return {name for name, _ in outline.entries_of(governance, "sources")} if governance else set()


def _pathways_used(root: Node) -> Used:
    yield from _values(outline.need_rows(root), "enrolled")
    for key in ("excludes", "supersedes"):
        yield from outline.rows_of(root, key)


def _criteria_used(root: Node) -> Used:
    yield from _values(outline.by_level(root), "by")
    yield from _values(outline.need_rows(root), "level")


def _check_levels(source: Source, root: Node) -> None:
    criteria = dict(outline.entries_of(root, "criteria"))
    for choice in outline.by_level(root):
        levels = _levels(criteria.get(outline.text_of(choice, "by") or ""))
        for name, value in choice.entries():
            if levels and name not in levels | {"by", "otherwise"}:
                _no_level(source, value.head, name, levels)
    for row in outline.need_rows(root):
        levels = _levels(criteria.get(outline.text_of(row, "level") or ""))
        for named in outline.rows_of(row, "is") if levels else ():
            if named.text is not None and named.text not in levels:
                _no_level(source, named.place, named.text, levels)


def _levels(criterion: Node | None) -> set[str]:
    return {name for name, _ in criterion.entries()} if criterion else set()


def _no_level(source: Source, place: tuple[int, int], name: str, levels: set[str]) -> None:
    source.report(place, "unknown-level", f"{shown(name)} is not a level of this criterion",
                  suggest(name, levels, "levels"))  # fmt: skip


def coded_elements(root: Node) -> Iterator[tuple[str, Node, Node]]:
    """(element, its value set, the row or start it belongs to) of everything coded; also of unless and also."""
    starts = outline.rows_of(root, "starts")
    inner = [row for start in starts for row in outline.rows_of(start, "unless")]
    inner += [row for row, _ in outline.also_rows(root)]
    for row in (*outline.need_rows(root), *starts, *inner):
        for element, value_set in outline.entries_of(row, "coded"):
            yield element, value_set, row


def _schedules(root: Node) -> Used:
    yield from _values((capacity for _, capacity in outline.capacities(root)), "schedules")


def _check_value_sets(source: Source, root: Node, shared: Shared) -> None:
    known, broken = shared.terminology.matchers, shared.terminology.broken
    for node in (*(node for _, node, _ in coded_elements(root)), *_schedules(root)):
        if node.text in broken:
            source.report(node.place, "broken-value-set", f"value set {shown(node.text)} has errors in its own file",
                          f"correct valuesets/{node.text} first")  # fmt: skip
        elif node.text is not None and node.text not in known:
            meant = did_you_mean(node.text, known)
            source.report(node.place, "unknown-value-set", f"value set {shown(node.text)} is not defined",
                          f"{f'{meant} Else ' if meant else ''}write it: valuesets/{node.text}.json")  # fmt: skip


def check_duplicates(source: Source, root: Node) -> None:
    """Ids are used once per kind; a gate and a required field may not share one (both are recorded on Tasks)."""
    fields, gates = outline.rows_of(root, "required"), outline.rows_of(root, "gates")
    for noun, nodes in (
        ("stage", outline.stages(root)),
        ("task", outline.tasks(root)),
        ("required field or gate", [*fields, *gates]),
        ("measure", outline.rows_of(root, "measures")),
    ):
        first: dict[str, int] = {}
        for node in _values(nodes, "id"):
            if node.text in first:
                source.report(node.place, "duplicate-id",
                              f"another {noun} is called {shown(node.text)}; first on line {first[node.text]}",
                              "choose another id")  # fmt: skip
            elif node.text is not None:
                first[node.text] = node.place[0]
