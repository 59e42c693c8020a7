"""Reads ValueSet and ConceptMap files (FHIR R4 JSON, or the same as YAML) into value_sets.py.

A file that cannot be honoured word for word is a problem; nothing is approximated silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service.pathways.problems import Severity
from service.pathways.value_sets import Code, Composition, ConceptMaps, Selection, ValueSetMatcher
from service.pathways.yaml_source import Source, read_source
from service.pathways.yaml_tree import Node, as_json
from service.ports import Resource

# The target means the same or is broader, so membership of the target holds for the site's code (R4 and R5 words).
SAFE = frozenset({"equal", "equivalent", "wider", "subsumes", "source-is-narrower-than-target"})
LOSSY = frozenset(
    {"relatedto", "narrower", "specializes", "inexact", "related-to", "source-is-broader-than-target"}
)


@dataclass(kw_only=True)
class Terminology:
    """Everything read from valuesets/ and conceptmaps/."""

    matchers: dict[str, ValueSetMatcher] = field(default_factory=dict)
    maps: ConceptMaps = field(default_factory=ConceptMaps)
    broken: set[str] = field(default_factory=set)
    """Ids of value sets whose files have errors, or that are composed of such."""
    sources: list[Source] = field(default_factory=list)


def read_terminology(folder: Path) -> Terminology:
    """Reads `folder`/valuesets and `folder`/conceptmaps."""
    found = Terminology()
    found.maps = ConceptMaps(targets=_read_maps(folder / "conceptmaps", found.sources))
    read: list[tuple[Composition, Source]] = []
    for path in definition_files(folder / "valuesets"):
        source = read_source(path)
        found.sources.append(source)
        composition = _composition(source, path.stem)
        if composition is None or source.broken:
            found.broken.add(path.stem)
        else:
            read.append((composition, source))
    by_url = {composition.url: composition for composition, _ in read}
    _check_composed(read, by_url, found)
    for composition, _ in read:
        if composition.id not in found.broken:
            found.matchers[composition.id] = ValueSetMatcher(
                id=composition.id, title=composition.title, url=composition.url,
                composition=composition, by_url=by_url, maps=found.maps,
            )  # fmt: skip
    return found


def value_set_resources(folder: Path) -> dict[str, Resource]:
    """Every ValueSet of `folder`/valuesets as FHIR has it, by its id; files that are broken are left out."""
    sources = (read_source(path) for path in definition_files(folder / "valuesets"))
    return {Path(each.file).stem: as_json(each.root) for each in sources if each.root and not each.broken}


def definition_files(folder: Path) -> Iterator[Path]:
    """JSON and YAML files of a folder, by name."""
    if folder.is_dir():
        yield from sorted(
            p for p in folder.iterdir() if p.suffix in {".json", ".yaml", ".yml"} and p.is_file()
        )


def _text(node: Node | None) -> str | None:
    return node.text if node is not None else None


def _composition(source: Source, stem: str) -> Composition | None:
    root = source.root
    if root is None or not _is_a(source, root, "ValueSet"):
        return None
    name, url = _text(root.get("id")), _text(root.get("url"))
    if name != stem:
        place = (root.get("id") or root).place
        source.report(
            place, "id-and-file-differ", f"the id of this value set must be the name of its file, '{stem}'"
        )
    if not url:
        source.report(root.place, "missing-key", "a value set needs a url", 'add "url": "https://..."')
    compose = root.get("compose") or Node(value={}, place=root.place)
    include = _selections(source, compose.get("include"))
    if not include:
        source.report(compose.place, "missing-key", "this value set includes nothing", "add compose.include")
    return Composition(
        id=stem,
        url=url or "",
        title=_text(root.get("title")) or stem,
        include=include,
        exclude=_selections(source, compose.get("exclude")),
    )


def _is_a(source: Source, root: Node, kind: str) -> bool:
    said = _text(root.get("resourceType"))
    if said != kind:
        source.report((root.get("resourceType") or root).place, "wrong-resource", f"this must be a FHIR {kind}",
                      f'write "resourceType": "{kind}"')  # fmt: skip
    return said == kind


def _selections(source: Source, rows: Node | None) -> tuple[Selection, ...]:
    return tuple(_selection(source, row) for row in (rows.items() if rows else ()))


def _selection(source: Source, row: Node) -> Selection:
    concepts = row.get("concept")
    filters = row.get("filter")
    urls = row.get("valueSet")
    codes = [_text(concept.get("code")) for concept in (concepts.items() if concepts else ())]
    value_sets = [url.text.split("|")[0] for url in (urls.items() if urls else ()) if url.text]
    system = _text(row.get("system"))
    if system is None and (codes or filters or not value_sets):
        source.report(row.place, "missing-key", "this part of the value set needs a system")
    if urls is not None and len(value_sets) > 1:
        # R4: any of them; R5: all of them at once (ValueSet.compose.include.valueSet).
        source.report(urls.head, "value-sets-in-one-include", "several value sets in one include mean any of them in R4, all of them in R5",
                      "write one include for each of them")  # fmt: skip
    return Selection(
        system=system,
        codes=frozenset(code for code in codes if code),
        patterns=tuple(p for f in (filters.items() if filters else ()) if (p := _pattern(source, f))),
        whole_system=concepts is None and filters is None,
        value_sets=tuple(value_sets),
    )


def _pattern(source: Source, row: Node) -> re.Pattern[str] | None:
    asked = (_text(row.get("property")), _text(row.get("op")))
    value = row.get("value")
    if asked not in {("code", "regex"), ("code", "=")} or value is None or value.text is None:
        source.report(row.place, "unknown-filter", "only filters on the code with op regex (or =) can be answered here",
                      "list the concepts, or use property code, op regex")  # fmt: skip
        return None
    try:
        return re.compile(value.text if asked[1] == "regex" else re.escape(value.text))
    except (re.error, OverflowError, RecursionError):
        source.report(value.place, "bad-pattern", "this regular expression is not well-formed")
        return None


def _check_composed(
    read: list[tuple[Composition, Source]], by_url: Mapping[str, Composition], found: Terminology
) -> None:
    """Urls must be known and lead to no circle; whoever is composed of a broken value set is broken too."""
    first: dict[str, str] = {}
    for composition, source in read:
        if first.setdefault(composition.url, composition.id) != composition.id:
            _report(
                source, found, composition, "duplicate-id", f"'{first[composition.url]}' has the same url"
            )
    for composition, source in read:
        for url in _urls(composition):
            if url not in by_url:
                _report(
                    source,
                    found,
                    composition,
                    "unknown-value-set",
                    f"no value set here has the url {url[:80]}",
                )
        if _reaches(composition, composition.url, by_url):
            _report(source, found, composition, "circular-value-set", "this value set is composed of itself")
    for _ in read:
        for composition, _source in read:
            if any(by_url[url].id in found.broken for url in _urls(composition) if url in by_url):
                found.broken.add(composition.id)


def _report(source: Source, found: Terminology, composition: Composition, code: str, message: str) -> None:
    found.broken.add(composition.id)
    source.report(source.root.place if source.root else (1, 1), code, message)


def _urls(composition: Composition) -> set[str]:
    return {url for part in (*composition.include, *composition.exclude) for url in part.value_sets}


def _reaches(composition: Composition, wanted: str, by_url: Mapping[str, Composition]) -> bool:
    pending, seen = sorted(_urls(composition)), set[str]()
    while pending:
        url = pending.pop()
        if url == wanted:
            return True
        if url in by_url and url not in seen:
            seen.add(url)
            pending += sorted(_urls(by_url[url]))
    return False


def _read_maps(folder: Path, sources: list[Source]) -> dict[Code, tuple[Code, ...]]:
    targets: dict[Code, tuple[Code, ...]] = {}
    for path in definition_files(folder):
        source = read_source(path)
        sources.append(source)
        if source.root is None or not _is_a(source, source.root, "ConceptMap"):
            continue
        groups = source.root.get("group")
        for group in groups.items() if groups else ():
            for origin, meaning in _mapped(source, group):
                targets[origin] = (*targets.get(origin, ()), meaning)
    return targets


def _mapped(source: Source, group: Node) -> Iterator[tuple[Code, Code]]:
    """Pairs of a site's code and its standard code, where membership can be carried over."""
    origin, standard = _text(group.get("source")), _text(group.get("target"))
    if not origin or not standard:
        source.report(
            group.place, "missing-key", "a group of a concept map needs a source and a target system"
        )
        return
    elements = group.get("element")
    for element in elements.items() if elements else ():
        targets = element.get("target")
        for target in targets.items() if targets else ():
            kind = _text(target.get("equivalence")) or _text(target.get("relationship")) or ""
            code, meaning = _text(element.get("code")), _text(target.get("code"))
            if kind in LOSSY:
                source.report(target.place, "lossy-mapping", f"'{kind}' does not carry membership over; not used",
                              "say equal, equivalent or wider where that is true", Severity.WARNING)  # fmt: skip
            elif kind in SAFE and code and meaning:
                yield (origin, code), (standard, meaning)
