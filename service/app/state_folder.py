"""The folder in which an all-in-one installation keeps its state: for one run at a time, never somebody else's files."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"
SETTINGS = "settings.toml"


class StateFolderProblem(Exception):
    """Use this when the state folder cannot be used; says why and which option names another one."""


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """The folder as an absolute path, made if need be; nobody else can hold it until the end of this process.

    StateFolderProblem when it cannot be written or another run holds it. The lock goes with the process that holds
    it, so that a crash leaves nothing to clean up.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as failure:
        raise StateFolderProblem(
            f"The folder {folder} cannot be used ({failure.strerror}). Name one that may be written with --state-dir."
        ) from None
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateFolderProblem(
                f"Another Throughline runs on the folder {folder}. Stop it, or name another folder with --state-dir."
            ) from None
        yield folder.resolve()


def write_settings(folder: Path, values: Mapping[str, str]) -> Path:
    """A settings file for the other commands, readable by its owner only; `values` by setting name."""
    path = folder / SETTINGS
    lines = "".join(
        f"{name.replace('_', '-')} = {json.dumps(value, ensure_ascii=False)}\n"
        for name, value in values.items()
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("# What the running installation works with; written anew at each start.\n" + lines)
    return path
