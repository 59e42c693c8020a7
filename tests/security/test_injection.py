"""Values of strangers that end up in a header, a log line or a query: they stay values, whatever characters they hold."""

import asyncio
import io
import json
import logging

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.adapters.fhir.address import Base, condition_query, query_of
from service.adapters.fhir.auth import BearerToken
from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.probe import CAREFUL
from service.adapters.fhir.retry import Backoff
from service.adapters.fhir_http import HttpFhirRecord
from service.app.telemetry import JsonLines, PlainLines
from service.domain.vocabulary import Reference
from service.flow.receive import TRACE, Delivery, Limits, receive
from service.ports import Capabilities, RecordFailure, RecordRefused, Search, Write
from tests.app.test_web import AT, BEARER, WATCH, Site
from tests.fakes import FakeAsyncInbox
from tests.security.hostile_server import BASE, HostileServer

CRLF = [
    "\r\nX-Evil: 1",
    "\nX-Evil: 1",
    "\rX-Evil: 1",
    "a\r\n\r\nGET /admin HTTP/1.1",
    "\x00",
    "é\u2028X-Evil: 1",
]


class Wire(httpx.BaseTransport):
    """Refuses what no HTTP library would put on a wire, and keeps the rest."""

    def __init__(self):
        self.headers = []

    def handle_request(self, request):
        for name, value in request.headers.raw:
            if any(c in value for c in b"\r\n\x00"):
                raise httpx.LocalProtocolError("illegal header")
            self.headers.append((name.decode().lower(), value))
        return httpx.Response(200, json={"resourceType": "Task", "id": "1", "meta": {"versionId": "1"}})


@pytest.mark.parametrize("evil", CRLF)
def test_a_version_that_the_server_made_up_does_not_become_a_header_of_its_own(evil):
    wire = Wire()
    able = Capabilities(conditional_create=True, if_match=True)
    record = HttpFhirRecord(FhirClient(BASE, transport=wire, backoff=Backoff(patience=0.01)), able)
    write = Write(resource={"resourceType": "Task", "id": "1"}, full_url="Task/1", if_match=f"1{evil}")
    with pytest.raises(RecordRefused, match="nothing was sent"):
        record.update(write)
    assert wire.headers == []


@pytest.mark.parametrize("evil", CRLF)
def test_a_token_file_with_more_than_a_token_is_not_sent_as_two_headers(evil):
    wire = Wire()
    auth = BearerToken(lambda: f"token{evil}", Base.parse(BASE))
    client = FhirClient(BASE, auth=auth, transport=wire, backoff=Backoff(patience=0.01))
    with pytest.raises(RecordFailure) as refused:
        HttpFhirRecord(client, CAREFUL).read(Reference("Task/1"))
    assert wire.headers == []
    assert "token" not in str(refused.value).replace("THROUGHLINE_FHIR_AUTH_TOKEN", "").replace(
        "the token", ""
    )


@given(st.text(min_size=1, max_size=40))
def test_a_value_of_a_search_never_becomes_another_parameter_or_another_path(value):
    query = query_of(Search(kind="Task", params=(("patient", value),)), 10)
    url = httpx.URL(f"{BASE}/Task?{query}")
    assert url.path == "/fhir/Task"
    assert dict(url.params) == {"patient": value, "_count": "10"}


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="|="), max_size=20))
def test_a_condition_stays_one_parameter_of_one_header(code):
    header = condition_query("Task", f"identifier=https://us.example|{code}")
    assert header.isascii()
    assert header.isprintable()
    assert header.count("&") == 0
    assert header.count("=") == 1


# --- into our own answers and what we keep ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/%0d%0aX-Evil:%201", f"{AT}/Encounter/%0d%0aX-Evil:1", "/notifications/%0aevil"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_of_an_address_comes_back_in_a_header(method, path):
    answer = Site().ask(method, path)
    assert answer.status_code in {401, 404, 405}
    assert "x-evil" not in answer.headers
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    "name", ["host", "x-forwarded-host", "x-forwarded-proto", "forwarded", "origin", "referer"]
)
def test_no_header_of_a_caller_makes_us_point_elsewhere(name):
    for path in ("/livez", "/nowhere", "/openapi.json", AT):
        answer = Site().ask("GET", path, headers={**BEARER, name: "evil.example"})
        assert "evil.example" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    "sent",
    ["", "x", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
     "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01,x",
     "0" * 100_000],
    ids=lambda each: each[:12] or "empty",
)  # fmt: skip
def test_a_traceparent_that_is_not_one_is_not_kept(sent):
    assert TRACE not in _kept({TRACE: sent})


def test_of_the_headers_of_a_sender_only_those_with_a_meaning_are_kept():
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = {
        TRACE: good,
        "tracestate": "x=secret",
        "baggage": "name=Zebediah",
        "cookie": "secret",
        "x-evil": "1",
    }
    assert _kept(sent) == {TRACE: good}


def _kept(headers):
    inbox = FakeAsyncInbox()
    request = Delivery(method="POST", path="", headers={**BEARER, **headers}, body=b"")
    assert asyncio.run(receive(request, watch=WATCH, inbox=inbox, limits=Limits())).status == 200
    [stored] = inbox.stored
    return dict(stored.headers)


# --- into log lines ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [JsonLines("web"), PlainLines("web")], ids=["json", "text"])
@given(st.text(max_size=40))
def test_one_thing_said_is_one_line_whatever_it_holds(form, said):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form)
    record = logging.makeLogRecord(
        {"name": "service.x", "msg": "heard %s", "args": (said,), "levelno": 20, "why": said}
    )
    handler.handle(record)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "\r" not in text.rstrip("\n")
    if isinstance(form, JsonLines):
        assert json.loads(text)["why"] == said


def test_a_hostile_answer_is_never_repeated_in_an_error():
    outcome = {"resourceType": "OperationOutcome", "issue": [
        {"severity": "error", "code": "x\r\nevil", "diagnostics": "Zebediah", "expression": ["Patient.name[0] evil"]}]}  # fmt: skip
    server = HostileServer(lambda _request: httpx.Response(422, json=outcome))
    with pytest.raises(RecordFailure) as refused:
        server.record().read(Reference("Task/1"))
    assert "evil" not in str(refused.value)
    assert "Zebediah" not in str(refused.value)
