"""The strictest way in, from the values to a working process: a signed assertion, mutual TLS and a private authority."""

from __future__ import annotations

import json

import pytest

from service.adapters.fhir.signing import new_key
from tests.certificates import Authority
from tests.collector import collecting
from tests.helm.gatekeeper import gate
from tests.helm.kubelet import fetched
from tests.processes import eventually
from tests.sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


@pytest.fixture
def hospital(tmp_path):
    """A record of its own, for doctor judges all that stands in one."""
    server = Sandbox(data_dir=tmp_path / "hospital").start()
    yield server
    server.stop()


def smart(gatekeeper):
    return {
        "baseUrl": gatekeeper.base_url,
        "auth": {
            "method": "privateKey",
            "existingSecret": "fhir",
            "clientId": "throughline",
            "privateKeyKey": "now.pem",
            "privateKeyNextKey": "next.pem",
            "tokenUrl": gatekeeper.token_url,
        },
        "ca": {"configMap": "authorities"},
        "clientCertificate": {"existingSecret": "fhir-tls"},
    }


def test_web_publishes_the_keys_the_worker_gets_in_with_one_and_doctor_says_so(
    installation, hospital, authority
):
    certificate, key = authority.issue("throughline")
    held = {
        "fhir": {"now.pem": new_key(), "next.pem": new_key()},
        "fhir-tls": {"tls.crt": certificate.read_text(), "tls.key": key.read_text()},
        "authorities": {"ca.crt": authority.ca.read_text()},
    }
    with gate(hospital.base_url, authority) as gatekeeper, collecting() as collector:
        values = {"fhir": smart(gatekeeper), "held": held, "publicUrl": "", "accountablePractitioner": ""}
        values["traces"] = {"endpoint": f"{collector.address}/v1/traces"}
        [web] = installation("web", **values)
        web.wait_until_ready()
        gatekeeper.keys_at = f"{web.url()}/.well-known/jwks.json"
        assert len(json.loads(fetched(gatekeeper.keys_at))["keys"]) == 2

        [worker] = installation("worker", **values)
        worker.wait_until_ready()
        assert json.loads(fetched(f"{worker.url('metrics')}/readyz"))["checks"]["record"] == "ok"
        issued = 'throughline_fhir_token_requests_total{outcome="issued"} 1.0'
        assert issued in fetched(f"{worker.url('metrics')}/metrics")

        [doctor] = installation("doctor", **values)
        eventually(lambda: not doctor.containers[0].is_running())
        said = doctor.containers[0].output()
        assert "The token server lets us in with our key" in said
        assert "The collector takes our traces" in said
        assert doctor.containers[0].process.returncode == 0, said
        assert gatekeeper.refused == 0

        worker.stop()
        assert {"FHIR GET metadata"} <= set(collector.spans)
