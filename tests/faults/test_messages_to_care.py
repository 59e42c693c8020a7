"""Messages into real processes, over real sockets, end in owned follow-ups; corrections cancel them and tell the owners."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hl7
import hl7.mllp
import httpx
import pytest

from service.app.senders import sender_token
from service.fhir import systems
from service.fhir.references import identifier_values
from tests.faults.site import AFTER_DISCHARGE, KEY, Site, open_site
from tests.messages import MRN, a_message, an_adt
from tests.processes import PATIENCE, ROOT, eventually, free_port

SENDERS = """senders:
  general-hospital:
    accepts: [fhir-messages, hl7v2]
    timezone: America/Denver
    application: ADTApp
    facility: GHHSFacility
    authorities: {GHH: https://hospital.example/mrn, GHHVISIT: https://hospital.example/visit}
"""
DEPRESSED = ("DG1|1||F33.2^Major depression^I10C|||A",)


class Hospital:
    """Sends as an interface engine does: with a library of its own, over a connection that it keeps."""

    def __init__(self, site: Site, port: int) -> None:
        self.site, self.port = site, port

    def sends(self, *messages: bytes) -> list[str]:
        """MSA-1 of each answer."""

        async def talk() -> list[str]:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await hl7.mllp.open_hl7_connection("127.0.0.1", self.port, encoding="utf-8")
                codes = []
                for message in messages:
                    writer.writemessage(hl7.parse(message))
                    await writer.drain()
                    codes.append(str((await reader.readmessage()).segment("MSA")[1]))
                writer.close()
                return codes

        return asyncio.run(talk())

    def posts(self, bundle: Any) -> int:
        answer = self.site.http.post(
            f"{self.site.processes.web_url}/fhir/$process-message",
            content=json.dumps(bundle),
            headers={
                "Authorization": f"Bearer {sender_token(KEY, 'general-hospital')}",
                "Content-Type": "application/fhir+json",
            },
        )
        return answer.status_code

    # --- what the record says

    def patient(self, number: str) -> str:
        found = [
            f"Patient/{p['id']}"
            for p in self.site.every("Patient")
            if number in identifier_values(p, MRN) and p.get("active") is not False
        ]
        return found[0] if len(found) == 1 else ""

    def follow_ups(self, number: str) -> dict[str, str]:
        """Task below the enrolment -> status, of the person with this number."""
        person = self.patient(number)
        mine = [t for t in self.site.every("Task") if person and t["for"]["reference"] == person]
        named = (
            (value.split("/"), t["status"]) for t in mine for value in identifier_values(t, systems.FOLLOW_UP)
        )
        return {"/".join(parts[3:]): status for parts, status in named}

    def told(self, number: str) -> list[str]:
        """Whom the Communications about cancelled work went to."""
        person = self.patient(number)
        return [
            c["recipient"][0]["display"]
            for c in self.site.every("Communication")
            if c["subject"]["reference"] == person
            and identifier_values(c, systems.NOTICE)[0].endswith("/cancelled")
        ]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder: Path = tmp_path_factory.mktemp("messages")
    mappings = folder / "mappings"
    shutil.copytree(ROOT / "mappings", mappings)
    (mappings / "senders.yaml").write_text(SENDERS, encoding="utf-8")
    port = free_port()
    more = {"THROUGHLINE_MAPPINGS_DIR": str(mappings), "THROUGHLINE_MLLP_PORT": str(port)}
    with open_site(folder, **more) as site:
        site.processes.start("web", "worker", "scheduler", "mllp")
        eventually(lambda: "listening for HL7 v2" in site.processes.output("mllp"))
        eventually(lambda: is_alive(site))
        yield Hospital(site, port)


def is_alive(site: Site) -> bool:
    try:
        return site.http.get(f"{site.processes.web_url}/livez").is_success
    except httpx.HTTPError:
        return False  # not listening yet


def discharged(event: str = "A03", **more: Any) -> bytes:
    given = {
        "ended": "20260306163000-0700",
        "at": "20260306163500-0700",
        "more": DEPRESSED,
        "control_id": "2",
        **more,
    }
    return an_adt(event, **given)


@pytest.mark.slow
def test_admission_and_discharge_by_adt_become_owned_follow_ups_and_a_cancelled_discharge_ends_them(hospital):
    admitted = an_adt("A01", at="20260301090500-0700", more=DEPRESSED, control_id="1")
    assert hospital.sends(admitted, discharged(), discharged()) == ["AA", "AA", "AA"]
    eventually(lambda: hospital.follow_ups("4711").keys() >= AFTER_DISCHARGE)

    taken_back = an_adt("A13", at="20260306164000-0700", more=DEPRESSED, control_id="3")
    assert hospital.sends(taken_back) == ["AA"]
    eventually(lambda: set(hospital.follow_ups("4711").values()) == {"cancelled"})
    eventually(lambda: len(hospital.told("4711")) == len(hospital.follow_ups("4711")))
    assert all(name.endswith(" Example") for name in hospital.told("4711"))


@pytest.mark.slow
def test_a_discharge_message_becomes_owned_follow_ups_once(hospital):
    person = {"identifier": [{"system": MRN, "value": "4712"}]}
    stay = {
        "identifier": [{"system": "https://hospital.example/visit", "value": "V2"}],
        "period": {"start": "2026-03-01T09:00:00-07:00", "end": "2026-03-06T16:30:00-07:00"},
    }
    bundle = a_message(patient=person, encounter=stay, sent="2026-03-06T16:35:00-07:00")

    assert [hospital.posts(bundle), hospital.posts(bundle)] == [200, 200]
    eventually(lambda: hospital.follow_ups("4712").keys() >= AFTER_DISCHARGE)
    hospital.site.settle()
    assert hospital.follow_ups("4712").keys() == AFTER_DISCHARGE


@pytest.mark.slow
def test_a_merge_by_adt_moves_open_follow_ups_to_the_record_that_stays(hospital):
    old = discharged(mrn="4720^^^GHH^MR", visit="V20^^^GHHVISIT", control_id="20")
    other = an_adt("A31", mrn="4721^^^GHH^MR", at="20260306163600-0700", control_id="21")
    assert hospital.sends(old, other) == ["AA", "AA"]
    eventually(lambda: hospital.follow_ups("4720").keys() >= AFTER_DISCHARGE)
    begun = hospital.follow_ups("4720")

    merged = an_adt(
        "A40", mrn="4721^^^GHH^MR", at="20260306164500-0700", control_id="22", more=("MRG|4720^^^GHH^MR",)
    )
    assert hospital.sends(merged) == ["AA"]
    eventually(lambda: hospital.follow_ups("4721") == begun)


@pytest.mark.slow
def test_what_was_acknowledged_survives_the_end_of_every_process(hospital):
    processes = hospital.site.processes
    processes.kill("worker")
    sent = discharged(mrn="4713^^^GHH^MR", visit="V3^^^GHHVISIT", control_id="9")
    assert hospital.sends(sent) == ["AA"]
    processes.kill("mllp", "web")
    assert hospital.patient("4713") == ""

    processes.start("worker", "web", "mllp")
    eventually(lambda: hospital.follow_ups("4713").keys() >= AFTER_DISCHARGE)
    eventually(lambda: processes.output("mllp").count("listening for HL7 v2") == 2)


@pytest.mark.slow
def test_strangers_and_nonsense_hear_why_and_block_nobody(hospital):
    stranger = an_adt(msh={4: "ELSEWHERE"})
    nonsense = an_adt(without=("PID",), control_id="4")
    died = an_adt("A31", pid={29: "20260306"}, mrn="4799^^^GHH^MR", control_id="5")

    assert hospital.sends(stranger, nonsense, died) == ["AR", "AE", "AA"]
    eventually(lambda: hospital.patient("4799"))
    log = hospital.site.processes.output("mllp") + hospital.site.processes.output("worker")
    assert "Lovelace" not in log
    assert "4799" not in log
