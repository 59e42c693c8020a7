"""Signing keys: which are taken, in which shapes, what is published of them, and that nothing private ever is."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from service.adapters.fhir.signing import KeyProblem, jwk_set, new_key, signing_key, thumbprint
from tests.adapters.token_server import rsa_pem

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def private_jwk(key):
    kind: Any = RSAAlgorithm if key.algorithm == "RS384" else ECAlgorithm
    return kind.to_jwk(key.private, as_dict=True)


def pem_of(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


def problem(text):
    with pytest.raises(KeyProblem) as refused:
        signing_key(text)
    return str(refused.value)


@pytest.mark.parametrize("text", [new_key(), rsa_pem()], ids=["P-384", "RSA"])
def test_pem_and_jwk_are_the_same_key_under_the_same_thumbprint(text):
    key = signing_key(text)
    private = private_jwk(key)
    for shape in (private, {"keys": [private]}):
        again = signing_key(json.dumps(shape))
        assert (again.key_id, again.algorithm) == (key.key_id, key.algorithm)


def test_the_thumbprint_is_that_of_the_rfc():
    """The example of RFC 7638 section 3.1."""
    public = {
        "kty": "RSA",
        "n": (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
            "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
            "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
            "nqDKgw"
        ),
        "e": "AQAB",
    }  # fmt: skip
    assert thumbprint(public) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_jwk_may_name_its_own_id():
    private = private_jwk(signing_key(new_key()))
    assert signing_key(json.dumps(private | {"kid": "2026-11"})).key_id == "2026-11"


@pytest.mark.parametrize("text", [new_key(), rsa_pem()], ids=["P-384", "RSA"])
def test_nothing_private_is_published(text):
    key = signing_key(text)
    [published] = jwk_set(key)["keys"]
    assert PRIVATE_MEMBERS.isdisjoint(published)
    assert (published["use"], published["kid"], published["alg"]) == ("sig", key.key_id, key.algorithm)
    assertion = key.assertion(client_id="c", audience="a", now=1, lifetime=9, jwt_id="j")
    options: Any = {"verify_exp": False}
    claims = jwt.decode(assertion, jwt.PyJWK(published).key, [key.algorithm], audience="a", options=options)
    assert claims == {"iss": "c", "sub": "c", "aud": "a", "jti": "j", "iat": 1, "exp": 10}


def test_the_same_key_twice_is_published_once():
    key = signing_key(new_key())
    assert len(jwk_set(key, key)["keys"]) == 1


def test_no_key_shows_itself():
    key = signing_key(new_key())
    assert "PRIVATE" not in repr(key)
    assert "EllipticCurvePrivateKey" not in repr(key)


WRONG = {
    "text": ("hello", "it holds no private key in PEM form: make one with `throughline keys new`"),
    "JSON": ("{", "it is neither PEM nor JSON: make one with `throughline keys new`"),
    "symmetric JWK": ('{"kty":"oct","k":"aGVsbG8"}', "the JWK holds no RSA or EC private key: make one with `throughline keys new`"),
    "two keys": ('{"keys":[{},{}]}', "the JWK set must hold exactly one private key"),
    "P-256": (
        pem_of(ec.generate_private_key(ec.SECP256R1())),
        "of EC keys only P-384 is used for SMART Backend Services: make one with `throughline keys new`",
    ),
    "Ed25519": (
        pem_of(ed25519.Ed25519PrivateKey.generate()),
        "it is not the private half of an RSA or EC key: make one with `throughline keys new`",
    ),
    "short RSA": (rsa_pem(1024), "an RSA key needs at least 2048 bits: make one with `throughline keys new`"),
    "passphrase": (
        pem_of(signing_key(new_key()).private, BestAvailableEncryption(b"x")),
        "it is protected by a passphrase: store it without one, in a secret",
    ),
    "public half": (
        signing_key(new_key()).private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "it holds no private key in PEM form: make one with `throughline keys new`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_key_that_cannot_be_used_is_told_with_what_would_do_and_is_not_shown(case):
    text, said = WRONG[case]
    assert problem(text) == said


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES256"])
def test_a_jwk_that_asks_for_a_weaker_algorithm_is_refused(algorithm):
    private = private_jwk(signing_key(new_key()))
    assert problem(json.dumps(private | {"alg": algorithm})) == (
        "the JWK says another algorithm than ES384, the only one its key may be used with here"
    )
