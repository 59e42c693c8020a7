"""A real browser for tests: headless Chromium over its own DevTools protocol, one page, nothing kept.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.processes import PATIENCE, eventually

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
COMPLAINTS = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}


def browser_command() -> str:
    """The Chromium of this machine; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(NAMES)} (Debian's package is chromium)")
    return found


class Browser:
    """One page. What it complained about and what it asked for is kept from the moment it is opened."""

    def __init__(self, folder: Path) -> None:
        """`folder`: for the profile; empty."""
        self._folder = folder
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to start as root otherwise
        command = [browser_command(), *QUIET, *as_root, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._numbers = count(1)
        self._events: list[dict[str, Any]] = []
        self._open = ExitStack()
        self._page = self._connect()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self._process.terminate()
        self._process.wait(PATIENCE)

    def open(self, url: str) -> None:
        """Until the page has loaded, with everything that belongs to it."""
        self._events.clear()
        self.tell("Page.navigate", url=url)
        while not self._seen("Page.loadEventFired"):
            self._hear()

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """One key of a keyboard, down and up."""
        codes = {"Tab": 9, "Enter": 13}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            named = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
            self.tell("Input.dispatchKeyEvent", type=kind, **named, **text)

    def tell(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        number = next(self._numbers)
        self._page.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = self._hear()
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    @property
    def complaints(self) -> list[str]:
        """What stands in the console of the page."""
        return [json.dumps(each["params"]) for each in self._events if each["method"] in COMPLAINTS]

    @property
    def asked(self) -> list[str]:
        """Every address that the page made the browser ask for."""
        return [each["params"]["request"]["url"] for each in self._seen("Network.requestWillBeSent")]

    # --- inside

    def _connect(self) -> ClientConnection:
        told = self._folder / "DevToolsActivePort"
        port = eventually(lambda: told.exists() and told.read_text().split("\n")[0])
        pages = eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/json/list", trust_env=False).json())
        address = next(each["webSocketDebuggerUrl"] for each in pages if each["type"] == "page")
        return self._open.enter_context(connect(address, max_size=None, proxy=None))

    def _hear(self) -> dict[str, Any]:
        heard: dict[str, Any] = json.loads(self._page.recv(PATIENCE))
        if "method" in heard:
            self._events.append(heard)
        return heard

    def _seen(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self._events if each["method"] == event]
