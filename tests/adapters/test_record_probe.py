"""Finding out what a server does: each bent server is found out, and nothing is left behind."""

import httpx
import pytest

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.probe import probe
from service.adapters.fhir.retry import Backoff
from service.adapters.fhir_http import HttpFhirRecord
from service.flow.write_back import write_back
from service.ports import Capabilities, RecordUnavailable, VersionConflict, Write
from tests.bent_server import BASE, BentServer
from tests.plans import enrolment_plan, new

WORKS = Capabilities(atomic_transactions=True)


def client(server):
    return FhirClient(BASE, transport=server.transport, sleep=lambda _s: None)


def probed(server):
    return probe(client(server), token=lambda: "mark")


def test_a_good_server_is_relied_upon():
    server = BentServer()
    report = probed(server)
    assert report.capabilities == WORKS
    assert [finding.sentence for finding in report.findings] == [
        "The server speaks FHIR 4.0.1.",
        "Conditional create works: the same resource sent twice exists once.",
        "If-Match works: an update of an outdated version is refused.",
        "Transactions with 9 conditional creates work.",
        "Transactions are atomic: when one entry fails, nothing of it is left.",
        "Several searches in one request (a batch) work.",
    ]
    assert server.record.everything() == []


@pytest.mark.parametrize(
    ("server", "differs", "note"),
    [
        (
            BentServer(ignores_if_none_exist=True),
            {"conditional_create": False, "atomic_transactions": False},
            (
                "Conditional create (If-None-Exist) is ignored: before each create Throughline searches, and only one"
                " worker may write for a person at a time."
            ),
        ),
        (
            BentServer(ignores_if_match=True),
            {"if_match": False, "atomic_transactions": False},
            (
                "If-Match is ignored: versions are compared by reading before each write, which leaves a short gap in"
                " which two writers can overwrite each other."
            ),
        ),
        (
            BentServer(atomic=False),
            {"atomic_transactions": False},
            "Transactions are not atomic: when one entry fails, the others stay. Resources are written one by one.",
        ),
        (
            BentServer(transactions=False),
            {"atomic_transactions": False},
            "Transactions with conditional creates do not work: resources are written one by one.",
        ),
        (
            BentServer(batches=False),
            {"batch": False},
            "A batch of searches does not work: searches are sent one by one.",
        ),
        (
            BentServer(fhir_version="3.0.2"),
            {},
            "The server speaks FHIR 3.0.2; Throughline writes R4, R4B and R5, so expect refusals.",
        ),
    ],
    ids=["if-none-exist", "if-match", "atomic", "transactions", "batch", "version"],
)
def test_what_a_server_does_not_do_is_found_out_and_said(server, differs, note):
    report = probed(server)
    wanted = {"atomic_transactions": True, **differs, "notes": (note,)}
    assert report.capabilities == Capabilities(**wanted)
    assert server.record.everything() == []


def test_a_limit_on_conditional_entries_is_found_without_leaving_anything():
    server = BentServer(limit=8)
    report = probed(server)
    assert report.capabilities == Capabilities(atomic_transactions=True, transaction_limit=8)
    assert "Transactions work, with at most 8 conditional creates in each." in [
        f.sentence for f in report.findings
    ]
    assert server.record.everything() == []


def test_where_nothing_can_be_tried_the_careful_way_is_taken():
    report = probed(BentServer(basic=False))
    assert report.capabilities == Capabilities(
        conditional_create=False,
        if_match=False,
        batch=False,
        notes=(
            (
                "Trying the server on a resource of type Basic was refused, so nothing is taken for granted: every write"
                " looks before it acts, one at a time. POST Basic: the FHIR server does not have this (404, processing)."
                " Is Basic supported there?"
            ),
        ),
    )


def test_what_cannot_be_deleted_is_said():
    server = BentServer(deletes=False)
    assert probed(server).capabilities.notes == (
        (
            "1 resources of type Basic, made to try the server, could not be deleted; they carry the code"
            " throughline-probe."
        ),
    )


def test_a_server_that_is_down_is_not_judged():
    def down(request):
        raise httpx.ConnectError("refused")

    with pytest.raises(RecordUnavailable):
        probe(
            FhirClient(
                BASE, transport=httpx.MockTransport(down), sleep=lambda _s: None, backoff=Backoff(tries=2)
            )
        )


def test_an_address_that_is_no_fhir_server_is_said_so():
    somebody = httpx.MockTransport(lambda _request: httpx.Response(200, json={"hello": "world"}))
    with pytest.raises(RecordUnavailable, match="not a CapabilityStatement"):
        probe(FhirClient(BASE, transport=somebody))


def test_the_sandbox_is_found_to_do_everything(sandbox):
    with FhirClient(sandbox.base_url) as real:
        assert probe(real).capabilities == WORKS


# --- and with what was found, the same decision ends the same on every one of them


SERVERS = {
    "good": {},
    "limit": {"limit": 8},
    "small limit": {"limit": 2},
    "not atomic": {"atomic": False},
    "no transactions": {"transactions": False},
    "ignores If-None-Exist": {"ignores_if_none_exist": True},
    "ignores If-Match": {"ignores_if_match": True},
    "no Basic": {"basic": False},
    "answers without bodies": {"silent": True},
}


@pytest.mark.parametrize("bent", SERVERS.values(), ids=SERVERS.keys())
def test_a_decision_written_twice_is_there_once_on_every_server(bent):
    server = BentServer(**bent)
    server.record.put({"resourceType": "Patient", "id": "ana"})
    record = HttpFhirRecord(client(server), probed(server).capabilities)
    writes = enrolment_plan("e", ["call", "visit"], "Patient/ana")
    first, second = write_back(record, writes), write_back(record, writes)
    assert [w.reference for w in first.written] == [w.reference for w in second.written]
    _, enrolment, *tasks, trail = server.record.everything()
    assert [a["reference"]["reference"] for a in enrolment["activity"]] == [f"Task/{t['id']}" for t in tasks]
    assert [t["basedOn"][0]["reference"] for t in tasks] == [f"CarePlan/{enrolment['id']}"] * 2
    assert len(trail["target"]) == 3


@pytest.mark.parametrize("bent", SERVERS.values(), ids=SERVERS.keys())
def test_an_outdated_update_is_a_conflict_on_every_server(bent):
    server = BentServer(**bent)
    record = HttpFhirRecord(client(server), probed(server).capabilities)
    written = record.create(new("enrolment", "CarePlan", "e", status="active", intent="plan"))
    mine = dict(record.read(written.reference))
    server.record.put({**mine, "title": "theirs"})
    late = Write(resource={**mine, "title": "mine"}, full_url=written.reference, if_match=written.version)
    task = new("follow-up", "Task", "t", status="requested")
    with pytest.raises(VersionConflict):
        write_back(record, [task, late])
    assert record.read(written.reference)["title"] == "theirs"
