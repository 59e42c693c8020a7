"""The key of an all-in-one installation, from which subscription tokens and secrets derive."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def installation_key(state_dir: Path) -> str:
    """The key kept in `state_dir`, made at the first start; readable by its owner only."""
    path = state_dir / "secret-key"
    state_dir.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_hex(KEY_BYTES))
    return path.read_text(encoding="utf-8").strip()
