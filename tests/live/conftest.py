"""Says in one line why the server cannot be tried, instead of failing each test with everything that led there."""

from __future__ import annotations

import os
from http import HTTPStatus

import pytest

from service.adapters.fhir.probe import CAREFUL
from service.adapters.fhir_http import HttpFhirRecord
from service.app.settings import SettingsProblem, load_settings
from service.app.wiring import make_client
from service.ports import RecordFailure, Search

NOBODY = Search(kind="Task", params=(("_id", "throughline-live-test"),))


@pytest.fixture(scope="session", autouse=True)
def _reachable() -> None:
    """Ends the run when the server cannot be reached, or does not let us read what every worker reads."""
    base = os.environ["THROUGHLINE_LIVE_FHIR"]
    try:
        with make_client(load_settings(fhir_base_url=base)) as client:
            list(HttpFhirRecord(client, CAREFUL).search(NOBODY))
    except SettingsProblem as problem:
        pytest.exit(str(problem), returncode=1)
    except RecordFailure as problem:
        doubt = (
            f" Is {base} the base address of a FHIR server?" if problem.status == HTTPStatus.NOT_FOUND else ""
        )
        pytest.exit(f"{problem}{doubt} {MORE.format(base)}", returncode=1)


MORE = "`throughline doctor --fhir {}` says more."
