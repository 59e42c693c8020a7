"""Says how many cases were tried, and fails a long run that tried fewer than it was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fuzz.cases import asked_for, is_long, tried


def pytest_sessionfinish(session: pytest.Session) -> None:
    if is_long() and session.testsfailed == 0 and sum(tried.values()) < asked_for():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not is_long():
        return
    for name, count in sorted(tried.items()):
        terminalreporter.write_line(f"{count:>8,} {name}")
    total = sum(tried.values())
    short = "" if total >= asked_for() else f", fewer than the {asked_for():,} that were asked for"
    terminalreporter.write_line(f"{total:>8,} cases tried{short}")
