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


def live(base_url, **credentials):
    """What `make test-live` runs, with nothing of this environment but the credentials."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("THROUGHLINE_", "PYTEST_"))}
    environment = inherited | credentials | {"THROUGHLINE_LIVE_FHIR": base_url}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "live", "tests/live"]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("way", WAYS)
def test_the_live_suite_passes_and_cleans_up_after_itself(server, way):
    before = held(server)
    done = live(server.base_url, **WAYS[way])
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert "The server kept" not in done.stdout
    assert held(server) == before


WRONG = {
    "no credentials": ("/fhir", {}, "the FHIR server does not let us (401, login)"),
    "a wrong token": ("/fhir", {"THROUGHLINE_FHIR_AUTH_TOKEN": "guessed"}, "Check the THROUGHLINE_FHIR_AUTH_… settings"),
    "a wrong secret": (
        "/fhir",
        {"THROUGHLINE_FHIR_AUTH_CLIENT_ID": "secretive", "THROUGHLINE_FHIR_AUTH_CLIENT_SECRET": "guessed"},
        "The token server gave no token (401, invalid_client). Check THROUGHLINE_FHIR_AUTH_CLIENT_ID",
    ),
    "a wrong path": ("/elsewhere", WAYS["a bearer token"], "the base address of a FHIR server?"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_the_server_or_the_credentials_is_said_once_and_in_words(server, what):
    path, credentials, words = WRONG[what]
    done = live(server.base_url.removesuffix("/fhir") + path, **credentials)

    assert done.returncode == 1
    assert words in done.stdout
    assert "throughline doctor --fhir" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stdout.splitlines()) <= 6
    assert "guessed" not in done.stdout
