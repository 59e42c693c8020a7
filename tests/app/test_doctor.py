"""What `doctor` says: plain words, each with what to do, for the ways in which installations are wrong."""

import shutil
from datetime import UTC, timedelta
from email.utils import format_datetime
from functools import cache

import httpx
import pytest
import redis

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.retry import Backoff
from service.app.doctor import Examined, examine
from service.app.examination import examine_installation, needed_searches
from service.app.findings import Outcome
from service.app.settings import load_settings
from service.domain.vocabulary import PathwayId
from service.fhir import systems
from service.fhir.path_compiler import StrictPathCompiler
from service.pathways.library import load_library
from service.ports import RecordRefused, Search
from tests.bent_server import BASE, BentServer
from tests.sandbox import HOUSE_NOW

TASKS = [Search(kind="Task", params=(("patient", "Patient/nobody"),))]


def client_of(answer) -> FhirClient:
    return FhirClient(BASE, transport=httpx.MockTransport(answer), backoff=Backoff(tries=1))


def library_of(folder):
    return load_library(folder, StrictPathCompiler(zone=UTC), today=HOUSE_NOW.date())


@cache
def shipped():
    return library_of(load_settings({}).mappings)


def found(*, settings=None, answer=None, folder=None, **rest):
    """(about, how, sentence, remedy) of each finding but the good ones, unless there are only those."""
    settings = settings or load_settings({}, fhir_base_url=BASE)
    given = {
        "settings": settings, "unknown": [], "client": client_of(answer) if answer else None,
        "library": lambda: library_of(folder) if folder else shipped(), "searches": lambda _: TASKS,
        "subscriptions": list, "coverage": list, "senders": list, "parked": lambda: 0, "now": lambda: HOUSE_NOW,
    }  # fmt: skip
    return list(examine(Examined(**(given | rest))))


def about(findings, subject):
    return [(f.outcome.value, f.sentence, f.remedy) for f in findings if f.about == subject]


class Well:
    """A server that behaves, whose clock agrees with ours."""

    def __init__(self):
        self.server = BentServer()

    def __call__(self, request):
        answer = self.server.answer(request)
        answer.headers["Date"] = format_datetime(HOUSE_NOW)
        return answer


well = Well()


def test_with_nothing_configured_each_line_says_what_is_missing_and_what_to_do():
    assert about(found(settings=load_settings({})), "settings") == [
        ("bad", "THROUGHLINE_FHIR_BASE_URL is not set: there is no record to watch.",
         "Set it to the base address of your FHIR server, e.g. https://fhir.example.org/r4. In the chart: fhir.baseUrl."),
        ("care", "THROUGHLINE_REDIS_URL is not set: only `throughline up` works, with a Redis server that comes along.",
         "Set it to your Redis server, e.g. redis://localhost:6379/0, with its append-only file on. In the chart: existingSecret (key redis-url)."),
        ("care", "THROUGHLINE_PUBLIC_URL is not set: the FHIR server cannot be told where to send notifications, so changes are found by catch-up only.",
         "Set it to the address at which the FHIR server reaches this service. In the chart: publicUrl."),
        ("care", "THROUGHLINE_SECRET_KEY is not set: `throughline up` makes one for this machine; separate processes would not agree on subscription secrets.",
         "Set it to a long random text, the same for web, worker and scheduler. In the chart: existingSecret (key secret-key)."),
        ("care", "THROUGHLINE_ACCOUNTABLE_PRACTITIONER is not set: follow-ups of a role that nobody holds go to whoever attended the encounter, then to the general practitioner.",
         "Set it to the Practitioner who answers for unowned follow-ups at your site. In the chart: accountablePractitioner."),
    ]  # fmt: skip


def a_plan(number, *canonicals):
    category = {"coding": [{"system": systems.PLAN_CATEGORY, "code": systems.PATHWAY_PLAN}]}
    plan = {
        "resourceType": "CarePlan",
        "id": str(number),
        "status": "active",
        "intent": "plan",
        "category": [category],
    }
    return plan | ({"instantiatesCanonical": list(canonicals)} if canonicals else {})


def with_plans(*plans):
    def answer(request):
        said = well(request)
        if request.url.path.endswith("/CarePlan") and "category" in str(request.url):
            entries = [{"resource": plan, "search": {"mode": "match"}} for plan in plans]
            body = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
            return httpx.Response(200, json=body, headers={"Date": said.headers["Date"]})
        return said

    return answer


