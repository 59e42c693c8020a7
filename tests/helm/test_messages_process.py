"""`mllp` as the chart starts it: heard over TLS by those who may, stored, drained in order, and judged by its probes."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest

from service.adapters.embedded import EmbeddedRedis
from service.adapters.mllp_frames import framed
from service.adapters.redis_connection import Keys, connect
from service.adapters.redis_inbox import RedisInbox
from tests.certificates import Authority
from tests.helm.chart import environment
from tests.messages import an_adt
from tests.processes import PATIENCE, eventually, free_port

pytestmark = pytest.mark.slow
SENDERS = "senders:\n  a: {accepts: [hl7v2], application: ADTApp, facility: GHHSFacility}\n"
NETWORK = {"ingress": {"mllp": [{"ipBlock": {"cidr": "192.0.2.7/32"}}]}}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


@pytest.fixture
def mllp(installation, authority):
    """Starts the pod; its certificate and the authority of its clients stand in the Secret that the values name."""
    certificate, key = authority.issue("mllp", into="server")
    held = {
        "tls.crt": certificate.read_text(),
        "tls.key": key.read_text(),
        "clients": authority.ca.read_text(),
    }

    def start(**more):
        [pod] = installation(
            "mllp",
            held={"mllp-tls": held},
            mllp={"enabled": True, "tls": {"existingSecret": "mllp-tls", "clientCaKey": "clients"}},
            mappings={"from": "files", "files": {"senders.yaml": SENDERS}},
            networkPolicy=NETWORK,
            **more,
        )
        return pod.wait_until_ready()

    return start


@contextmanager
def connection(pod, authority, *, with_certificate=True):
    context = ssl.create_default_context(cafile=authority.ca)
    if with_certificate:
        context.load_cert_chain(*authority.issue("interface engine", into="client"))
    port = pod.containers[0].ports["mllp"]
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as line:
        yield line


def answer(line):
    """MSA-1 of the next acknowledgement; empty when the other side has hung up."""
    heard = b""
    while not heard.endswith(b"\x1c\r"):
        more = line.recv(4096)
        if not more:
            return ""
        heard += more
    return next(part for part in heard.decode().split("\r") if part.startswith("MSA")).split("|")[1]


def waiting(pod, url):
    with connect(url) as client:
        keys = Keys(prefix=environment(pod.pod)["THROUGHLINE_KEY_PREFIX"])
        return RedisInbox(client, keys, consumer="test", left_behind_after=timedelta(seconds=30)).size()


def test_a_message_is_acknowledged_when_it_is_stored_and_the_one_in_hand_is_finished_when_the_pod_ends(
    mllp, authority, valkey
):
    pod = mllp()
    with connection(pod, authority) as line:
        line.sendall(framed(an_adt(control_id="1")))
        assert answer(line) == "AA"
        assert waiting(pod, valkey.url) == 1

        second = framed(an_adt(control_id="2", visit="V2^^^GHHVISIT"))
        line.sendall(second[:40])
        ended: list[list[int]] = []
        ending = threading.Thread(target=lambda: ended.append(pod.stop()))
        ending.start()
        eventually(lambda: not accepts(pod))
        line.sendall(second[40:])
        assert answer(line) == "AA"
        assert answer(line) == ""
        ending.join(PATIENCE)

    assert ended == [[0]]
    assert waiting(pod, valkey.url) == 2
    assert "Lovelace" not in pod.output()


def accepts(pod):
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", pod.containers[0].ports["mllp"])) == 0


def test_a_renewed_certificate_is_shown_without_a_restart(mllp, authority):
    pod = mllp()
    folder = pod.containers[0].folders["/etc/throughline/mllp-tls"]
    with connection(pod, authority) as line:
        before = line.getpeercert()["serialNumber"]
    for new, name in zip(authority.issue("mllp", into="server"), ("tls.crt", "tls.key"), strict=True):
        (folder / name).write_bytes(new.read_bytes())

    def shown():
        with connection(pod, authority) as line:
            return line.getpeercert()["serialNumber"]

    assert eventually(lambda: shown() != before)
    assert "a renewed certificate is shown from now on" in pod.output()


def test_whoever_shows_no_certificate_is_not_heard(mllp, authority, valkey):
    pod = mllp()
    assert told_a_stranger(pod, authority) == ""
    assert waiting(pod, valkey.url) == 0


def told_a_stranger(pod, authority):
    """What somebody without a certificate is answered; empty when the connection ends, in whichever way."""
    try:
        with connection(pod, authority, with_certificate=False) as line:
            line.sendall(framed(an_adt()))
            return answer(line)
    except (ssl.SSLError, ConnectionError):
        return ""


def test_a_redis_that_is_away_takes_the_pod_out_of_the_service_and_restarts_nobody(mllp, tmp_path):
    with EmbeddedRedis(tmp_path / "redis") as server:
        pod = mllp(redis_url=server.url)
        [container] = pod.containers
        ready, alive = (container.described[f"{name}Probe"] for name in ("readiness", "liveness"))

        server.kill()
        eventually(lambda: not container.answers(ready), every=0.2)
        assert container.is_running()
        assert container.answers(alive)

        server.revive()
        eventually(lambda: container.answers(ready), every=0.2)


def test_the_helm_test_asks_whether_it_listens(mllp, installation):
    """The address is the Service's, which here is the pod's own."""
    port = mllp().containers[0].ports["mllp"]
    values = {"mllp": {"enabled": True, "tls": {"enabled": False}}, "networkPolicy": NETWORK}
    [doctor] = installation("doctor", **values)
    asking = doctor.containers[2]
    assert asking.described["args"][1:] == ["tl-throughline-mllp", "2575"]
    assert [result(asking, str(each)) for each in (port, free_port())] == [0, 1]


def result(asking, port):
    asking.kill()
    asking.described["args"][1:] = ["127.0.0.1", port]
    asking.start()
    eventually(lambda: not asking.is_running())
    return asking.process.returncode


def test_a_folder_without_senders_ends_it_with_what_to_do(installation):
    [pod] = installation(
        "mllp", mllp={"enabled": True, "tls": {"enabled": False}}, networkPolicy=NETWORK
    )  # the folder of the image, which names nobody
    [container] = pod.containers
    eventually(lambda: not container.is_running())
    assert "list a sender with `accepts: [hl7v2]` in senders.yaml" in container.output()


def test_doctor_knows_in_any_pod_that_certificates_of_senders_are_checked(installation):
    """Without that it would say that nobody's certificate is looked at, and `helm test` would fail."""
    bound = SENDERS.replace("}", ', certificates: ["DNS:engine.example"]}')
    values = {"mappings": {"from": "files", "files": {"senders.yaml": bound}}, "networkPolicy": NETWORK}
    said = {key: looked(installation, key, values) for key in ("clients", "")}
    assert ["nobody's certificate would be looked at" in each for each in said.values()] == [False, True]


def looked(installation, key, values):
    """What doctor says where that key of the Secret holds the authority of clients."""
    tls = {"existingSecret": "mllp-tls", "clientCaKey": key}
    [doctor] = installation("doctor", mllp={"enabled": True, "tls": tls}, **values)
    eventually(lambda: not doctor.containers[0].is_running())
    return " ".join(doctor.containers[0].output().split())
