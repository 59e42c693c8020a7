"""Getting in at a FHIR server: against a fake that is unwell in every way, and against the token server of a real one."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import jwt
import pytest

from service.adapters.embedded import EmbeddedFhirServer
from service.adapters.fhir.address import Base
from service.adapters.fhir.auth import AccessToken
from service.adapters.fhir.client import FhirClient, Request
from service.adapters.fhir.retry import Backoff
from service.adapters.fhir.signing import jwk_set, new_key, signing_key
from service.adapters.fhir.tokens import JUST_ISSUED, NoToken, Token, TokenSource
from service.app.examination import examine_installation
from service.app.findings import Outcome
from service.app.record_access import access_problems, published_keys, record_access
from service.app.settings import SettingsProblem, load_settings
from service.app.wiring import open_record
from service.ports import RecordRefused, RecordUnavailable, Search
from tests.adapters.token_server import BASE, TokenServer, rsa_pem
from tests.processes import free_port

ES384, RS384 = new_key(), rsa_pem()


def settings_for(base=BASE, **more):
    given = {"fhir_base_url": base, "fhir_auth_client_id": "throughline", "lease_seconds": 5, **more}
    return load_settings({}, **given)


# --- a fake -----------------------------------------------------------------------------------------------------


class Watch:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def watch():
    return Watch()


def client_of(server, watch):
    """A client with the real parts between settings and socket, on a clock of ours."""
    request = record_access(settings_for(fhir_auth_client_secret="hush"), transport=server.transport).request
    assert request is not None
    auth = AccessToken(TokenSource(request, monotonic=watch), FhirClient(BASE).base)
    return FhirClient(BASE, auth=auth, transport=server.transport, backoff=Backoff(patience=0.01))


def read(client):
    return client.send(Request(method="GET", url=f"{BASE}/Task/1", doing="GET Task"))


def test_many_threads_share_one_token(watch):
    server = TokenServer()
    client = client_of(server, watch)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: read(client).status, range(64)))
    assert answers == [200] * 64
    assert server.issued == 1


def test_a_token_that_the_server_revoked_is_replaced_and_the_request_made_again_once(watch):
    server = TokenServer()
    client = client_of(server, watch)
    read(client)
    server.refuses = {"token-1"}
    watch.now += JUST_ISSUED + 1
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: read(client).status, range(32)))
    assert answers == [200] * 32
    assert server.issued == 2


def test_a_server_that_takes_no_token_at_all_is_not_stormed_with_requests_for_new_ones(watch):
    server = TokenServer()
    server.refuses = {f"token-{n}" for n in range(100)}
    client = client_of(server, watch)
    assert [read(client).status for _ in range(10)] == [401] * 10
    assert server.issued == 1


def test_without_a_token_nobody_is_parked_because_it_is_not_about_them(watch):
    server = TokenServer()
    server.answers = [httpx.Response(401, json={"error": "invalid_client"})]
    with pytest.raises(RecordUnavailable) as failure:
        read(client_of(server, watch))
    assert isinstance(failure.value, NoToken)


def test_a_client_of_another_server_is_not_given_the_token(watch):
    server = TokenServer()
    auth = client_of(server, watch)._auth
    with (
        httpx.Client(auth=auth, transport=server.transport) as other,
        pytest.raises(RecordRefused, match="no credentials were sent"),
    ):
        other.get("https://evil.example/fhir/Task/1")
    assert server.seen == []


# --- settings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"fhir_auth_client_id": None, "fhir_auth_private_key": ES384},
         ("THROUGHLINE_FHIR_AUTH_CLIENT_ID is missing: set it to the client id that came with the registration of the key or"
         " secret.")),
        ({}, ("THROUGHLINE_FHIR_AUTH_CLIENT_ID is set, but nothing proves it: set THROUGHLINE_FHIR_AUTH_PRIVATE_KEY_FILE,"
             " THROUGHLINE_FHIR_AUTH_CLIENT_SECRET_FILE or THROUGHLINE_FHIR_CLIENT_CERTIFICATE_FILE.")),
        ({"fhir_auth_private_key": ES384, "fhir_auth_token": "x"},
         ("THROUGHLINE_FHIR_AUTH_TOKEN and THROUGHLINE_FHIR_AUTH_PRIVATE_KEY are set, but the FHIR server can be shown only"
         " one: unset the others.")),
        ({"fhir_auth_private_key": "hello"},
         ("THROUGHLINE_FHIR_AUTH_PRIVATE_KEY cannot be used: it holds no private key in PEM form: make one with"
         " `throughline keys new`.")),
        ({"fhir_auth_client_secret": "x", "fhir_client_key_file": "/key"},
         "THROUGHLINE_FHIR_CLIENT_KEY_FILE is set without THROUGHLINE_FHIR_CLIENT_CERTIFICATE_FILE: set both."),
        ({"fhir_auth_client_secret": "x", "fhir_ca_file": "/nowhere/ca.crt"},
         "THROUGHLINE_FHIR_CA_FILE: ca.crt holds no certificate of an authority in PEM form."),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_together_are_one_line_each_with_the_remedy(given, said):
    settings = settings_for(**given)
    assert access_problems(settings) == [said]
    with pytest.raises(SettingsProblem):
        record_access(settings)


def test_with_nothing_set_everybody_is_taken_to_be_let_in():
    access = record_access(load_settings({}, fhir_base_url=BASE))
    assert (access.auth, access.tls, access.request) == (None, None, None)


def test_the_keys_in_use_next_and_before_are_published_and_no_other():
    settings = settings_for(
        fhir_auth_private_key=ES384, fhir_auth_private_key_next=RS384, fhir_auth_key_id="registered"
    )
    published = published_keys(settings)()
    assert [key["kid"] for key in published["keys"]] == ["registered", signing_key(RS384).key_id]
    assert published_keys(load_settings({}))() == {"keys": []}


# --- a real token server ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smart_server(tmp_path_factory):
    clients = [
        {"client_id": "throughline", "jwks": jwk_set(signing_key(ES384)), "scopes": "system/*.*"},
        {"client_id": "with-rsa", "jwks": jwk_set(signing_key(RS384)), "scopes": "system/*.*"},
        {"client_id": "with-secret", "client_secret": "s3cr et&", "scopes": "system/*.*"},
        {"client_id": "only-reads", "jwks": jwk_set(signing_key(ES384)), "scopes": "system/*.read"},
    ]  # fmt: skip
    auth = {"types": ["smart"], "smart_clients": clients, "token_lifetime": 60}
    folder = tmp_path_factory.mktemp("smart")
    server = EmbeddedFhirServer(folder, free_port(), settings={"server_auth": auth})
    with server as running:
        yield running


def nobody(settings):
    with open_record(settings, reading_only=True) as record:
        return list(record.search(Search(kind="Task", params=(("_id", "nobody"),))))


def test_the_real_server_keeps_out_whoever_shows_nothing(smart_server):
    with pytest.raises(RecordRefused, match="does not let us"):
        nobody(load_settings({}, fhir_base_url=smart_server.base_url))


@pytest.mark.parametrize(("client_id", "key"), [("throughline", ES384), ("with-rsa", RS384)])
def test_the_real_server_lets_us_in_with_a_signed_assertion(smart_server, client_id, key):
    settings = settings_for(smart_server.base_url, fhir_auth_client_id=client_id, fhir_auth_private_key=key)
    assert nobody(settings) == []


@pytest.mark.parametrize("where", ["header", "body"])
def test_the_real_server_lets_us_in_with_a_secret_in_the_body(smart_server, where):
    """It does not decode what RFC 6749 has us encode in the header, so a secret with such characters goes in the body."""
    settings = settings_for(
        smart_server.base_url,
        fhir_auth_client_id="with-secret",
        fhir_auth_client_secret="s3cr et&",
        fhir_auth_client_secret_in=where,
    )
    if where == "header":
        with pytest.raises(NoToken, match="invalid_client"):
            nobody(settings)
    else:
        assert nobody(settings) == []


def test_the_real_server_refuses_a_key_that_was_not_registered(smart_server):
    with pytest.raises(NoToken, match=r"401, invalid_client"):
        nobody(settings_for(smart_server.base_url, fhir_auth_private_key=new_key()))


def test_work_goes_on_over_the_end_of_a_tokens_life(smart_server, watch):
    """For us time passes; each new token is one that the server has really issued."""
    settings = settings_for(smart_server.base_url, fhir_auth_private_key=ES384)
    issued: list[Token] = []

    def fetch():
        request = record_access(settings).request
        assert request is not None
        issued.append(request())
        return issued[-1]

    base = Base.parse(smart_server.base_url)
    auth = AccessToken(TokenSource(fetch, monotonic=watch), base)
    request = Request(method="GET", url=base.below("Task?_id=nobody"), doing="GET Task?")
    with FhirClient(base.url, auth=auth) as client:
        for _ in range(10):
            assert client.send(request).status == 200
            watch.now += 20
    assert len(issued) == 4
    claims = jwt.decode(issued[0].value, options={"verify_signature": False})
    assert claims["client_id"] == "throughline"


def test_doctor_says_that_we_are_let_in_and_what_the_scopes_do_not_allow(smart_server):
    settings = settings_for(smart_server.base_url, fhir_auth_private_key=ES384)
    sentences = {f.sentence: f for f in examine_installation(settings) if f.about == "access"}
    assert "The token server lets us in with our key; a token is good for 60 seconds." in sentences
    narrow = settings_for(
        smart_server.base_url,
        fhir_auth_client_id="only-reads",
        fhir_auth_private_key=ES384,
        fhir_auth_scope="system/*.read",
    )
    found = [f for f in examine_installation(narrow) if f.about == "access"]
    assert [f.sentence for f in found if f.outcome is Outcome.CARE] == [
        "Our public keys cannot be fetched by the token server without a public address.",
        "The scopes granted do not let us write: Task, CarePlan, Communication, Provenance.",
    ]
    assert not [f for f in examine_installation(settings) if f.outcome is Outcome.BAD]
