"""Where things stand in the tree of a pathway file, for checks.

Whatever has the wrong shape is passed over: the grammar has reported it.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.pathways.rows import NESTED
from service.pathways.scalars import as_name
from service.pathways.yaml_tree import Node

NEEDS_OF_TASK = ("opens-when", "done-when", "again-while", "not-needed-when")
CHOSEN = ("owner", "accept-within", "due-in", "priority")
"""Keys of a task under which a criterion may choose."""
NEEDS_OF_GATE = ("needs", "applies-when")
NEEDS_OF_MEASURE = ("denominator", "exclusion", "numerator")


def rows_of(root: Node, key: str) -> list[Node]:
    """The rows of a list under a key; nothing when there is none."""
    found = root.get(key)
    return found.items() if found else []


def entries_of(root: Node, key: str) -> list[tuple[str, Node]]:
    """Names and values of a mapping under a key."""
    found = root.get(key)
    return list(found.entries()) if found else []


def text_of(node: Node, key: str) -> str | None:
    """The text under a key."""
    found = node.get(key)
    return found.text if found else None


def stages(root: Node) -> list[Node]:
    return rows_of(root, "stages")


def tasks(root: Node) -> list[Node]:
    return [task for stage in stages(root) for task in rows_of(stage, "tasks")]


def by_level(root: Node) -> Iterator[Node]:
    """Every mapping that chooses by the level of a criterion."""
    lead = root.get("lead")
    found = [lead, lead.get("role") if lead else None]
    found += [task.get(key) for task in tasks(root) for key in CHOSEN]
    yield from (node for node in found if node is not None and node.get("by") is not None)


def chosen(node: Node | None) -> Iterator[Node]:
    """The value, or the values of all levels where a criterion chooses."""
    if node is None:
        return
    if node.get("by") is None:
        yield node
        return
    yield from (value for name, value in node.entries() if name != "by")


def ladders(root: Node) -> list[tuple[str, Node]]:
    return entries_of(root, "escalations")


def ids(nodes: list[Node]) -> set[str]:
    """The ids of list rows; one that is badly written (and reported) counts as the name it should be."""
    return {as_name(text) for node in nodes if (text := text_of(node, "id"))}


def need_rows(root: Node) -> Iterator[Node]:
    """Every row of every list of needs, those inside others too."""
    for row in outer_rows(root):
        yield from with_inner(row)


def with_inner(row: Node) -> Iterator[Node]:
    """A row and the rows inside it."""
    yield row
    for key in NESTED:
        for inside in rows_of(row, key):
            yield from with_inner(inside)


def outer_rows(root: Node) -> Iterator[Node]:
    """The rows that stand in a list of needs themselves."""
    for start in rows_of(root, "starts"):
        yield from rows_of(start, "rule")
    for part in (root.get("lead"), *(task.get("series") for task in tasks(root))):
        yield from rows_of(part, "until") if part else ()
    for stage in stages(root):
        yield from rows_of(stage, "enter")
    for keys, parts in (
        (NEEDS_OF_TASK, tasks(root)),
        (("needs",), rows_of(root, "required")),
        (NEEDS_OF_GATE, rows_of(root, "gates")),
        (NEEDS_OF_MEASURE, rows_of(root, "measures")),
    ):
        for part in parts:
            for key in keys:
                yield from rows_of(part, key)
    for _, criterion in entries_of(root, "criteria"):
        for _, level in criterion.entries():
            yield from level.items()


def dataset(root: Node) -> list[str]:
    """The required fields that `complete: all` asks for."""
    required = (row for row in rows_of(root, "required") if text_of(row, "where-available") != "true")
    return [name for row in required if (name := text_of(row, "id"))]


def also_rows(root: Node) -> Iterator[tuple[Node, Node]]:
    """Every row of also, with the start or row it belongs to."""
    for parent in (*rows_of(root, "starts"), *need_rows(root)):
        yield from ((row, parent) for row in rows_of(parent, "also"))


def titled(root: Node) -> Iterator[Node]:
    """Everything whose title is shown where space is short."""
    yield root
    for key in ("stages", "required", "gates", "measures"):
        yield from rows_of(root, key)
    yield from tasks(root)
    yield from (ladder for _, ladder in ladders(root))


def capacities(root: Node) -> list[tuple[str, Node]]:
    return entries_of(root, "capacity")


def reasoned(root: Node) -> Iterator[Node]:
    """Everything that says why."""
    yield from (capacity for _, capacity in capacities(root))
    for key in ("required", "gates", "measures"):
        yield from rows_of(root, key)
    yield from tasks(root)
    yield from (ladder for _, ladder in ladders(root))


def rungs(root: Node) -> Iterator[Node]:
    for _, ladder in ladders(root):
        yield from rows_of(ladder, "rungs")
