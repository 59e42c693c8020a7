"""Publishing a version: the current file is copied beside itself, and its digest noted, so that it can never be lost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service.domain.pathway import Pathway
from service.pathways.library import PATHWAY_FILE
from service.pathways.versions import DIGESTS, digest, rank, read_published, text_of
from service.pathways.yaml_source import Source, read_source


class CannotPublish(Exception):
    """Use this when a version may not be published as it is; says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A version that is kept now."""

    version: str
    file: Path
    is_new: bool
    """False: it was published before, word for word."""


def publish(mappings: Path, pathway: Pathway) -> Publication:
    """Keeps the current version of a sound pathway. Twice changes nothing. CannotPublish says what is in the way."""
    folder = mappings / "pathways" / pathway.id
    source, published = read_source(folder / PATHWAY_FILE), read_published(folder)
    file = published.file(pathway.version)
    if pathway.version in published.digests and file.is_file():
        return Publication(version=pathway.version, file=file, is_new=False)
    _refuse(pathway, published.newest)
    try:
        _keep(source, file)
    except OSError as failure:
        raise CannotPublish(f"{failure.filename or file} cannot be written ({failure.strerror})") from None
    return Publication(version=pathway.version, file=file, is_new=True)


def _refuse(pathway: Pathway, newest: str | None) -> None:
    if pathway.status == "draft":
        raise CannotPublish(
            f"{pathway.id} is a draft, on which nobody can be: set 'status: active' when it is approved, then publish it"
        )
    if newest is not None and rank(pathway.version) < rank(newest):
        raise CannotPublish(
            f"version {pathway.version} is lower than {newest}, which is published: give the file a higher version"
        )


def _keep(source: Source, file: Path) -> None:
    """The copy is complete before it has its name, and has its name before its digest is noted."""
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(text_of(source), encoding="utf-8", newline="\n")
    unfinished.replace(file)
    digests = file.parent / DIGESTS
    before = digests.read_text(encoding="utf-8") if digests.is_file() else ""
    line = f"{digest(source)}  {file.name}\n"
    if line not in before:
        digests.write_text(before + line, encoding="utf-8", newline="\n")
