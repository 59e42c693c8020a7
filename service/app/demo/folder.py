"""The demonstration's folder: begun anew each time, and never a folder that holds anything else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.adapters.embedded import EmbeddedFhirServer, EmbeddedRedis, EmbeddedServerFailed
from service.app.state_folder import LOCK, SETTINGS, StateFolderProblem, held

MARKER = "throughline-demo"
OURS = ("redis", "fhir", "clock", "secret-key", SETTINGS)
"""What a demonstration makes and the next one removes. Logs are kept."""


@contextmanager
def demo_folder(folder: Path) -> Iterator[Path]:
    """The folder as an absolute path, for this demonstration alone, cleared of what the one before it left.

    StateFolderProblem when the folder holds something that no demonstration made.
    """
    _refuse_anything_else(folder)
    with held(folder) as mine:
        _refuse_anything_else(mine)
        (mine / MARKER).touch()
        _end_left_over(mine)
        for name in OURS:
            _remove(mine / name)
        yield mine


def _refuse_anything_else(folder: Path) -> None:
    if not folder.is_dir() or (folder / MARKER).exists():
        return
    if any(each.name != LOCK for each in folder.iterdir()):
        raise StateFolderProblem(
            f"The folder {folder} holds other things, and each demonstration clears its folder. Nothing was touched."
            " Name a new or empty folder with --state-dir."
        )


def _end_left_over(folder: Path) -> None:
    """Servers of a demonstration that was killed; their data goes next, so they must not go on without it."""
    for server in (EmbeddedRedis(folder / "redis"), EmbeddedFhirServer(folder / "fhir")):
        if (server.data_dir / "server.json").exists():
            with suppress(EmbeddedServerFailed):
                server.start()
            server.stop()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
