"""Which references are literal ones on the record's own server."""

from __future__ import annotations

import pytest

from service.fhir.references import codings, relative_reference

BASE = "https://fhir.clinic.example/r4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/ada", "Patient/ada"),
        ("Patient/ada/_history/7", "Patient/ada"),
        (f"{BASE}/Patient/ada", "Patient/ada"),
        (f"{BASE}/Patient/ada/_history/7", "Patient/ada"),
        ("https://elsewhere.example/r4/Patient/ada", None),
        (f"{BASE}-other/Patient/ada", None),
        ("urn:uuid:36e460df-5917-582a-9d4a-416bb2cf608e", None),
        ("#contained", None),
        ("Patient?identifier=1", None),
        ("Patient/", None),
        ("Patient/a b", None),
        ("patient/ada", None),
        ("Patient/ada\n", None),
        ("Patient/" + "x" * 65, None),
        ("Patient/.", None),
        ("Patient/..", None),
        (f"{BASE}/Patient/..", None),
        ("Patient/../_history/7", None),
        ("Patient/...", "Patient/..."),
        ("Patient/a..b", "Patient/a..b"),
        (None, None),
        (7, None),
    ],
)
def test_only_references_on_the_own_server_are_literal(text, expected):
    assert relative_reference(text, BASE) == expected
    assert relative_reference(text, BASE + "/") == expected


def test_without_a_base_absolute_references_are_not_understood():
    assert relative_reference("https://fhir.clinic.example/r4/Patient/ada") is None


def test_codings_of_odd_json_are_left_out():
    odd = [{"coding": [{"code": 7}, "x", {"code": "a"}, {"system": 1, "code": "b"}]}, None, {"coding": "y"}]

    assert list(codings(odd)) == [(None, "a"), (None, "b")]
