"""Published versions of a pathway: frozen copies beside the current file, and a digest of each that shows a later edit.

`pathways/<id>/versions/<version>.yaml` is the copy, `versions/SHA256SUMS` the digests, one line each, as `sha256sum`
writes and checks them. Must not read more of a pathway than its version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from service.pathways.problems import Severity
from service.pathways.scalars import VERSION, shown
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Place

FOLDER = "versions"
DIGESTS = "SHA256SUMS"
VERSION_PROBLEMS = frozenset({"version-and-file-differ", "no-digest", "edited-after-publication"})
"""Codes of what can be wrong with a published file itself."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What the versions folder of one pathway says."""

    folder: Path
    digests: Mapping[str, str]
    """Version -> SHA-256 of its file when it was published, in the order of publication."""
    source: Source
    """The file of digests, with what is wrong with it."""

    def file(self, version: str) -> Path:
        """Where a version is kept."""
        return self.folder / f"{version}.yaml"

    @property
    def files(self) -> list[Path]:
        """Every file that is kept, listed or not, the oldest version first."""
        found = (path for path in self.folder.glob("*.yaml") if re.fullmatch(VERSION, path.stem))
        return sorted(found, key=lambda path: rank(path.stem))

    @property
    def newest(self) -> str | None:
        """The highest published version."""
        return max(self.digests, key=rank, default=None)


def rank(version: str) -> tuple[int, ...]:
    """For comparing: 2026.10.0 comes after 2026.9.0."""
    return tuple(int(part) for part in version.split("."))


def text_of(source: Source) -> str:
    """The whole file as text, whatever its line endings were."""
    return "\n".join(source.lines)


def digest(source: Source) -> str:
    """SHA-256 of the file in hex; the same however a checkout writes its line endings."""
    return sha256(text_of(source).encode()).hexdigest()


def read_published(pathway_folder: Path) -> Published:
    """What was published of the pathway in `pathway_folder`; nothing, where nothing was."""
    folder = pathway_folder / FOLDER
    source = Source(file=(folder / DIGESTS).as_posix())
    try:
        source.lines = (folder / DIGESTS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError):
        source.report((1, 1), "unreadable-file", "this file cannot be read as text", "restore it")
    digests = {}
    for number, line in enumerate(source.lines, start=1):
        match = re.fullmatch(rf"([0-9a-f]{{64}}) [ *]({VERSION})\.yaml", line)
        if match is not None:
            digests[match[2]] = match[1]
        else:
            source.report((number, 1), "bad-digest", "this line is not a digest and the name of a version file",
                          "restore it as `throughline pathways publish` wrote it")  # fmt: skip
    return Published(folder=folder, digests=digests, source=source)


def check_current(source: Source, published: Published) -> None:
    """The current file may not change under the name of a version that was published."""
    version, place = _version_of(source)
    if published.digests.get(version, digest(source)) != digest(source):
        source.report(place, "published-version-changed",
                      f"version {version} is published, and this is not what was published as {version}",
                      f"give the changed file a new version, or restore it from {FOLDER}/{version}.yaml")  # fmt: skip


def check_kept(source: Source, version: str, published: Published) -> None:
    """A published version stays as it was; of one without a digest nobody can say whether it did."""
    said, place = _version_of(source)
    if said and said != version:
        source.report(place, "version-and-file-differ", f"this file is kept as version {version}, but says {shown(said)}",
                      f"restore what was published as {version}")  # fmt: skip
    elif version not in published.digests:
        source.report(place, "no-digest", f"{DIGESTS} does not say what version {version} was when it was published",
                      "restore its line there, or remove this file if nobody is on it")  # fmt: skip
    elif published.digests[version] != digest(source):
        source.report(place, "edited-after-publication", f"version {version} was edited after it was published",
                      "people are on it: restore it, and make the change a new version of pathway.yaml")  # fmt: skip


def check_lost(published: Published, current: str | None) -> None:
    """Whoever is on a version whose file is gone cannot be followed up; of the current one the file itself is enough."""
    for number, line in enumerate(published.source.lines, start=1):
        name = line[66:]
        version = name.removesuffix(".yaml")
        if version in published.digests and version != current and not published.file(version).is_file():
            published.source.report((number, 67), "version-lost", f"{name} was published and is gone",
                                    "restore it: until then whoever is on it is not followed up, but parked",
                                    Severity.WARNING)  # fmt: skip


def check_unpublished(source: Source, published: Published, status: str) -> None:
    """Who begins on a version of which no copy is kept loses their pathway with the next change of the file."""
    version, place = _version_of(source)
    if status == "active" and version not in published.digests:
        source.report(place, "not-published", f"people begin on version {version}, and no copy of it is kept",
                      f"`throughline pathways publish {Path(source.file).parent.name}` keeps one",
                      Severity.WARNING)  # fmt: skip


def _version_of(source: Source) -> tuple[str, Place]:
    node = source.root.get("version") if source.root is not None else None
    return (node.text or "", node.place) if node is not None else ("", (1, 1))
