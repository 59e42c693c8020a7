"""Every row of the table of servers that sends rest-hooks, by golden payloads: answered as it needs, understood, acted on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.app.subscription_servers import known_servers, read_server
from service.fhir.notifications import parse
from service.fhir.subscription_wanted import Flavour, Wanted
from tests.conformance.receiving import BASE, Hospital

PAYLOADS = Path(__file__).parent / "payloads"
SUBSCRIPTIONS = Path(__file__).parents[2] / "subscriptions"
FILES = {path.stem: json.loads(path.read_bytes()) for path in sorted(PAYLOADS.glob("*.json"))}
CASES = [(server, case) for server, file in FILES.items() for case in file["cases"]]


def hospital(server: str) -> Hospital:
    file = FILES[server]
    flavour = Flavour.R4_BACKPORT if file.get("topic") else Flavour.R4_REST_HOOK
    wanted = Wanted(
        name="encounters", flavour=flavour, criteria=file.get("criteria", ""), watched=("Encounter",),
        topic="http://example.org/FHIR/SubscriptionTopic/encounter-complete", auth=file.get("auth", "header"),
    )  # fmt: skip
    made = Hospital(wanted)
    made.work.catch_up()  # the sweep has been: what comes now is found because somebody tells of it
    made.works()
    for id_ in ("e1", "e2"):
        made.stay(id_)
    return made


def body_of(case: dict[str, Any]) -> bytes:
    return json.dumps(case["body"]).encode() if "body" in case else b""


@pytest.mark.parametrize(
    ("server", "case"), CASES, ids=[f"{server}: {case['name']}" for server, case in CASES]
)
def test_what_a_server_sends_is_answered_understood_and_acted_on(server, case) -> None:
    town = hospital(server)
    body = body_of(case)

    answer = town.sends(
        case["method"],
        case.get("path", ""),
        body,
        proof=case.get("proof", "header"),
        **case.get("headers", {}),
    )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json"
    answered = answer.json()
    assert {
        "same": answered == case.get("body"),
        "transaction-response": answered == {"resourceType": "Bundle", "type": "transaction-response"},
        "outcome": answered["resourceType"] == "OperationOutcome",
    }[case["answer"]]
    [raw] = town.inbox.entries.values()
    parsed, means = parse(raw, base_url=BASE), case["means"]
    assert parsed.kind == means["kind"]
    assert [each.reference for each in parsed.changes] == means.get("changes", [])
    assert [each.reference for each in parsed.changes if each.deleted] == means.get("deleted", [])
    assert list(parsed.numbers) == means.get("numbers", [])
    assert parsed.needs_catch_up is means.get("catch-up", False)
    town.works()
    begun = {id_ for id_ in ("e1", "e2") if town.has_begun(id_)}
    assert begun == set(case["begins"])
    assert town.letters.list() == []


PROVING = [name for name, file in FILES.items() if file.get("auth") != "address"]


@pytest.mark.parametrize("server", PROVING)
def test_what_a_server_sends_without_its_proof_is_refused_and_touches_nothing(server) -> None:
    town = hospital(server)
    case = FILES[server]["cases"][0]

    answer = town.sends(
        case["method"], case.get("path", ""), body_of(case), proof="wrong", **case.get("headers", {})
    )
    assert answer.status_code == 401
    assert not town.inbox.entries


def test_every_server_that_tells_has_its_payloads_and_the_other_way_round() -> None:
    profiles = {name: read_server(path)[0] for name, path in known_servers(SUBSCRIPTIONS).items()}

    assert set(FILES) == {name for name, profile in profiles.items() if profile.tells}
