"""What Helm says at the end, and what `helm test` asks."""

from __future__ import annotations

import pytest

from tests.helm.chart import VALUE_SETS, notes, one, rendered, values_of, with_five


@pytest.mark.parametrize("path", VALUE_SETS, ids=lambda path: path.stem)
def test_the_notes_tell_the_next_step(path):
    said = notes(values_of(path.stem))
    assert "helm test tl --namespace care --logs" in said
    assert "throughline doctor" in said


def test_the_notes_say_what_is_not_as_it_should_be():
    trial = notes(values_of("trial"))
    assert "For trials only: Redis is the bundled one." in trial
    assert "publicUrl is not set: changes are found by catch-up only, every 60 seconds." in trial
    assert "accountablePractitioner is not set" in trial
    assert "networkPolicy.enabled is false" in notes(values_of("no-notifications"))
    assert "Narrow it with networkPolicy.egress.fhir.to." in notes(with_five())
    assert "Narrow it" not in notes(values_of("hospital"))
    assert "set ingress.enabled or gateway.enabled" in notes(with_five())


def test_helm_test_looks_with_the_eyes_of_doctor_and_asks_web():
    pod = one(rendered(with_five()), "Pod", "-doctor")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    doctor, ready = pod["spec"]["containers"]
    assert doctor["args"] == ["doctor"]
    assert ready["args"][-1] == "http://tl-throughline:80/readyz"


def test_the_notes_name_the_key_to_be_registered_and_the_door_for_hl7v2():
    smart = notes(values_of("smart"))
    assert "https://throughline.example.org/.well-known/jwks.json" in smart
    assert "exec deploy/tl-throughline-web -- throughline keys show" in smart
    messages = notes(values_of("messages"))
    assert "HL7 v2 comes in at tl-throughline-mllp.care, port 6661, over TLS" in messages
    assert "in clear" not in messages
    assert "names no sender" not in messages
    assert "names no sender" in notes({**values_of("messages"), "mappings": {"from": "image"}})
    assert "jwks" not in messages


def test_the_notes_say_what_travels_in_clear():
    values = {**values_of("messages"), "publicUrl": "http://throughline.example.org"}
    values["mllp"] = {"enabled": True, "tls": {"enabled": False}}
    said = notes(values)
    assert "publicUrl begins with http" in said
    assert "mllp.tls.enabled is false: it comes in clear" in said
    assert "begins with http" not in notes(with_five())
