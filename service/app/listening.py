"""Whether we may listen at our own address: asked before anything starts, so that the answer is one plain sentence."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress


class CannotListen(Exception):
    """Use this when the web process could not listen; the message says which option to change."""


def check_address(host: str, port: int, *, option: str = "") -> None:
    """CannotListen when somebody listens there already, or we may not; `option` names the setting, `--port` if empty."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does
            probe.bind((host, port))
    except OSError as failure:
        raise CannotListen(_why(failure, host, port, option)) from None


def first_free(host: str, port: int, *, tries: int = 20) -> int:
    """The first port from `port` on at which we may listen; CannotListen about `port` when none of so many is free."""
    for each in range(port, port + tries):
        with suppress(CannotListen):
            check_address(host, each)
            return each
    check_address(host, port)
    return port


def _why(failure: OSError, host: str, port: int, option: str) -> str:
    if failure.errno == errno.EADDRINUSE:
        another = f"{option}={port + 1}" if option else f"--port {port + 1}"
        return f"Port {port} on {host} is taken by another program. Choose another one, e.g. {another}."
    if failure.errno == errno.EACCES:
        above = f"{option}=9090" if option else "--port 8080"
        return f"Port {port} may not be used by this account. Choose one above 1023, e.g. {above}."
    return (
        f"This machine cannot listen at {host}. Choose an address of its own, e.g. --host 127.0.0.1"
        " (or 0.0.0.0 for every address)."
    )
