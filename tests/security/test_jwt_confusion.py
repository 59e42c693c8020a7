"""Assertions and the keys behind them: one algorithm per key, nothing that lets another be believed, nothing private.

We sign and verify nothing: whoever verifies has only what we publish, so that is what these tests look through.
"""

import ast
import base64
import hashlib
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.adapters.fhir.signing import KeyProblem, jwk_set, new_key, signing_key
from service.app.record_access import published_keys
from service.app.settings import load_settings
from service.app.web_keys import key_routes
from tests.adapters.token_server import NOW, TOKEN_URL, TokenServer, rsa_pem
from tests.app.test_web import Site
from tests.architecture.source import python_files

KEYS = {"ES384": signing_key(new_key()), "RS384": signing_key(rsa_pem())}
CLAIMS = {
    "iss": "throughline", "sub": "throughline", "aud": TOKEN_URL, "jti": "1", "iat": NOW, "exp": NOW + 200,
}  # fmt: skip


def segment(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def is_let_in(assertion, key):
    return TokenServer(jwks=jwk_set(key))._is_proved(assertion)


@pytest.fixture(params=KEYS)
def key(request):
    return KEYS[request.param]


def test_what_we_sign_is_let_in_and_a_server_that_verifies_is_what_it_is_tried_on(key):
    good = key.assertion(client_id="throughline", audience=TOKEN_URL, now=NOW, lifetime=200, jwt_id="1")
    assert is_let_in(good, key)


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "HS256", "HS384", "RS256", "ES256", "PS384"]
)
def test_a_header_that_says_another_algorithm_is_not_let_in_with_our_public_key(key, algorithm):
    header = {"alg": algorithm, "typ": "JWT", "kid": key.key_id}
    good = key.assertion(client_id="throughline", audience=TOKEN_URL, now=NOW, lifetime=200, jwt_id="1")
    for signature in ("", good.split(".")[2]):
        assert not is_let_in(f"{segment(header)}.{segment(CLAIMS)}.{signature}", key)


def test_our_public_key_used_as_a_shared_secret_is_not_let_in(key):
    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(key.public_jwk).encode(), key.key_id.encode()):
        made = _signed_with_hmac({"alg": "HS256", "kid": key.key_id}, secret)
        assert not is_let_in(made, key)


def _signed_with_hmac(header, secret):
    signed = f"{segment(header)}.{segment(CLAIMS)}"
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def test_a_key_that_a_header_brings_along_is_not_believed(key):
    theirs = ec.generate_private_key(ec.SECP384R1())
    for more in (
        {"jku": "https://evil.example/jwks"},
        {"jwk": {"kty": "EC"}},
        {"x5u": "https://evil.example"},
    ):
        made = jwt.encode(CLAIMS, theirs, algorithm="ES384", headers={"kid": key.key_id, **more})
        assert not is_let_in(made, key)


def test_our_own_assertions_name_their_key_and_nothing_to_be_fetched(key):
    made = key.assertion(client_id="c", audience=TOKEN_URL, now=NOW, lifetime=200, jwt_id="1")
    assert jwt.get_unverified_header(made) == {"alg": key.algorithm, "kid": key.key_id, "typ": "JWT"}


def test_an_assertion_is_for_one_server_and_minutes_only(key):
    made = key.assertion(
        client_id="throughline", audience="https://evil.example/token", now=NOW, lifetime=200, jwt_id="1"
    )
    assert not is_let_in(made, key)
    old = key.assertion(client_id="throughline", audience=TOKEN_URL, now=NOW - 600, lifetime=200, jwt_id="1")
    assert not is_let_in(old, key)


def test_an_assertion_that_was_seen_is_not_let_in_twice(key):
    server = TokenServer(jwks=jwk_set(key))
    made = key.assertion(client_id="throughline", audience=TOKEN_URL, now=NOW, lifetime=200, jwt_id="1")
    assert [server._is_proved(made), server._is_proved(made)] == [True, False]


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES256", "PS384", "ES384"])
def test_a_key_that_asks_for_another_algorithm_than_its_own_is_refused(algorithm):
    private = jwt.algorithms.RSAAlgorithm.to_jwk(KEYS["RS384"].private, as_dict=True)  # type: ignore[call-overload]
    with pytest.raises(KeyProblem):
        signing_key(json.dumps({**private, "alg": algorithm}))


# --- what is published ------------------------------------------------------------------------------------------


def served(**settings):
    app_site = Site(routers=[key_routes(published_keys(load_settings({}, **settings)))])
    return app_site.ask("GET", "/.well-known/jwks.json")


def test_keys_are_served_with_their_algorithm_and_nothing_private():
    answer = served(fhir_auth_private_key=new_key(), fhir_auth_private_key_next=rsa_pem())
    assert answer.headers["cache-control"] == "public, max-age=300"
    keys = answer.json()["keys"]
    assert [(key["alg"], key["use"], key["key_ops"]) for key in keys] == [
        ("ES384", "sig", ["verify"]), ("RS384", "sig", ["verify"]),
    ]  # fmt: skip
    assert all(not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key) for key in keys)


def test_without_a_key_there_is_an_empty_set_to_register():
    assert served().json() == {"keys": []}


def test_a_key_file_that_is_broken_while_it_is_changed_is_told_without_its_text():
    def broken():
        raise KeyProblem("-----BEGIN PRIVATE KEY-----")

    answer = Site(routers=[key_routes(broken)]).ask("GET", "/.well-known/jwks.json")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "BEGIN" not in answer.text


def test_we_verify_no_tokens_and_should_we_ever_then_with_the_algorithm_named():
    """`jwt.decode` without `algorithms` believes the header of the token."""
    calls = [
        f"{source.path}:{node.lineno}"
        for source in python_files("service")
        if "jwt" in source.text
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and source.dotted(node.func) in {"jwt.decode", "jwt.decode_complete"}
        and "algorithms" not in {each.arg for each in node.keywords}
    ]
    assert calls == []
