"""How a pathway begins beside others: rules that have something to begin with, and no pathway at odds with itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from service.domain.pathway import Once
from service.pathways.checks import outline
from service.pathways.problems import Severity
from service.pathways.rows import row_kind
from service.pathways.scalars import shown
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node

ONLY_ONCE_BEGUN = ("task", "stage", "escalation", "slot")
"""Rows about what there is only while somebody is on the pathway."""
LINKS = ("linked-by", "pointed-to-by")
Levels = Mapping[str, list[Node]]
"""The rows of all levels of each criterion."""


def check_beginnings(source: Source, root: Node) -> None:
    """Rules, and the pathways that this one leaves alone or takes over."""
    levels = {name: list(_rows_of_levels(each)) for name, each in outline.entries_of(root, "criteria")}
    for start in outline.rows_of(root, "starts"):
        rule = start.get("rule")
        if rule is not None:
            _check_once(source, root, rule)
            for row in rule.items():
                _check_rule_row(source, row, levels)
    _check_beside(source, root)


def _rows_of_levels(criterion: Node) -> Iterator[Node]:
    for _, level in criterion.entries():
        yield from level.items()


def _check_once(source: Source, root: Node, rule: Node) -> None:
    """A rule is anchored on the newest resource that fulfils it: the next such resource is another anchor."""
    if outline.text_of(root, "once") in {None, Once.ANCHOR.value} and "once" not in root.emptied:
        source.report(rule.head, "rule-begins-many", "by this rule, each newer resource that fits would begin another enrolment",
                      "add 'once: person' above the starts")  # fmt: skip


def _check_rule_row(source: Source, outer: Node, levels: Levels) -> None:
    misplaced = [found for row in outline.with_inner(outer) if (found := _misplaced(row))]
    for node, message, help_text in misplaced:
        source.report(node.head, "not-begun-yet", message, help_text)
    if not misplaced and not _names_a_resource(outer, levels):
        source.report(outer.place, "rule-without-resource", "this row rests on no resource, so it begins nothing",
                      "put it under 'all' together with a row about a resource")  # fmt: skip


def _misplaced(row: Node) -> tuple[Node, str, str] | None:
    """What a row asks that has no answer before somebody is on the pathway: where, the message, the help."""
    for key in ONLY_ONCE_BEGUN:
        if (named := row.get(key)) is not None:
            message = f"'{key}' is about what happens on this pathway, and here nobody is on it yet"
            return named, message, "ask about resources, levels, required fields or other pathways"
    for key in LINKS:
        if (named := row.get(key)) is not None:
            return (
                named,
                f"'{key}' is about what began this pathway, and here nothing has yet",
                f"leave '{key}' out",
            )
    return None


def _names_a_resource(row: Node, levels: Levels) -> bool:
    """Whether a row, or what it rests on, is about a resource. What is misspelt is told elsewhere and counts as one."""
    level = outline.text_of(row, "level")
    if level is not None:
        others = {name: rows for name, rows in levels.items() if name != level}
        return level not in levels or _any_names_a_resource(levels[level], others)
    for key, within in (("at-least", "of"), ("all", "all")):
        if row.get(key) is not None:
            inner = outline.rows_of(row, within)
            return not inner or _any_names_a_resource(inner, levels)
    return row.get("resource") is not None or row_kind(row.value) is None


def _any_names_a_resource(rows: Iterable[Node], levels: Levels) -> bool:
    return any(_names_a_resource(row, levels) for row in rows)


def _check_beside(source: Source, root: Node) -> None:
    own = outline.text_of(root, "pathway")
    excluded = {each.text for each in outline.rows_of(root, "excludes")}
    for key in ("excludes", "supersedes"):
        for named in outline.rows_of(root, key):
            if named.text is not None and named.text == own:
                source.report(named.place, "beside-itself", f"a pathway cannot stand under {shown(key)} of its own file",
                              "if a person may be on it only once at a time, write 'once: person'")  # fmt: skip
            elif key == "supersedes" and named.text is not None and named.text in excluded:
                source.report(named.place, "never-takes-over", f"while the person is on {shown(named.text)} this pathway does not begin, so it never takes over",
                              "name it under 'excludes' or under 'supersedes'", Severity.WARNING)  # fmt: skip
