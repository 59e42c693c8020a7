"""Requests made up from /openapi.json, lawful and not: none of them makes the web process fail.

A real web process on a real Redis and a real FHIR server, so that every route that is added later is tried as well.
"""

import os
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from service.app.subscriptions import secret, token
from tests.processes import PATIENCE, ServiceProcesses, eventually

pytestmark = pytest.mark.slow

KEY = b"tests-only-tests-only-tests-only"
EXAMPLES = 20
"""For each operation and kind of request; the whole is bounded by their number."""


@pytest.fixture(scope="module")
def web(sandbox, valkey, tmp_path_factory):
    environment = {"THROUGHLINE_SECRET_KEY": KEY.decode(), "THROUGHLINE_KEY_PREFIX": f"api-{os.getpid()}:"}
    folder = tmp_path_factory.mktemp("api")
    processes = ServiceProcesses(sandbox.base_url, valkey.url, env=environment, folder=folder)
    with processes.running("web"):
        eventually(lambda: _is_up(processes.web_url))
        yield processes


def _is_up(url):
    try:
        return httpx.get(f"{url}/livez", timeout=PATIENCE, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _operations(web):
    described = httpx.get(f"{web.web_url}/openapi.json", timeout=PATIENCE, trust_env=False).json()
    schema = schemathesis.openapi.from_dict(described)
    results: list[Any] = list(schema.get_all_operations())
    return [found.ok() for found in results]


def _takes_something(operation):
    """Without parameters and body there is nothing to be made unlawful."""
    return bool(list(operation.iter_parameters()) or list(operation.body))


def _from_a_known_sender(case):
    """With the right address and secret, so that a request comes further than the door."""
    if "token" in (case.path_parameters or {}):
        case.path_parameters["token"] = token(KEY, "encounters")
        case.headers["Authorization"] = f"Bearer {secret(KEY, 'encounters')}"
    return case


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_request_that_can_be_made_up_makes_the_web_process_fail(web, mode):
    tried = 0
    session = requests.Session()
    session.trust_env = False
    for operation in _operations(web):
        if mode is GenerationMode.NEGATIVE and not _takes_something(operation):
            continue
        made_up = operation.as_strategy(generation_mode=mode)

        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
            phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(made_up, st.booleans())
        def holds(case, is_known):
            nonlocal tried
            answer = (_from_a_known_sender(case) if is_known else case).call(
                base_url=web.web_url, session=session, timeout=30
            )
            tried += 1
            assert answer.status_code < 500, f"{case.method} {case.path}: {answer.status_code}"
            assert "Traceback" not in answer.text

        holds()
    assert tried >= EXAMPLES
    assert web.is_running("web")
    assert _is_up(web.web_url)


def test_the_description_lists_what_the_process_answers(web):
    paths = {operation.path for operation in _operations(web)}
    assert {"/livez", "/readyz", "/metrics", "/.well-known/jwks.json", "/notifications/{token}"} <= paths
