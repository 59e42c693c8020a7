"""Checks a tree against its grammar and says what does not fit in the author's words, at the author's place.

No wording of the validation library passes through: what is not known here gets a sentence of our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from service.pathways.rows import ROWS, Part
from service.pathways.spelling import listed, nearest, suggest
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node, Path, plain

Grammar = TypeVar("Grammar", bound=Part)
ALTERNATIVES = {"owner-or-asks": ("owner", "asks"), "resource-or-rule": ("resource", "rule")}
"""Keys of which one is needed, by the code of the problem that none is there."""
WANTED = {
    "string_type": "one text",
    "dict_type": "a mapping of 'key: value'",
    "model_type": "a mapping of 'key: value'",
    "model_attributes_type": "a mapping of 'key: value'",
    "list_type": "a list: [one, another], or rows that each begin with '- '",
}

OF_WORDS = {"records", "waived-by", "excludes", "supersedes", "says", "is", "missing", "complete"}
"""Keys whose list holds words; in the others each row is a mapping."""


def read_grammar(source: Source, grammar: type[Grammar]) -> Grammar | None:
    """The file as `grammar` reads it, or None with every misfit reported."""
    if source.root is None:
        return None
    try:
        read = grammar.model_validate(plain(source.root))
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            _report(source, source.root, grammar, detail)
        if not source.broken:  # each misfit counted as told under another name, and none was
            source.report((1, 1), "wrong-shape", "this file cannot be read as it is written")
        return None
    except RecursionError:
        source.report((1, 1), "too-large", "this file is nested too deeply")
        return None
    return read


def _report(source: Source, root: Node, grammar: type[Part], detail: Any) -> None:
    loc, kind = tuple(detail["loc"]), detail["type"]
    context = detail.get("ctx", {})
    node = _node_at(root, loc)
    if kind == "missing":
        _report_missing(source, root, grammar, loc)
    elif kind == "extra_forbidden":
        _report_unknown(source, root, grammar, loc)
    elif kind == "authors-words":
        if _is_told_already(node, part_at(grammar, loc), ALTERNATIVES.get(context["code"], ())):
            return
        place = node.head if loc and loc[-1] == "[key]" else node.place
        source.report(place, context["code"], context["message"], context["help"])
    elif kind in {"union_tag_not_found", "union_tag_invalid"}:
        _report_row(source, node)
    elif kind == "too_short":
        source.report(
            node.head, "no-value", f"{_name(loc)} is empty", "write at least one, or remove the key"
        )
    elif kind in WANTED:
        message, instead = f"{_name(loc)} must be {WANTED[kind]}", _instead(node, grammar, loc, kind)
        source.report(node.head, "wrong-shape", message, instead)
    else:
        source.report(node.head, "wrong-shape", f"{_name(loc)} cannot be read as it is written")


def _instead(node: Node, grammar: type[Part], loc: Path, kind: str) -> str:
    """The same thing as the author wrote it, in the shape that is wanted; empty where that cannot be said."""
    if kind == "list_type":
        if node.text is not None and loc[-1] in OF_WORDS:
            return f"write '{loc[-1]}: [{node.text}]'"
        if loc[-2:-1] == ("measures",):
            return "write how many met it, and of how many: [1, 1]"
        return "begin it with '- '" if isinstance(node.value, dict) else ""
    keys = _keys(part_at(grammar, loc)) if kind != "string_type" else []
    return f"its keys are {listed(keys, limit=8)}" if keys else ""


def _is_told_already(node: Node, part: type[BaseModel] | None, wanted: tuple[str, ...]) -> bool:
    """One of these keys stands there without a value, or misspelt: that has been reported under its own name."""
    misspelt = [key for key, _ in node.entries() if key not in _keys(part)]
    return any(key in node.emptied or any(nearest(each, [key]) for each in misspelt) for key in wanted)


def _keys(part: type[BaseModel] | None) -> list[str]:
    return [f.alias or name for name, f in part.model_fields.items()] if part else []


def _report_missing(source: Source, root: Node, grammar: type[Part], loc: Path) -> None:
    parent = _node_at(root, loc[:-1])
    if loc[-1] in parent.emptied:
        return  # reported where it stands without a value
    keys = _keys(part_at(grammar, loc[:-1]))
    if any(nearest(key, keys) == loc[-1] for key, _ in parent.entries() if key not in keys):
        return  # misspelt, and told so there
    noun = _noun(grammar, loc[:-1])
    source.report(parent.head, "missing-key", f"{noun} needs '{loc[-1]}'", f"add '{loc[-1]}: ...'")


def _report_unknown(source: Source, root: Node, grammar: type[Part], loc: Path) -> None:
    node = _node_at(root, loc)
    source.report(node.head, "unknown-key", f"'{_short(loc[-1])}' is not a key of {_noun(grammar, loc[:-1])}",
                  suggest(str(loc[-1]), _keys(part_at(grammar, loc[:-1])), "keys"))  # fmt: skip


def _report_row(source: Source, node: Node) -> None:
    kinds = listed(ROWS, limit=len(ROWS))
    if isinstance(node.value, dict):
        first = next(iter(node.value), "")
        source.report(
            node.place, "unknown-row", f"this row names none of {kinds}", suggest(first, ROWS, "rows")
        )
    else:
        source.report(node.place, "wrong-shape", "this row must be a mapping of 'key: value'",
                      f"begin it with {kinds}")  # fmt: skip


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= 60 else text[:57] + "..."


def _name(loc: Path) -> str:
    words = [step for step in loc if isinstance(step, str) and ":" not in step and step != "[key]"]
    return f"'{_short(words[-1])}'" if words else "this file"


def _node_at(root: Node, loc: Path) -> Node:
    """The value at a place of the grammar; names of union members and `[key]` are no steps in the file."""
    node = root
    for step in loc:
        node, _ = node.follow((step,))
    return node


def _noun(grammar: type[Part], loc: Path) -> str:
    part = part_at(grammar, loc)
    return getattr(part, "noun", "this mapping") if part else "this mapping"


def part_at(grammar: type[BaseModel], loc: Path) -> type[BaseModel] | None:
    """The model that reads the mapping at a place of the grammar."""
    here: Any = grammar
    for step in loc:
        here = _inside(here, step)
    found = list(_models(here))
    return found[0] if len(found) == 1 else None


def _inside(annotation: Any, step: str | int) -> Any:
    """The annotation one step further in; a mapping of free names takes any text, a list any number."""
    if isinstance(step, str) and ":" in step:
        return _tagged(annotation, step)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return next(
            (f.annotation for name, f in annotation.model_fields.items() if step in {f.alias, name}), None
        )
    arguments = get_args(annotation)
    if get_origin(annotation) in {list, dict}:
        return arguments[-1]
    return next((found for inside in arguments if (found := _inside(inside, step)) is not None), None)


def _tagged(annotation: Any, tag: str) -> Any:
    """What a member of a union reads, by the tag that it carries; rows may hold rows, so they are found by name."""
    if tag.startswith("row:"):
        return ROWS.get(tag.removeprefix("row:"))
    arguments = get_args(annotation)
    if Tag(tag) in arguments:
        return arguments[0]
    return next((found for inside in arguments if (found := _tagged(inside, tag)) is not None), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in get_args(annotation):
        yield from _models(argument)
