"""A whole story on real processes, and then every trace, metric and log line of it searched for what must not be there.

The FHIR server lets us in by the key that our own web process publishes. The names and ids are made up and occur nowhere
else, so one that is found has leaked.
"""

import json
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from service.adapters.clocks import set_clock
from service.adapters.embedded import EmbeddedFhirServer, EmbeddedRedis
from service.adapters.fhir.signing import new_key
from service.adapters.redis_connection import Keys, connect
from service.adapters.redis_doorbell import CATCH_UP_BELL
from service.adapters.redis_inbox import RedisInbox
from service.app.subscriptions import secret, token
from service.ports import RawNotification
from tests.processes import PATIENCE, ServiceProcesses, eventually, free_port
from tests.security.collector import collecting

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=ZoneInfo("America/Denver"))
MAPPINGS = Path(__file__).parents[1] / "app" / "mappings"
KEY = "canarykey-canarykey-canarykey-32"
SIGNING_KEY = new_key()
HOSPITAL = "canary-hospital-token"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
CANARIES = {
    "name": "Zebediah", "family name": "Quillfeather", "patient id": "canary-patient-7f3d", "record number": "CANARY-MRN-31",
    "telephone": "555-0199", "stay": "canary-stay-9b21", "diagnosis": "F33.2", "free text": "heard-voices-canary",
    "colleague": "Thimblewick", "colleague's id": "canary-doctor-5e10", "date of birth": "1961-07-23",
    "subscription token": token(KEY.encode(), "encounters"), "subscription secret": secret(KEY.encode(), "encounters"),
    "installation key": KEY, "private key": SIGNING_KEY.splitlines()[1], "hospital token": HOSPITAL,
    "an access token": "eyJ", "baggage": "canary-baggage", "strange person": "canary-stranger",
}  # fmt: skip