def test_versions_that_people_are_on_and_the_folder_does_not_have_are_counted():
    name = PathwayId("post-discharge-coordination")
    own = shipped().pathways[name].version
    here, old = (systems.plan_definition(name, version) for version in (own, "2019.1.0"))
    gone = systems.plan_definition(PathwayId("given-up"), "2020.1.0")
    plans = [
        a_plan(1, here),
        a_plan(2, old),
        a_plan(3, "https://others.example/plan|1", old),
        a_plan(4, gone),
        a_plan(5),
    ]

    assert [f for f in about(found(answer=with_plans(*plans)), "pathways") if f[0] == "bad"] == [
        ("bad", f"{count} running enrolments are on version {version} of {pathway}, which the mappings folder does not have: nothing of them is followed up.",
         f"Put it back as pathways/{pathway}/versions/{version}.yaml with its line in SHA256SUMS, start the workers again, then `throughline dead-letters retry all`.")
        for count, version, pathway in ((2, "2019.1.0", name), (1, "2020.1.0", "given-up"))
    ]  # fmt: skip


def test_nothing_is_said_of_versions_while_all_are_there():
    name = PathwayId("post-discharge-coordination")
    own = shipped().pathways[name].version
    plans = [a_plan(1, systems.plan_definition(name, own))]

    assert not [f for f in about(found(answer=with_plans(*plans)), "pathways") if f[0] == "bad"]


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"fhir_auth_client_id": "us"}, "fhir.auth.clientId, existingSecret (key fhir-private-key), existingSecret (key fhir-client-secret), fhir.clientCertificate.existingSecret"),
        ({"fhir_auth_client_secret": "s"}, "fhir.auth.clientId"),
        ({"fhir_auth_client_id": "us", "fhir_auth_private_key": "no key"}, "existingSecret (key fhir-private-key)"),
        ({"fhir_auth_client_id": "us", "fhir_auth_private_key": "no key", "fhir_auth_private_key_next": "nor this"}, "fhir.auth.privateKeyNextKey"),
        ({"fhir_auth_token": "t", "fhir_auth_client_secret": "s"}, "existingSecret (key fhir-token), existingSecret (key fhir-client-secret)"),
        ({"fhir_ca_file": "/nowhere/ca.crt"}, "fhir.ca.existingSecret or fhir.ca.configMap"),
        ({"fhir_client_certificate_file": "/nowhere/tls.crt"}, "fhir.clientCertificate.existingSecret"),
        ({"fhir_client_key_file": "/nowhere/tls.key"}, "fhir.clientCertificate.keyKey, fhir.clientCertificate.existingSecret"),
        ({"fhir_auth_token_url": "http://login.example.org/token"}, "fhir.auth.tokenUrl"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_getting_in_is_said_in_the_words_of_the_chart_too(given, value):
    remedies = [
        remedy
        for _, _, remedy in about(found(settings=load_settings({}, fhir_base_url=BASE, **given)), "access")
    ]
    assert [remedy for remedy in remedies if remedy.endswith(f" In the chart: {value}.")]


def test_what_is_well_is_not_explained():
    assert [f for f in found(answer=well) if f.outcome is Outcome.GOOD and "In the chart" in f.remedy] == []


def test_a_misspelt_variable_is_said():
    line = "THROUGHLINE_FIHR_BASE_URL is not a setting and has no effect: did you mean THROUGHLINE_FHIR_BASE_URL?"
    assert about(found(unknown=[line]), "settings")[0] == (
        "care", line, "Correct its name, or remove it. In the chart: fhir.baseUrl."
    )  # fmt: skip


def test_an_unreachable_server_is_one_finding_and_ends_the_examination():
    findings = found(answer=_no_connection)
    assert about(findings, "FHIR server") == [
        ("bad", "The FHIR server cannot be used: GET Task?: no answer from the FHIR server after 1 tries (ConnectError). Check that it runs and that THROUGHLINE_FHIR_BASE_URL is right; try again later.",
         "Check THROUGHLINE_FHIR_BASE_URL, and that the server runs and this machine may reach it. In the chart: fhir.baseUrl."),
    ]  # fmt: skip
    assert findings[-1].about == "FHIR server"


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "Put a valid bearer token into THROUGHLINE_FHIR_AUTH_TOKEN, or into a file named by THROUGHLINE_FHIR_AUTH_TOKEN_FILE; docs/connecting.md shows the other ways. In the chart: existingSecret (key fhir-token)."),
        (403, "Ask for the right to read and write: Task, CarePlan, Communication, Provenance, and to read what pathways ask about."),
    ],
)  # fmt: skip
def test_a_record_that_is_closed_to_us_is_said_although_its_metadata_is_public(status, remedy):
    def answer(request):
        return well(request) if request.url.path.endswith("metadata") else httpx.Response(status)

    assert about(found(answer=answer), "FHIR server") == [
        ("bad", f"The FHIR server does not let us in ({status}).", remedy)
    ]


