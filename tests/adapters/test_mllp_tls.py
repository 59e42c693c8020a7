"""The certificate of the MLLP server is renewed under it, whole or not at all."""

from __future__ import annotations

from service.adapters.mllp_tls import ServerTls
from tests.certificates import Authority


def test_a_renewed_certificate_is_taken_once_and_half_of_one_is_not(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("mllp", into="server")
    tls = ServerTls(certificate, key, authority.ca)
    assert not tls.refresh()

    other, other_key = Authority(tmp_path / "other").issue("mllp")
    certificate.write_bytes(other.read_bytes())
    assert not tls.refresh()
    certificate.unlink()
    assert not tls.refresh()

    certificate.write_bytes(other.read_bytes())
    key.write_bytes(other_key.read_bytes())
    assert tls.refresh()
    assert not tls.refresh()


def test_a_renewed_certificate_that_cannot_be_used_is_told_once(tmp_path, caplog):
    certificate, key = Authority(tmp_path).issue("mllp", into="server")
    tls = ServerTls(certificate, key)

    certificate.write_text("no certificate")
    assert [tls.refresh(), tls.refresh()] == [False, False]

    [told] = caplog.messages
    assert told == "a renewed certificate cannot be used (SSLError); the former is shown"
