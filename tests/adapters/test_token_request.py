"""Asking for an access token in each way, against a token server that verifies what it is shown."""

import base64
from dataclasses import replace

import httpx
import pytest

from service.adapters.fhir.signing import jwk_set, new_key, signing_key
from service.adapters.fhir.token_answer import could_be_granted
from service.adapters.fhir.token_request import Client, SecretIn, TokenRequest
from service.adapters.fhir.tokens import NoToken
from tests.adapters.token_server import BASE, NOW, TOKEN_URL, TokenServer, rsa_pem

ES384 = signing_key(new_key())


RS384 = signing_key(rsa_pem())
KEYED = Client(client_id="throughline", key=lambda: ES384)
SECRET = Client(client_id="through:line", secret=lambda: "s3 cr&t")


def ask(server, client, **more):
    return TokenRequest(BASE, client, transport=server.transport, wall=lambda: float(NOW), **more)()


def refusal(server, client):
    with pytest.raises(NoToken) as refused:
        ask(server, client)
    return str(refused.value)


# --- with a key -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [ES384, RS384], ids=["ES384", "RS384"])
def test_a_signed_assertion_is_taken_by_a_server_that_verifies_it(key):
    server = TokenServer(jwks=jwk_set(key))
    token = ask(server, Client(client_id="throughline", key=lambda: key))
    assert (token.value, token.lifetime, token.expires_at) == ("token-1", 300, NOW + 300)


def test_each_assertion_is_used_once():
    server = TokenServer(jwks=jwk_set(ES384))
    request = TokenRequest(BASE, KEYED, transport=server.transport, wall=lambda: float(NOW))
    assert [request().value, request().value] == ["token-1", "token-2"]


def test_a_key_that_the_server_does_not_know_is_told_with_what_to_check_and_not_with_the_servers_text():
    said = refusal(TokenServer(jwks=jwk_set(RS384)), KEYED)
    assert said == (
        "The token server gave no token (401, invalid_client). Check THROUGHLINE_FHIR_AUTH_CLIENT_ID, and that the server"
        " knows our key (/.well-known/jwks.json) or secret, and that both clocks agree."
    )


def test_while_keys_are_rotated_either_is_taken_because_both_are_published():
    old, new = ES384, signing_key(new_key())
    server = TokenServer(jwks=jwk_set(old, new))
    assert ask(server, Client(client_id="throughline", key=lambda: old)).value == "token-1"
    assert ask(server, Client(client_id="throughline", key=lambda: new)).value == "token-2"


def test_the_scopes_asked_for_are_all_that_a_backend_service_may_do_as_the_server_spells_it():
    server = TokenServer()
    ask(server, KEYED)
    server.capabilities = ["permission-v1"]
    ask(server, KEYED)
    ask(server, replace(KEYED, scope="system/Task.cruds"))
    assert [form["scope"] for form in server.forms] == [
        "system/*.cruds", "system/*.read system/*.write", "system/Task.cruds",
    ]  # fmt: skip


# --- with a secret or a certificate -----------------------------------------------------------------------------


def test_a_secret_travels_in_the_header_encoded_as_the_rule_says():
    server = TokenServer()
    ask(server, SECRET)
    pair = base64.b64decode(str(server.seen[-1][2]).removeprefix("Basic ")).decode()
    assert pair == "through%3Aline:s3%20cr%26t"
    assert server.forms == [{"grant_type": "client_credentials"}]


def test_or_in_the_body():
    server = TokenServer()
    ask(server, replace(SECRET, secret_in=SecretIn.BODY))
    assert server.seen[-1][2] is None
    assert server.forms[0]["client_secret"] == "s3 cr&t"
    assert server.forms[0]["client_id"] == "through:line"


def test_with_a_certificate_alone_only_the_client_id_is_sent():
    server = TokenServer()
    ask(server, Client(client_id="throughline"))
    assert server.forms[0]["client_id"] == "throughline"
    assert {"client_assertion", "client_secret"}.isdisjoint(server.forms[0])


# --- where ------------------------------------------------------------------------------------------------------


def test_the_token_endpoint_is_found_by_smart_configuration_or_else_the_capability_statement():
    for smart in (True, False):
        assert ask(TokenServer(smart=smart), KEYED).value == "token-1"


def test_a_given_address_is_not_looked_for():
    server = TokenServer()
    ask(server, replace(KEYED, token_url=TOKEN_URL))
    assert [url for _, url, _ in server.seen] == [TOKEN_URL]


def test_a_server_that_names_no_token_endpoint_is_told_with_what_to_set():
    server = TokenServer(smart=False)
    server.statement = {"rest": ["odd", {"security": None}]}
    assert refusal(server, KEYED) == (
        "The FHIR server does not say where tokens come from: neither .well-known/smart-configuration nor its"
        " CapabilityStatement names a token endpoint. Set THROUGHLINE_FHIR_AUTH_TOKEN_URL."
    )


def test_it_is_looked_for_again_after_a_failure_because_it_may_have_moved():
    server = TokenServer()
    request = TokenRequest(BASE, KEYED, transport=server.transport)
    server.answers = [httpx.Response(404)]
    with pytest.raises(NoToken):
        request()
    server.token_url = "https://record.example/new/token"
    assert request().value == "token-1"


# --- answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "lifetime"),
    [("3600", 3600), (3600.5, 3600.5), (None, 300), ("soon", 300), (-5, 1), (10**9, 86400), ([], 300)],
    ids=str,
)  # fmt: skip
def test_odd_lifetimes_are_understood_or_bounded(told, lifetime):
    assert ask(TokenServer(lifetime=told), KEYED).lifetime == lifetime