def test_every_request_carries_the_token():
    seen = []

    def answer(request):
        seen.append(request.headers.get("authorization"))
        return well(request)

    client = FhirClient(BASE, transport=httpx.MockTransport(answer), auth=_Token())
    found(client=client)
    assert set(seen) == {"Bearer t0ken"}


class _Token(httpx.Auth):
    def auth_flow(self, request):
        request.headers["authorization"] = "Bearer t0ken"
        yield request


@pytest.mark.parametrize(
    ("ahead", "sentence"),
    [(timedelta(minutes=2), "Our clock is 120 seconds behind the FHIR server's."),
     (timedelta(seconds=-90), "Our clock is 90 seconds ahead of the FHIR server's.")],
)  # fmt: skip
def test_clocks_that_differ_are_bad_because_due_times_would_be_off(ahead, sentence):
    def answer(request):
        said = well(request)
        said.headers["Date"] = format_datetime(HOUSE_NOW + ahead)
        return said

    assert about(found(answer=answer), "clock") == [
        ("bad", sentence, "Synchronise both with NTP: due times would be that much early or late.")
    ]


def test_clocks_that_agree_and_a_server_without_a_date():
    assert about(found(answer=well), "clock") == [("good", "Our clock and the FHIR server's agree.", "")]
    silent = about(found(answer=well.server.answer), "clock")
    assert silent == [
        ("care", "The FHIR server does not tell its time (no Date header).", "Make sure that both clocks are synchronised with NTP.")
    ]  # fmt: skip


def test_a_time_from_a_file_is_said(tmp_path):
    settings = load_settings({}, fhir_base_url=BASE, clock_file=tmp_path / "clock")
    [(how, _, remedy)] = about(found(settings=settings, answer=well), "clock")
    assert (how, remedy) == ("care", "This is meant for demonstrations only. Unset it for real work.")


def test_a_search_that_the_server_leaves_to_us_is_worth_knowing():
    def answer(request):
        strict = "handling=lenient" not in request.headers.get("prefer", "")
        if request.url.path.endswith("/Task") and "patient" in request.url.query.decode() and strict:
            return httpx.Response(400, json={"resourceType": "OperationOutcome", "issue": []})
        return well(request)

    assert about(found(answer=answer), "searches")[0] == (
        "care",
        "The FHIR server cannot search Task by patient: every resource of that type is read and chosen here.",
        "Works up to 5000 resources of that type. Beyond that, have the server support the search.",
    )


@pytest.mark.parametrize("held", [True, False])
def test_an_accountable_person_whom_the_record_does_not_have_would_leave_follow_ups_with_nobody(held):
    entries = [{"resource": {"resourceType": "Practitioner", "id": "ada"}, "search": {"mode": "match"}}]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": entries if held else []}

    def answer(request):
        asked = request.url.path.endswith("/Practitioner")
        return httpx.Response(200, json=bundle) if asked else well(request)

    settings = load_settings({}, fhir_base_url=BASE, accountable_practitioner="Practitioner/ada")
    bad = [f.sentence for f in found(settings=settings, answer=answer) if f.outcome is Outcome.BAD]
    missing = (
        "THROUGHLINE_ACCOUNTABLE_PRACTITIONER names a Practitioner whom the FHIR server does not have: "
        "follow-ups would go to nobody."
    )
    assert bad == ([] if held else [missing])


def test_a_search_that_the_server_refuses_must_be_mended():
    def answer(request):
        return httpx.Response(404) if "patient" in request.url.query.decode() else well(request)

    assert about(found(answer=answer), "searches") == [
        ("bad", "The FHIR server refuses the search Task by patient (404).",
         "Have the server support Task, or leave out the pathways that ask about it.")
    ]  # fmt: skip


