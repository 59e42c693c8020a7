"""When certificates end, as metrics show it: read anew each time, and never silent about one that cannot be read."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from service.app.certificates import CertificateMetrics, first_end, mllp_certificates, record_certificates
from service.app.settings import load_settings
from tests.certificates import Authority


def shown(registry, name):
    return registry.get_sample_value(
        "throughline_certificate_expiry_timestamp_seconds", {"certificate": name}
    )


def test_a_renewed_certificate_shows_its_own_end_and_one_that_cannot_be_read_shows_0(tmp_path):
    authority = Authority(tmp_path)
    certificate, _ = authority.issue("throughline", days=3)
    registry = CollectorRegistry()
    CertificateMetrics(registry, {"fhir-client": certificate, "fhir-authority": tmp_path / "nothing"})
    near = shown(registry, "fhir-client")

    authority.issue("throughline", days=90)
    assert shown(registry, "fhir-client") > near + timedelta(days=80).total_seconds()
    assert shown(registry, "fhir-authority") == 0
    certificate.write_text("no certificate")
    assert shown(registry, "fhir-client") == 0


def test_of_several_in_one_file_the_first_to_end_counts(tmp_path):
    authority = Authority(tmp_path)
    short, _ = authority.issue("short", into="short", days=3)
    both = tmp_path / "both.pem"
    both.write_bytes(authority.ca.read_bytes() + short.read_bytes())
    assert first_end(both) == first_end(short) < first_end(authority.ca)


def test_only_what_the_settings_name_is_looked_at(tmp_path):
    file = str(tmp_path / "a.pem")
    settings = load_settings({}, fhir_ca_file=file, mllp_tls_certificate=file)
    assert list(record_certificates(settings)) == ["fhir-authority"]
    assert list(mllp_certificates(settings)) == ["mllp"]
    assert record_certificates(load_settings({})) == mllp_certificates(load_settings({})) == {}
