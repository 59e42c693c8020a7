"""What `doctor` says about senders of messages: who has never been heard of, and a list that nobody can start with."""

from __future__ import annotations

from service.app.doctor_senders import sender_findings
from service.app.examination import examine_installation
from service.app.sender_files import read_senders
from service.app.settings import load_settings
from tests.fakes import HOUSE_NOW
from tests.messages import DENVER, SENDERS


def never(_mark: str) -> None:
    """Nobody was ever heard of."""


def said(found):
    return [(each.outcome.value, each.sentence, each.remedy) for each in found]


def test_each_sender_says_when_it_was_heard_of_last_on_the_sites_clock() -> None:
    marks = {"heard:sender clinic": "2026-03-06T20:05:00+00:00"}

    assert said(sender_findings(lambda: SENDERS, marks.get, HOUSE_NOW)) == [
        ("care", "No message of general-hospital has been taken in yet.",
         "Check that it sends here, with its token (`throughline senders --tokens`) or its MSH-3 and MSH-4."),
        ("good", "The last message of clinic was taken in at 2026-03-06 13:05.", ""),
    ]  # fmt: skip


def test_a_list_with_mistakes_says_what_it_stops(tmp_path) -> None:
    (tmp_path / "senders.yaml").write_text("senders:\n  a: {accepts: telex}\n", encoding="utf-8")

    [finding] = said(sender_findings(lambda: read_senders(tmp_path, DENVER), never, HOUSE_NOW))
    assert finding[0] == "bad"
    assert finding[1].startswith("senders.yaml has ")
    assert finding[1].endswith("web, worker and mllp do not start with it.")


def test_certificates_that_nobody_checks_are_told_before_the_process_is_started(tmp_path) -> None:
    (tmp_path / "senders.yaml").write_text(
        "senders:\n  a: {accepts: hl7v2, application: X, facility: Y, certificates: ['CN:x']}\n",
        encoding="utf-8",
    )
    found = said(examine_installation(load_settings({}, mappings_dir=tmp_path)))

    [(outcome, sentence, _)] = [each for each in found if "certificates of a" in each[1]]
    assert (outcome, "THROUGHLINE_MLLP_TLS_CLIENT_CA is not set" in sentence) == ("bad", True)


def test_where_nobody_may_send_nothing_is_said(tmp_path) -> None:
    assert said(sender_findings(lambda: read_senders(tmp_path, DENVER), never, HOUSE_NOW)) == []


def test_an_installation_is_asked_for_its_own_list(tmp_path) -> None:
    (tmp_path / "senders.yaml").write_text("senders:\n  a: {accepts: fhir-messages}\n", encoding="utf-8")
    found = examine_installation(load_settings({}, mappings_dir=tmp_path))

    assert [each.sentence for each in found if each.about == "senders"] == [
        "No message of a has been taken in yet."
    ]