def test_a_lifetime_beyond_all_numbers_is_no_crash():
    server = TokenServer()
    server.answers = [
        httpx.Response(200, content=b'{"access_token":"token-1","expires_in":1' + b"0" * 400 + b"}")
    ]
    assert 0 < ask(server, KEYED).lifetime <= 86400


@pytest.mark.parametrize(
    "body",
    [{}, {"access_token": ""}, {"access_token": "a b"}, {"access_token": "a\r\nX-Evil: 1"}, {"access_token": 7},
     {"access_token": "é"}, {"access_token": "x" * 20_000}, {"access_token": "x", "token_type": "mac"}, [], "text"],
    ids=lambda body: str(body)[:40],
)  # fmt: skip
def test_what_could_not_be_a_token_in_a_header_is_none(body):
    server = TokenServer()
    server.answers = [httpx.Response(200, json=body)]
    assert refusal(server, KEYED).startswith("The token server's answer holds no bearer token.")


def test_outcomes_are_counted_apart():
    outcomes: list[str] = []
    server = TokenServer()
    server.answers = [httpx.Response(503), httpx.Response(400, json={"error": "invalid_scope"})]
    for _ in range(2):
        with pytest.raises(NoToken):
            ask(server, KEYED, counted=outcomes.append)
    ask(server, KEYED, counted=outcomes.append)

    def gone(request):
        raise httpx.ConnectError("", request=request)

    with pytest.raises(NoToken) as failure:
        TokenRequest(BASE, KEYED, transport=httpx.MockTransport(gone), counted=outcomes.append)()
    assert outcomes == ["failed", "refused", "issued", "no-answer"]
    assert (
        str(failure.value)
        == "The search for the token endpoint got no answer (ConnectError). Try again later."
    )


def test_a_key_that_cannot_be_read_any_more_is_a_failure_in_words_and_no_crash():
    def gone():
        raise FileNotFoundError("/etc/secret/key.pem")

    said = refusal(TokenServer(), Client(client_id="throughline", key=gone))
    assert said == "Our key or secret for the token server cannot be used: its file cannot be read."


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [("system/*.cruds", True), ("system/*.*", True), ("system/Task.cu", True), ("system/Task.write", True),
     ("system/*.rs", False), ("system/Task.read system/CarePlan.write", False), ("https://x.example/.default", True)],
)  # fmt: skip
def test_scopes_say_whether_a_type_may_be_written(scopes, allowed):
    assert could_be_granted(scopes.split(), "Task") is allowed


# --- to whom a credential is shown ------------------------------------------------------------------------------


def shown_to(server):
    """Every address that was asked for a token."""
    return [url for method, url, _ in server.seen if method == "POST"]


@pytest.mark.parametrize("client", [KEYED, SECRET], ids=["key", "secret"])
def test_an_endpoint_without_encryption_that_the_server_names_is_shown_nothing(client):
    server = TokenServer()
    server.token_url = "http://record.example/auth/token"
    assert refusal(server, client) == (
        "The token endpoint that the FHIR server names is not encrypted (http), so nothing was sent there. Correct the FHIR"
        " server, or set THROUGHLINE_FHIR_AUTH_TOKEN_URL."
    )
    assert shown_to(server) == []


def test_a_secret_is_not_shown_to_a_host_that_only_the_server_names_but_to_one_that_we_name():
    server = TokenServer()
    server.token_url = "https://login.example/token"
    assert refusal(server, SECRET) == (
        "The token endpoint that the FHIR server names is on another host than the FHIR server, and a client secret is not"
        " sent to a host that only the server names. Set THROUGHLINE_FHIR_AUTH_TOKEN_URL to it if it is the right one."
    )
    assert shown_to(server) == []
    assert ask(server, replace(SECRET, token_url="https://login.example/token")).value == "token-1"


def test_an_assertion_may_go_to_another_host_because_it_is_good_for_that_address_only():
    server = TokenServer(jwks=jwk_set(ES384))
    server.token_url = "https://login.example/token"
    assert ask(server, KEYED).value == "token-1"


@pytest.mark.parametrize(
    "named",
    [
        "https://user:pass@login.example/token",
        "file:///etc/passwd",
        "//login.example",
        "https://",
        "x" * 9000,
    ],
)
def test_what_is_no_address_for_a_token_is_shown_nothing(named):
    server = TokenServer()
    server.token_url = named
    assert refusal(server, KEYED).startswith("The token endpoint that the FHIR server names cannot be used")
    assert shown_to(server) == []


@pytest.mark.parametrize(
    "named", ["https://[login", "https://login.example:x/", "https://login.example/\r\nx: y"]
)
def test_nor_is_what_only_looks_like_one(named):
    server = TokenServer()
    server.token_url = named
    refusal(server, KEYED)
    assert shown_to(server) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_token_endpoint_is_not_followed(status):
    server = TokenServer()
    server.answers = [httpx.Response(status, headers={"Location": "https://evil.example/token"})]
    assert refusal(server, SECRET).startswith(f"The token server gave no token ({status}, no reason).")
    assert shown_to(server) == [TOKEN_URL]


def test_discovery_is_asked_for_without_any_credential():
    server = TokenServer()
    ask(server, SECRET)
    assert [shown for method, _, shown in server.seen if method == "GET"] == [None]
