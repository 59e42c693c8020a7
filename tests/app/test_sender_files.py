"""senders.yaml: what is read, and how each mistake is told."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.app.sender_files import SendersProblem, read_senders
from service.app.senders import sender_token, trusted
from service.fhir.messages.content import Sender

UTC = ZoneInfo("UTC")
GUIDE = Path(__file__).parents[2] / "docs/messages.md"


def read(tmp_path: Path, text: str) -> tuple[Sender, ...]:
    (tmp_path / "senders.yaml").write_text(text, encoding="utf-8")
    return read_senders(tmp_path, UTC)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(SendersProblem) as refused:
        read(tmp_path, text)
    return [f"{p.line}:{p.column} {p.code}: {p.message} → {p.help}" for p in refused.value.problems]


def test_without_a_file_nobody_may_send(tmp_path):
    assert read_senders(tmp_path, UTC) == ()


def test_the_example_of_the_guide_is_read(tmp_path):
    example = GUIDE.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    clinic, general = read(tmp_path, example)

    assert general == Sender(
        name="general-hospital",
        zone=ZoneInfo("America/Denver"),
        may_post=True,
        endpoints=frozenset({"https://hospital.example/messages"}),
        application="ADTApp",
        facility="GHHSFacility",
        certificates=frozenset({"DNS:engine.hospital.example"}),
        processing=frozenset({"P"}),
        match_on=("https://hospital.example/mrn",),
        authorities={
            "GHH": "https://hospital.example/mrn",
            "2.16.840.1.113883.19.5": "https://hospital.example/visit",
        },
        code_systems={"99WARD": "https://hospital.example/fhir/CodeSystem/ward"},
    )
    assert (clinic.name, clinic.may_post, clinic.application, clinic.zone) == (
        "clinic",
        False,
        "Ntierprise",
        UTC,
    )


def test_a_sender_without_a_feed_of_hl7_has_no_header(tmp_path):
    [sender] = read(
        tmp_path, "senders:\n  a:\n    accepts: fhir-messages\n    application: X\n    facility: Y\n"
    )

    assert (sender.may_post, sender.application) == (True, "")


MISTAKES = {
    "no list": ("sender: {}\n", ["1:1 unknown-key: 'sender' is no key of this file → put it under senders:",
                                 "1:1 no-senders: 'senders' is missing → list them by name under it"]),
    "a name with capitals": (
        "senders:\n  GHH: {accepts: hl7v2}\n",
        ["2:3 bad-name: 'GHH' is no name → use lower-case letters, digits and hyphens"],
    ),
    "nothing accepted": (
        "senders:\n  a: {why: because}\n",
        ["2:3 missing-key: 'a' lacks 'accepts' → fhir-messages or hl7v2"],
    ),
    "no header": (
        "senders:\n  a: {accepts: [hl7v2]}\n",
        [
            "2:3 missing-key: 'a' lacks 'application' → the sending application as it stands in MSH-3",
            "2:3 missing-key: 'a' lacks 'facility' → the sending facility as it stands in MSH-4",
        ],
    ),
    "unknown key": (
        "senders:\n  a: {accepts: fhir-messages, token: x}\n",
        [
            ("2:31 unknown-key: 'token' is no key here → one of accepts, application, authorities, certificates, code-systems,"
            " endpoints, facility, match-on, processing, timezone, why")
        ],
    ),
    "a time zone of nowhere": (
        "senders:\n  a: {accepts: fhir-messages, timezone: Mars/Base}\n",
        ["2:41 bad-value: 'Mars/Base' is no time zone → write a name such as America/Denver"],
    ),
    "an authority that is no system": (
        "senders:\n  a:\n    accepts: fhir-messages\n    authorities: {GHH: mrn}\n",
        ["4:24 bad-value: 'mrn' cannot stand for 'authorities' → write an identifier system, beginning with http or urn:"],
    ),
    "authorities as a list": (
        "senders:\n  a:\n    accepts: fhir-messages\n    authorities: [GHH]\n",
        ["4:5 bad-value: 'authorities' is a list of names and URLs → write name: URL under it"],
    ),
    "a certificate by a word": (
        "senders:\n  a: {accepts: hl7v2, application: X, facility: Y, certificates: [engine]}\n",
        [
            ("2:67 bad-value: 'engine' cannot stand for 'certificates' → write a name in its certificate: DNS:, URI:, email:, IP:"
            " or CN: before it")
        ],
    ),
    "a certificate where there is no line": (
        "senders:\n  a: {accepts: fhir-messages, certificates: ['CN:engine']}\n",
        [
            "2:31 unused-key: 'a' sends no hl7v2, and certificates are looked at nowhere else → remove it, or accept hl7v2 too"
        ],
    ),
    "one header twice": (
        "senders:\n  a: {accepts: hl7v2, application: X, facility: Y}\n  b: {accepts: hl7v2, application: x, facility: Y}\n",
        ["1:1 same-header: 'b' and 'a' have the same application and facility → list them once"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_told_with_its_place_and_what_to_write_instead(name, tmp_path):
    text, told = MISTAKES[name]

    assert problems(tmp_path, text) == told


def test_tokens_derive_from_the_key_and_old_ones_count_while_a_rotation_lasts():
    sender = Sender(name="a", zone=UTC, may_post=True)
    silent = Sender(name="b", zone=UTC)
    [found] = trusted([sender, silent], [b"new key", b"old key"])

    assert found.tokens == (sender_token(b"new key", "a"), sender_token(b"old key", "a"))
    assert len(set(found.tokens)) == 2
    assert "new key" not in repr(found)
    assert found.tokens[0] not in repr(found)