def test_broken_mappings_and_a_folder_without_pathways_are_different_sentences(tmp_path):
    folder = tmp_path / "mappings"
    shutil.copytree(load_settings({}).mappings, folder, ignore=shutil.ignore_patterns("pathways"))
    (folder / "pathways").mkdir()
    assert about(found(folder=folder), "pathways") == [
        ("bad", "0 error(s) in the mappings folder; the pathways that can be used are: none.",
         "Set THROUGHLINE_MAPPINGS_DIR to the folder that holds pathways/. In the chart: mappings.from.")
    ]  # fmt: skip
    (folder / "pathways" / "broken").mkdir()
    (folder / "pathways" / "broken" / "pathway.yaml").write_text("pathway: [", encoding="utf-8")
    [(how, _, remedy)] = about(found(folder=folder), "pathways")
    assert (how, remedy) == (
        "bad", "`throughline pathways check` shows every one with file, line and what to write instead."
    )  # fmt: skip


def test_subscriptions_that_cannot_be_read_do_not_end_in_an_exception():
    def refused():
        raise RecordRefused("GET Subscription: no", status=403)

    [(how, sentence, _)] = about(found(answer=well, subscriptions=refused), "subscriptions")
    assert (how, sentence) == ("care", "The server's subscriptions cannot be read: GET Subscription: no")


def test_a_silent_redis_is_bad():
    settings = load_settings({}, redis_url="redis://127.0.0.1:1/0")
    assert about(found(settings=settings), "Redis") == [
        ("bad", "Redis does not answer (ConnectionError).",
         "Check THROUGHLINE_REDIS_URL, that the server runs, and that this machine may reach it. In the chart: existingSecret (key redis-url).")
    ]  # fmt: skip


def test_a_redis_without_its_append_only_file_and_parked_work_are_worth_knowing(valkey):
    settings = load_settings({}, redis_url=valkey.url)
    server = redis.Redis.from_url(valkey.url)
    server.config_set("appendonly", "no")
    try:
        good, *rest = about(found(settings=settings, parked=lambda: 2), "Redis")
    finally:
        server.config_set("appendonly", "yes")
        server.close()
    assert good[0] == "good"
    assert rest == [
        ("care", "Redis keeps no append-only file: notifications in hand are lost when it restarts.",
         "Set `appendonly yes`. Catch-up would find the changes again, but later."),
        ("care", "2 notifications or people could not be worked on and wait for a person.",
         "`throughline dead-letters list` says why; `throughline dead-letters retry all` tries again."),
    ]  # fmt: skip


def test_a_redis_that_throws_keys_away_when_full_is_worth_knowing(valkey):
    settings = load_settings({}, redis_url=valkey.url)
    with redis.Redis.from_url(valkey.url) as server:
        server.config_set("maxmemory-policy", "allkeys-lru")
        try:
            _, *rest = about(found(settings=settings), "Redis")
        finally:
            server.config_set("maxmemory-policy", "noeviction")
    assert rest == [
        ("care", "Redis throws keys away when its memory is full (maxmemory-policy allkeys-lru): notifications in hand among them.",
         "Set `maxmemory-policy noeviction`, so that it refuses instead and the sender sends again."),
    ]  # fmt: skip


def test_on_a_real_server_nothing_is_bad_and_nothing_is_left_behind(sandbox, valkey):
    settings = load_settings(
        {}, fhir_base_url=sandbox.base_url, redis_url=valkey.url, secret_key="0123456789abcdef",
        public_url="http://127.0.0.1:9",
    )  # fmt: skip
    kinds = {search.kind for search in needed_searches(library_of(settings.mappings), settings)} | {"Basic"}
    before = held_by(sandbox, kinds)
    findings = list(examine_installation(settings))
    assert [f.sentence for f in findings if f.outcome is Outcome.BAD] == []
    assert {f.about for f in findings} >= {
        "Redis",
        "pathways",
        "FHIR server",
        "searches",
        "clock",
        "subscriptions",
    }
    assert held_by(sandbox, kinds) == before


def held_by(sandbox, kinds):
    def total(kind):
        answer = httpx.get(f"{sandbox.base_url}/{kind}?_summary=count", trust_env=False)
        return answer.json()["total"]

    return {kind: total(kind) for kind in sorted(kinds)}


def _no_connection(request):
    raise httpx.ConnectError("", request=request)
