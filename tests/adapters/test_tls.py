"""Mutual TLS and a private authority over real sockets; certificates that are renewed while we run."""

from datetime import UTC, datetime, timedelta

import pytest

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.probe import CAREFUL
from service.adapters.fhir.retry import Backoff
from service.adapters.fhir.tls import Tls, TlsProblem
from service.adapters.fhir_http import HttpFhirRecord
from service.app.doctor_access import access_settings
from service.app.record_access import record_access
from service.app.settings import load_settings
from service.app.wiring import open_record
from service.ports import RecordUnavailable, Search
from tests.adapters.tls_server import tls_server
from tests.certificates import Authority

ANYTHING = Search(kind="Task", params=())


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


def settings_for(server, **files):
    return load_settings({}, fhir_base_url=server.base_url, lease_seconds=5, **files)


def ask(settings):
    """As the processes do, but with little patience."""
    tls = record_access(settings).tls
    with FhirClient(settings.fhir_base_url, tls=tls, backoff=Backoff(patience=0.01)) as client:
        return list(HttpFhirRecord(client, CAREFUL).search(ANYTHING))


def test_a_server_of_a_private_authority_is_trusted_once_the_authority_is_named(authority):
    with tls_server(authority, asks_who=False) as server:
        with pytest.raises(RecordUnavailable):
            ask(settings_for(server))
        assert ask(settings_for(server, fhir_ca_file=authority.ca)) == []


def test_an_authority_of_the_same_name_but_another_key_is_not_believed(authority, tmp_path):
    impostor = Authority(tmp_path / "impostor")
    with tls_server(impostor, asks_who=False) as server, pytest.raises(RecordUnavailable):
        ask(settings_for(server, fhir_ca_file=authority.ca))
    assert server.callers == []


def test_a_server_that_asks_who_we_are_sees_our_certificate(authority):
    certificate, key = authority.issue("throughline")
    with tls_server(authority, asks_who=True) as server:
        with pytest.raises(RecordUnavailable):
            ask(settings_for(server, fhir_ca_file=authority.ca))
        files = {"fhir_client_certificate_file": certificate, "fhir_client_key_file": key}
        assert ask(settings_for(server, fhir_ca_file=authority.ca, **files)) == []
        assert server.callers == ["throughline"]


def test_certificate_and_key_may_stand_in_one_file(authority, tmp_path):
    certificate, key = authority.issue("throughline")
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    with tls_server(authority, asks_who=True) as server:
        ask(settings_for(server, fhir_ca_file=authority.ca, fhir_client_certificate_file=both))
        assert server.callers == ["throughline"]


def test_a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_does_no_harm(authority):
    certificate, key = authority.issue("before")
    files = {"fhir_client_certificate_file": certificate, "fhir_client_key_file": key}
    with (
        tls_server(authority, asks_who=True) as server,
        open_record(settings_for(server, fhir_ca_file=authority.ca, **files), reading_only=True) as record,
    ):
        list(record.search(ANYTHING))
        authority.issue("after")
        list(record.search(ANYTHING))
        certificate.write_text("half written")
        list(record.search(ANYTHING))
        assert server.callers == ["before", "after", "after"]


def test_files_that_cannot_be_used_are_told_by_name_and_never_shown(authority, tmp_path):
    certificate, _ = authority.issue("one")
    _, other = authority.issue("two", into="two")
    with pytest.raises(TlsProblem) as problem:
        Tls(certificate=certificate, key=other)
    assert str(problem.value) == (
        "tls.crt and its key cannot be used together: PEM, certificate first, key without a passphrase"
    )
    (tmp_path / "empty").touch()
    with pytest.raises(TlsProblem, match=r"^empty holds no certificate of an authority in PEM form$"):
        Tls(ca=tmp_path / "empty")


@pytest.mark.parametrize(
    ("in_days", "found"),
    [
        (300, []),
        (70, [("care", "ends")]),
        (10, [("bad", "ended")]),
    ],
)
def test_doctor_tells_a_certificate_that_ends_soon(authority, in_days, found):
    """Looked at as if fifty days had gone by."""
    certificate, key = authority.issue("throughline", days=in_days)
    settings = load_settings(
        {},
        fhir_base_url="https://record.example/fhir",
        fhir_client_certificate_file=certificate,
        fhir_client_key_file=key,
    )
    now = datetime.now(UTC) + timedelta(days=50)
    told = [(f.outcome.value, f.sentence) for f in access_settings(settings, now)]
    assert [(how, sentence.split()[4]) for how, sentence in told] == found
