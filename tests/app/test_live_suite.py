"""`make test-live` as somebody uses it: let in by each kind of credential from the environment, and leaving nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.adapters.embedded import EmbeddedFhirServer
from service.adapters.fhir.signing import jwk_set, new_key, signing_key
from tests.processes import ROOT, free_port

pytestmark = pytest.mark.slow

KEY = new_key()
KINDS = (
    "Basic", "Patient", "Practitioner", "Encounter", "CarePlan", "Task", "Communication", "Provenance",
)  # fmt: skip
WAYS = {
    "a bearer token": {"THROUGHLINE_FHIR_AUTH_TOKEN": "live-token"},
    "client credentials": {
        "THROUGHLINE_FHIR_AUTH_CLIENT_ID": "secretive",
        "THROUGHLINE_FHIR_AUTH_CLIENT_SECRET": "s3cret",
    },
    "private_key_jwt": {"THROUGHLINE_FHIR_AUTH_CLIENT_ID": "keyed", "THROUGHLINE_FHIR_AUTH_PRIVATE_KEY": KEY},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    auth = {
        "types": ["smart", "bearer"],
        "tokens": ["live-token"],
        "smart_clients": [
            {"client_id": "secretive", "client_secret": "s3cret"},
            {"client_id": "keyed", "jwks": jwk_set(signing_key(KEY))},
        ],
    }
    folder: Path = tmp_path_factory.mktemp("live")
    with EmbeddedFhirServer(folder, free_port(), settings={"server_auth": auth}) as server:
        yield server


def held(server):
    def total(kind):
        answer = httpx.get(
            f"{server.base_url}/{kind}?_summary=count",
            headers={"Authorization": "Bearer live-token"},
            trust_env=False,
        )
        return answer.json()["total"]

    return {kind: total(kind) for kind in KINDS}


@pytest.mark.parametrize("way", WAYS)
def test_the_live_suite_passes_and_cleans_up_after_itself(server, way):
    before = held(server)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("THROUGHLINE_", "PYTEST_"))}
    environment = inherited | WAYS[way] | {"THROUGHLINE_LIVE_FHIR": server.base_url}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "live", "tests/live"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert "The server kept" not in done.stdout
    assert held(server) == before