class Story:
    """The hospital's side of it, over plain HTTP."""

    def __init__(self, fhir_url, web_url, redis_url):
        self.redis_url = redis_url
        self.fhir = httpx.Client(
            headers={"Authorization": f"Bearer {HOSPITAL}"}, timeout=PATIENCE, trust_env=False
        )
        self.fhir_url, self.web_url = fhir_url, web_url
        self.web = httpx.Client(timeout=PATIENCE, trust_env=False)

    def close(self):
        self.fhir.close()
        self.web.close()

    def put(self, resource):
        answer = self.fhir.put(f"{self.fhir_url}/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.is_success, answer.text
        return answer.json()

    def found(self, kind):
        answer = self.fhir.get(f"{self.fhir_url}/{kind}", params={"patient": "Patient/canary-patient-7f3d"})
        answer.raise_for_status()
        return [entry["resource"] for entry in answer.json().get("entry", [])]

    def staff(self):
        self.put(
            {"resourceType": "Practitioner", "id": "canary-doctor-5e10", "name": [{"text": "Dr Thimblewick"}]}
        )

    def discharge(self):
        self.put({
            "resourceType": "Patient", "id": "canary-patient-7f3d", "birthDate": "1961-07-23",
            "name": [{"family": "Quillfeather", "given": ["Zebediah"]}], "telecom": [{"system": "phone", "value": "555-0199"}],
            "identifier": [{"system": "urn:oid:1.2.3", "value": "CANARY-MRN-31"}],
        })  # fmt: skip
        return self.put({
            "resourceType": "Encounter", "id": "canary-stay-9b21", "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "subject": {"reference": "Patient/canary-patient-7f3d", "display": "Zebediah Quillfeather"},
            "period": {"start": "2026-03-01T08:00:00-07:00", "end": "2026-03-06T16:00:00-07:00"},
            "reasonCode": [{"text": "heard-voices-canary",
                            "coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.2"}]}],
        })  # fmt: skip

    def notify(self, body, path="", method="POST", **headers):
        known = {
            "Authorization": f"Bearer {CANARIES['subscription secret']}",
            "Content-Type": "application/fhir+json",
        }
        address = f"{self.web_url}/notifications/{CANARIES['subscription token']}{path}"
        return self.web.request(method, address, content=body, headers={**known, **headers}).status_code


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What was told of the story: traces, metrics by process, logs by process, and the record in the end."""
    folder = tmp_path_factory.mktemp("canary")
    set_clock(folder / "clock", NOW)
    web_port = free_port()
    client = {"client_id": "throughline", "jwks_url": f"http://127.0.0.1:{web_port}/.well-known/jwks.json"}
    auth = {"types": ["smart", "bearer"], "tokens": [HOSPITAL], "smart_clients": [client]}
    with (
        EmbeddedFhirServer(folder / "fhir", free_port(), settings={"server_auth": auth}) as fhir,
        EmbeddedRedis(folder / "redis") as redis,
        collecting() as collector,
    ):
        processes = ServiceProcesses(fhir.base_url, redis.url, folder / "clock", {
            "THROUGHLINE_PORT": str(web_port), "THROUGHLINE_PUBLIC_URL": f"http://127.0.0.1:{web_port}",
            "THROUGHLINE_MAPPINGS_DIR": str(MAPPINGS), "THROUGHLINE_TIMEZONE": "America/Denver",
            "THROUGHLINE_ACCOUNTABLE_PRACTITIONER": "Practitioner/canary-doctor-5e10", "THROUGHLINE_LEASE_SECONDS": "5",
            "THROUGHLINE_CATCH_UP_SECONDS": "3600", "THROUGHLINE_SECRET_KEY": KEY, "THROUGHLINE_LOG_LEVEL": "DEBUG",
            "THROUGHLINE_FHIR_AUTH_CLIENT_ID": "throughline", "THROUGHLINE_FHIR_AUTH_PRIVATE_KEY": SIGNING_KEY,
            "THROUGHLINE_TRACES_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100",
            "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
        }, folder=folder)  # fmt: skip
        processes.web_url = f"http://127.0.0.1:{web_port}"
        try:
            with closing(Story(fhir.base_url, processes.web_url, redis.url)) as story:
                yield _played(processes, story, collector, folder)
        finally:
            processes.close()


def _played(processes, story, collector, folder):
    ports = {}
    story.staff()
    for role in ("web", "worker", "scheduler"):
        ports[role] = free_port()
        processes.env["THROUGHLINE_METRICS_PORT"] = str(ports[role])
        processes.start(role)
        if role == "web":
            eventually(lambda: _get(f"{processes.web_url}/livez"))
    urls = {r: f"http://127.0.0.1:{p}" for r, p in ports.items()} | {"web": processes.web_url}

    def metrics(role):
        return (_get(f"{urls[role]}/metrics") or httpx.Response(200)).text

    # The first catch-up builds the index; the pace begins with a second one, unless the first is just ending. After that
    # only the notification can wake anybody.
    eventually(lambda: 'catch_ups_total{outcome="rebuilt"} 1.0' in metrics("worker"))
    eventually(lambda: _catch_up_is_paced_and_quiet(story.redis_url))
    stay = story.discharge()
    headers = {"traceparent": TRACEPARENT, "tracestate": "x=canary-baggage", "baggage": "who=canary-baggage"}
    assert story.notify(json.dumps(stay), "/Encounter/canary-stay-9b21", "PUT", **headers) == 200
    eventually(lambda: story.found("Task"))
    _what_goes_wrong(story)
    set_clock(folder / "clock", NOW + timedelta(hours=5))
    eventually(lambda: story.found("Communication"))
    eventually(lambda: "throughline_dead_letters 1.0" in metrics("scheduler"))
    eventually(lambda: "running_escalations{" in metrics("scheduler"))
    shown = {role: metrics(role) for role in urls}
    probes = {role: [_get(f"{url}/livez").text, _get(f"{url}/readyz").text] for role, url in urls.items()}
    eventually(lambda: "FHIR POST transaction" in collector.of(TRACE))
    processes.stop("scheduler", "worker", "web")
    logs = {role: processes.output(role) for role in urls}
    return {"metrics": shown, "probes": probes, "logs": logs, "collector": collector}


def _catch_up_is_paced_and_quiet(redis_url):
    with connect(redis_url) as client:
        bells = (Keys().bell(f"{CATCH_UP_BELL}-paced-3600"), Keys().bell(CATCH_UP_BELL))
        return [bool(client.exists(bell)) for bell in bells] == [True, False]


def _what_goes_wrong(story):
    """Each of these has a name or an id in it, and each makes some process say something."""
    assert story.notify(b'{"resourceType": "Patient", "name": "Zebediah') == 400
    assert (
        story.notify(b'{"resourceType": "Bundle", "type": "history", "id": "canary-stranger", "entry": 7}')
        == 200
    )
    xml = b"<Patient xmlns='http://hl7.org/fhir'><name value='Zebediah'"
    assert story.notify(xml, **{"Content-Type": "application/fhir+xml"}) == 400
    assert story.notify(b"Zebediah", **{"Content-Type": "image/png"}) == 415
    assert (
        story.notify(b"", "/Encounter/canary-stranger", "PUT", Authorization="Bearer canary-stranger") == 401
    )
    assert story.notify(b"", "/Encounter/canary-stranger", "DELETE") == 200
    story.web.get(f"{story.web_url}/notifications/canary-stranger/Patient/canary-stranger?name=Zebediah")
    story.web.get(f"{story.web_url}/Patient/canary-stranger?name=Zebediah")
    story.web.get(f"{story.web_url}/")
    with connect(story.redis_url) as client:  # as if something else had put it there
        RedisInbox(client, Keys(), consumer="stranger").append(
            RawNotification(
                subscription="encounters",
                method="POST",
                path="",
                content_type="",
                body=b"{ Zebediah Quillfeather",
            )
        )


def _get(url):
    try:
        return httpx.get(url, timeout=PATIENCE, trust_env=False)
    except httpx.HTTPError:
        return None


@pytest.mark.parametrize("where", ["traces", "metrics", "logs", "probes"])
def test_nothing_that_operators_see_names_a_person_or_a_secret(told, where):
    seen = {
        "traces": b"".join(told["collector"].raw),
        "metrics": "\n".join(told["metrics"].values()).encode(),
        "logs": "\n".join(told["logs"].values()).encode(),
        "probes": json.dumps(told["probes"]).encode(),
    }[where]
    assert seen
    assert [what for what, canary in CANARIES.items() if canary.encode() in seen] == []


def test_the_trace_leads_from_the_notification_to_what_was_written(told):
    spans = told["collector"].of(TRACE)
    notification, reconcile = spans["notification"], spans["reconcile"]
    assert notification.parent_span_id.hex() == "b7ad6b7169203331"
    assert reconcile.parent_span_id == notification.span_id
    assert spans["FHIR POST transaction"].parent_span_id == reconcile.span_id
    assert {each.key for each in notification.attributes} == {
        "http.request.method", "throughline.subscription", "throughline.outcome",
    }  # fmt: skip


def test_taking_in_is_linked_to_the_notifications_it_took(told):
    links = [
        link.trace_id.hex()
        for span in told["collector"].spans()
        if span.name == "take in"
        for link in span.links
    ]
    assert TRACE in links


def test_no_span_comes_from_a_library_that_would_tell_addresses(told):
    names = {span.name for span in told["collector"].spans()}
    assert {name for name in names if not name.startswith("FHIR ")} <= {
        "notification", "take in", "reconcile", "catch up",
    }  # fmt: skip


def test_each_process_tells_its_own_part_in_numbers(told):
    web, worker, scheduler = (told["metrics"][role] for role in ("web", "worker", "scheduler"))
    assert 'throughline_notifications_total{outcome="stored",subscription="encounters"} 3.0' in web
    assert 'throughline_notifications_total{outcome="untrusted",subscription="encounters"} 1.0' in web
    assert "throughline_notification_lag_seconds_count 4.0" in worker
    assert 'throughline_follow_ups_opened_total{owner="accountable",pathway="after-discharge"} 1.0' in worker
    assert 'throughline_fhir_token_requests_total{outcome="issued"}' in worker
    assert 'throughline_fhir_request_seconds_count{operation="transaction",outcome="2xx"}' in worker
    assert 'throughline_parked_total{kind="notification"} 1.0' in worker
    assert 'throughline_running_enrolments{pathway="after-discharge"} 1.0' in scheduler
    assert 'throughline_unowned_follow_ups{pathway="after-discharge"} 1.0' in scheduler
    assert "throughline_owned_ratio 0.0" in scheduler
    assert "throughline_inbox_size" not in worker


def test_every_process_is_alive_and_ready_with_each_dependency_named(told):
    answers = {role: json.loads(probes[1]) for role, probes in told["probes"].items()}
    ready = {role: {name: answer[name] for name in ("status", "checks")} for role, answer in answers.items()}
    assert ready == {
        "web": {"status": "ready", "checks": {"inbox": "ok", "record": "ok"}},
        "worker": {"status": "ready", "checks": {"queue": "ok", "record": "ok"}},
        "scheduler": {"status": "ready", "checks": {"queue": "ok"}},
    }


def test_every_log_line_is_one_json_object_and_work_on_a_trace_names_it(told):
    lines = [json.loads(line) for log in told["logs"].values() for line in log.splitlines()]
    assert {line["role"] for line in lines} == {"web", "worker"}
    assert [line for line in lines if line.get("trace_id") == TRACE and line["says"] == "decided"]
