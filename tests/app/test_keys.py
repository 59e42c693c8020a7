"""`throughline keys`: a key is made once, readable by its owner only, and only its public half is ever shown."""

import json
import stat

from service.adapters.fhir.signing import new_key, signing_key
from service.app.exits import Exit
from tests.app.test_cli import throughline

ID = "THROUGHLINE_FHIR_AUTH_CLIENT_ID"
KEY = "THROUGHLINE_FHIR_AUTH_PRIVATE_KEY"


def test_a_new_key_is_readable_by_its_owner_only_and_can_be_used(tmp_path):
    file = tmp_path / "key.pem"
    made = throughline("keys", "new", file)
    assert made.exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = signing_key(file.read_text())
    assert key.algorithm == "ES384"
    assert key.key_id in made.output
    assert "PRIVATE KEY" not in made.output.replace("_PRIVATE_KEY_", "")


def test_a_key_is_never_written_over(tmp_path):
    file = tmp_path / "key.pem"
    file.write_text("precious")
    refused = throughline("keys", "new", file)
    assert refused.exit_code == Exit.USAGE
    assert "exists already, and a key is never overwritten: name another file" in refused.output
    assert file.read_text() == "precious"


def test_the_public_halves_are_shown_as_a_set_to_register(tmp_path):
    file = tmp_path / "key.pem"
    made = json.loads(throughline("keys", "new", file, "--json").output)
    later = new_key()
    shown = throughline("keys", "show", **{f"{KEY}_FILE": str(file), f"{KEY}_NEXT": later})
    keys = json.loads(shown.output)["keys"]
    assert keys[:1] == made["keys"]
    assert [key["kid"] for key in keys] == [made["keys"][0]["kid"], signing_key(later).key_id]
    assert all("d" not in key for key in keys)


def test_a_key_that_cannot_be_used_is_one_line_with_the_setting():
    refused = throughline("keys", "show", **{KEY: "hello"})
    assert refused.exit_code == Exit.SETTINGS
    assert f"{KEY} cannot be used: it holds no private key in PEM form" in refused.output


def test_a_process_does_not_start_with_settings_that_contradict_each_other(valkey):
    refused = throughline(
        "worker",
        THROUGHLINE_FHIR_BASE_URL="http://127.0.0.1:1/fhir",
        THROUGHLINE_REDIS_URL=valkey.url,
        THROUGHLINE_FHIR_AUTH_TOKEN="x",
        **{ID: "us", KEY: new_key()},
    )
    assert refused.exit_code == Exit.SETTINGS
    assert "but the FHIR server can be shown only one: unset the others." in refused.output
