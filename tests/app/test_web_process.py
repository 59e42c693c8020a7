"""Readiness: the record server is told of, asked with our token and rarely, and never closes the door."""

import asyncio

import httpx
import pytest

from service.app.settings import load_settings
from service.app.web_operations import Check
from service.app.web_process import RecordSilent, record_check
from tests.app.test_web import AT, BEARER, Site

SETTINGS = load_settings(
    {"THROUGHLINE_FHIR_BASE_URL": "https://record.example/fhir", "THROUGHLINE_FHIR_AUTH_TOKEN": "t0ken"}
)


class Server:
    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def __call__(self, request):
        self.asked.append(request.headers.get("authorization"))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)


class Watch:
    now = 0.0

    def __call__(self):
        return self.now


def check_of(server, watch=None) -> Check:
    return record_check(SETTINGS, transport=httpx.MockTransport(server), monotonic=watch or Watch())


def test_the_record_server_is_asked_with_our_token():
    server = Server(200)

    async def ask():
        await check_of(server).probe()

    asyncio.run(ask())
    assert server.asked == ["Bearer t0ken"]


def test_many_probes_ask_the_record_server_once_in_a_few_seconds():
    server, watch = Server(200, 503), Watch()
    check = check_of(server, watch)

    async def probe_often():
        await asyncio.gather(*(check.probe() for _ in range(20)))
        watch.now = 6.0
        with pytest.raises(RecordSilent):
            await check.probe()

    asyncio.run(probe_often())
    assert len(server.asked) == 2


@pytest.mark.parametrize("answer", [401, 503, httpx.ConnectError("")], ids=str)
def test_a_record_server_that_is_down_is_told_but_notifications_are_still_taken(answer):
    site = Site(checks=[Check(name="inbox", probe=_fine), check_of(Server(answer))])
    ready = site.ask("GET", "/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "checks": {"inbox": "ok", "record": "failed (RecordSilent)"}}
    assert site.ask("POST", AT, headers=BEARER, json={"resourceType": "Bundle"}).status_code == 200


async def _fine():
    return 1
