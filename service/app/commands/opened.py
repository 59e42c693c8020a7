"""The mappings folder as the authoring commands open it, and the pathway that one of them is about."""

from __future__ import annotations

from pathlib import Path

from service.adapters.clocks import SystemClock
from service.app.commands.printing import settings_from, stop
from service.app.exits import Exit
from service.app.settings import Settings
from service.domain.pathway import Pathway
from service.domain.vocabulary import PathwayId
from service.fhir.path_compiler import StrictPathCompiler
from service.pathways.library import Library, load_library
from service.pathways.problems import errors
from service.pathways.spelling import did_you_mean


def open_library(mappings: Path | None) -> tuple[Library, Path]:
    """What the folder says, with its problems, and where it is; ends the command when there is none."""
    settings: Settings = settings_from(mappings_dir=mappings)
    folder = settings.mappings
    if not folder.is_dir():
        stop(f"there is no mappings folder at {folder}: name one with --mappings", Exit.NOT_FOUND)
    compiler = StrictPathCompiler(zone=settings.zone)
    # The day matters only for "review is past"; the machine's own is the right one for an author.
    return load_library(folder, compiler, today=SystemClock(settings.zone).now().date()), folder


def named(library: Library, name: str, version: str | None = None) -> Pathway:
    """The pathway called so, in its current or the named version; ends the command when there is none."""
    if version is None:
        _stop_at_errors(library, name)
    versions = library.versions(PathwayId(name))
    if not versions:
        known = ", ".join(sorted(library.pathways)) or "none can be used: see `throughline pathways check`"
        meant = did_you_mean(name, library.pathways)
        stop(
            f"there is no usable pathway {name!r}; {meant + ' ' if meant else ''}there are: {known}",
            Exit.NOT_FOUND,
        )
    found = versions[0] if version is None else next((p for p in versions if p.version == version), None)
    if found is None:
        known = ", ".join(p.version for p in versions)
        stop(f"{name} has no usable version {version!r}; there are: {known}", Exit.NOT_FOUND)
    return found


def _stop_at_errors(library: Library, name: str) -> None:
    """Whoever names a pathway hears that its file has errors: not that there is none, nor of an earlier version."""
    wrong = [p for p in errors(library.problems) if Path(p.file).match(f"pathways/{name}/pathway.yaml")]
    if wrong:
        count = "an error" if len(wrong) == 1 else f"{len(wrong)} errors"
        first = f"line {wrong[0].line}: {wrong[0].message}"
        told = f"pathway {name!r} cannot be used, its file has {count} ({first})"
        stop(f"{told}; `throughline pathways check` tells them with what to write instead", Exit.MAPPINGS)
