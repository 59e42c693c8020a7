"""The doorbell as a worker sees it: it can also say that it has come."""

from __future__ import annotations

from typing import Protocol

from service.ports import Doorbell


class AnsweredBell(Doorbell, Protocol):
    """ports.Doorbell from the worker's side."""

    def answer_inbox(self) -> None: ...

    def catch_up_has_begun(self) -> None: ...

    def answer_catch_up(self) -> None: ...
