"""`throughline up`: brings everything up, asks the FHIR server for notifications, and stays until it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from service.adapters.waiting import wait_until
from service.app.examination import open_subscriptions
from service.app.settings import Settings
from service.app.subscriptions import Action, Step
from service.app.up import Installation, bring_up, child_settings, wait_for_interrupt
from service.ports import RecordFailure, RecordUnavailable

ASK_AGAIN_AFTER = 2.0
ASK_FOR = 60.0
"""Seconds for which an unreachable FHIR server is asked again before we go on without subscriptions."""


def run_until_stopped(
    settings: Settings, state_dir: Path, told: Callable[[str], None], *, subscribe: bool = True
) -> None:
    """Everything, until Ctrl-C or SIGTERM."""
    settings.need("fhir_base_url")
    installation = bring_up(settings, state_dir, told)
    try:
        if subscribe:
            ask_for_notifications(child_settings(settings, installation), told)
        tell_addresses(settings, installation, told)
        wait_for_interrupt()
        told("Stopping: work in hand is finished first …")
    finally:
        installation.stop()


def ask_for_notifications(settings: Settings, told: Callable[[str], None]) -> None:
    """Create or mend our Subscriptions. Without them changes are still found, by catch-up, so this never stops us."""
    asking = _Asking(settings)
    wait_until(asking, within=ASK_FOR, every=ASK_AGAIN_AFTER)
    if asking.failure is None:
        told(_summary(asking.steps))
    else:
        told(f"No subscriptions yet ({asking.failure}). Until then changes are found by catch-up.")


class _Asking:
    """Asks once per call; done when the server has answered, whatever it said."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.steps: list[Step] = []
        self.failure: RecordFailure | None = None

    def __call__(self) -> bool:
        try:
            with open_subscriptions(self._settings) as ours:
                self.steps, self.failure = ours.apply(), None
        except RecordUnavailable as failure:
            self.failure = failure
            return False
        except RecordFailure as failure:
            self.failure = failure
        return True


def tell_addresses(settings: Settings, installation: Installation, told: Callable[[str], None]) -> None:
    """Where to look."""
    told(f"Throughline is up. Pages: {installation.web_url}/  ·  readiness: {installation.web_url}/readyz")
    told(f"Record: {settings.fhir_base_url}  ·  logs: {installation.supervisor.log_dir}  ·  stop with Ctrl-C")


def _summary(steps: list[Step]) -> str:
    changed = sum(step.action is not Action.KEEP for step in steps)
    differ = [step.name for step in steps if step.differs]
    text = f"Subscriptions: {len(steps)} asked for, {changed} created or changed."
    if differ:
        text += f" The server keeps these otherwise than asked: {', '.join(differ)} (throughline subscriptions status)."
    return text
