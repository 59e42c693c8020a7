"""`throughline up`: brings everything up, asks the FHIR server for notifications, and stays until it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from service.adapters.clocks import SystemClock
from service.adapters.waiting import wait_until
from service.app.examination import impatient
from service.app.orderly_end import orderly_end, wait_for_interrupt
from service.app.our_subscriptions import open_subscriptions
from service.app.settings import FILE_VARIABLE, Settings
from service.app.state_folder import SETTINGS, held
from service.app.subscription_files import read_subscriptions
from service.app.subscriptions import Action, Step
from service.app.up import Installation, bring_up, child_settings
from service.app.wiring import read_library
from service.ports import RecordFailure, RecordUnavailable

ASK_AGAIN_AFTER = 2.0
ASK_FOR = 60.0
"""Seconds for which an unreachable FHIR server is asked again before the demonstration goes on without subscriptions."""
FOR_EVER = float("inf")


def run_until_stopped(
    settings: Settings, state_dir: Path, told: Callable[[str], None], *, subscribe: bool = True
) -> None:
    """Everything, until Ctrl-C or SIGTERM. KeyboardInterrupt when that came before everything was up."""
    settings.need("fhir_base_url")
    # Files with errors end every process at once; better said here, once and in words.
    read_library(settings, today=SystemClock(settings.zone).now().date())
    read_subscriptions(settings.subscriptions, settings.fhir_server)
    with orderly_end(), held(state_dir) as folder:
        installation = bring_up(settings, folder, told)
        try:
            tell_addresses(settings, installation, told)
            if subscribe:
                ask_for_notifications(child_settings(settings, installation), told, within=FOR_EVER)
            wait_for_interrupt()
        except KeyboardInterrupt:
            told("Stopping: work in hand is finished first …")
        finally:
            installation.stop()
    told("Stopped.")


def ask_for_notifications(
    settings: Settings, told: Callable[[str], None], *, within: float = ASK_FOR
) -> None:
    """Create or mend our Subscriptions. Without them changes are still found, by catch-up, so this never stops us."""
    asking = _Asking(settings)
    if not asking():
        told(f"No subscriptions yet, asking again until the FHIR server answers. {asking.failure}")
        wait_until(asking, within=within, every=ASK_AGAIN_AFTER)
    if asking.failure is None:
        told(_summary(asking.steps))
    else:
        told(f"No subscriptions ({asking.failure}). Changes are found by catch-up.")


class _Asking:
    """Asks once per call; done when the server has answered, whatever it said."""

    def __init__(self, settings: Settings) -> None:
        self._settings = impatient(settings)
        self.steps: list[Step] = []
        self.failure: RecordFailure | None = None

    def __call__(self) -> bool:
        try:
            with open_subscriptions(self._settings) as opened:
                self.steps, self.failure = opened.ours.apply(), None
        except RecordUnavailable as failure:
            self.failure = failure
            return False
        except RecordFailure as failure:
            self.failure = failure
        return True


def tell_addresses(settings: Settings, installation: Installation, told: Callable[[str], None]) -> None:
    """Where to look, and how other commands find this installation."""
    told(f"Throughline is up. Pages: {installation.web_url}/  ·  readiness: {installation.web_url}/readyz")
    told(f"Record: {settings.fhir_base_url}  ·  logs: {installation.supervisor.log_dir}")
    told(f"Other commands: export {FILE_VARIABLE}={installation.state_dir / SETTINGS}")
    told("Stop with Ctrl-C.")


def _summary(steps: list[Step]) -> str:
    if not steps:
        return (
            "Subscriptions: none, because this kind of server tells nothing. Changes are found by catch-up."
        )
    changed = sum(step.action is not Action.KEEP and not step.failed for step in steps)
    refused = [step.name for step in steps if step.failed]
    differ = [step.name for step in steps if step.differs]
    text = f"Subscriptions: {len(steps)} asked for, {changed} created or changed."
    if differ:
        text += f" The server keeps these otherwise than asked: {', '.join(differ)} (throughline subscriptions status)."
    if refused:
        text += f" The server refused these: {', '.join(refused)} (throughline subscriptions apply says why)."
    return text
