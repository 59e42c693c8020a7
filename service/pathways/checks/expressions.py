"""FHIRPath and resource types: does each expression compile for its resource, and does it keep codes out?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from service.pathways.checks import outline
from service.pathways.checks.names import coded_elements
from service.pathways.checks.resource_types import RESOURCE_TYPES
from service.pathways.conditions import AT_SITE_KIND
from service.pathways.rows import ANCHOR_ITSELF, ANY_OTHER
from service.pathways.scalars import LONGEST_TEXT, shown
from service.pathways.spelling import suggest
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node, place_in_text
from service.ports import PathCompiler, PathFaultError

Compile = Callable[[str, str], object]

# An element named code or coding, compared with a literal on either side. Texts are blanked out before the search.
_NAME = r"(?<![\w%$])(?:code|coding)(?![\w(])"
_COMPARES = r"\s*(?:!?[=~]|\bin\b)\s*"
CODE_COMPARED = re.compile(rf"{_NAME}{_COMPARES}\(?\s*'|'{_COMPARES}(?:[\w.]+\.)?{_NAME}")


def check_expressions(source: Source, root: Node, compiler: PathCompiler) -> None:
    """Every when, coded element, linked-by, pointed-to-by, happened-at and anchor."""
    for node, kind in _with_kinds(source, root):
        _check_when(source, node.get("when"), kind, compiler)
        _check_link(source, node.get("linked-by"), kind, compiler)
        _check_link(source, node.get("anchor"), kind, compiler)
        _check_at_site(source, node.get("at-site"), kind)
        _check_time(source, node.get("happened-at"), kind, compiler)
    for row, parent in outline.also_rows(root):
        kind = outline.text_of(parent, "resource") or ""
        if kind in RESOURCE_TYPES:
            _check_link(source, row.get("pointed-to-by"), kind, compiler)
    _check_pointed_by_anchor(source, root, compiler)
    kinds = {id(node): kind for node, kind in _kinds(root)}
    for element, value_set, row in coded_elements(root):
        row_kind = kinds.get(id(row), "")
        if row_kind in RESOURCE_TYPES:
            key = Node(value=element, place=value_set.head, raw=element)
            _compile(source, key, row_kind, compiler.codings, "not-coded")


def _kinds(root: Node) -> Iterator[tuple[Node, str]]:
    """Each row that asks about a resource, and its type; rows of unless take that of their start."""
    starts = outline.rows_of(root, "starts")
    linked = [row for row, _ in outline.also_rows(root)]
    for row in (*outline.need_rows(root), *starts, *linked):
        kind = outline.text_of(row, "resource")
        if kind is not None:
            yield row, kind
    for start in starts:
        kind = outline.text_of(start, "resource")
        if kind is not None:
            yield from ((row, kind) for row in outline.rows_of(start, "unless"))


def _with_kinds(source: Source, root: Node) -> Iterator[tuple[Node, str]]:
    for node, kind in _kinds(root):
        if kind in RESOURCE_TYPES:
            yield node, kind
        elif (named := node.get("resource")) is not None:
            source.report(named.place, "unknown-resource", f"{shown(kind)} is not a FHIR R4 resource type",
                          suggest(kind, RESOURCE_TYPES, "types"))  # fmt: skip


def _check_when(source: Source, when: Node | None, kind: str, compiler: PathCompiler) -> None:
    if when is None or not when.text:
        return
    compared = CODE_COMPARED.search(_without_texts(when.text))
    if compared:
        found = re.search(_NAME, compared.group())
        offset = compared.start() + (found.start() if found else 0)
        source.report(place_in_text(when, offset), "code-in-when", "a code is compared inside 'when'",
                      "codes stand in coded: {element: value-set}, where a clinician can read them")  # fmt: skip
        return
    _compile(source, when, kind, compiler.predicate, "bad-expression")


def _without_texts(expression: str) -> str:
    """The expression with what stands inside quotes blanked, at the same length."""
    return re.sub(r"'(?:[^'\\]|\\.)*'", lambda found: f"'{' ' * (len(found.group()) - 2)}'", expression)


def _check_link(source: Source, link: Node | None, kind: str, compiler: PathCompiler) -> None:
    if link is not None and link.text and link.text not in {ANCHOR_ITSELF, ANY_OTHER}:
        _compile(source, link, kind, compiler.references, "not-a-reference")


def _check_at_site(source: Source, place: Node | None, kind: str) -> None:
    if place is not None and kind != AT_SITE_KIND:
        source.report(place.head, "not-at-a-site", f"at-site is about where an {AT_SITE_KIND} was; a {kind} has no such place",
                      "use it in a start or row on Encounter")  # fmt: skip


def _check_time(source: Source, at: Node | None, kind: str, compiler: PathCompiler) -> None:
    if at is not None and at.text:
        _compile(source, at, kind, compiler.instant, "not-a-time")


def _check_pointed_by_anchor(source: Source, root: Node, compiler: PathCompiler) -> None:
    """A row's pointed-to-by is a path of what began the pathway; one type of it must have that path."""
    starts = [start for start in outline.rows_of(root, "starts") if start.get("anchor") is None]
    kinds = sorted({outline.text_of(start, "resource") or "" for start in starts} & RESOURCE_TYPES)
    for row in outline.need_rows(root):
        path = row.get("pointed-to-by")
        if path is None or not path.text or any(_compiles(path.text, kind, compiler) for kind in kinds):
            continue
        if not kinds:
            source.report(path.place, "anchor-unknown", "no start says of which type the resource is that begins this pathway",
                          "add a start without anchor, or use linked-by")  # fmt: skip
            continue
        _compile(source, path, kinds[0], compiler.references, "not-a-reference")


def _compiles(text: str, kind: str, compiler: PathCompiler) -> bool:
    try:
        compiler.references(text, kind)
    except PathFaultError:
        return False
    return True


def _compile(source: Source, node: Node, kind: str, compile_text: Compile, code: str) -> None:
    text = node.text or ""
    if len(text) > LONGEST_TEXT:
        return  # the grammar has said that this is too long
    try:
        compile_text(text, kind)
    except PathFaultError as error:
        place = place_in_text(node, error.fault.column)
        source.report(place, code, error.fault.message, error.fault.help or "")
