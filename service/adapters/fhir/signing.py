"""Signing keys for SMART Backend Services: private_key_jwt assertions (RS384, ES384) and the public half as a JWK set.

Knows no settings and no server. Must never show a private key, not even in an error.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

SMALLEST_RSA = 2048
"""Bits; RFC 7518 section 3.3."""
MAKE_ONE = "make one with `throughline keys new`"


class KeyProblem(Exception):
    """Use this when a private key cannot be used; the message says why and what would do, never what it was."""


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A private key with the algorithm it signs with and the id under which its public half is known."""

    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    algorithm: str
    key_id: str

    @property
    def public_jwk(self) -> dict[str, Any]:
        """RFC 7517, with nothing private in it."""
        public = _public(self.private)
        return public | {
            "kid": self.key_id, "alg": self.algorithm, "use": "sig", "key_ops": ["verify"],
        }  # fmt: skip

    def named(self, key_id: str) -> SigningKey:
        """The same key under another id."""
        return replace(self, key_id=key_id)

    def assertion(self, *, client_id: str, audience: str, now: int, lifetime: int, jwt_id: str) -> str:
        """A client assertion (SMART Backend Services, RFC 7523): `now` in epoch seconds, `lifetime` at most 300."""
        claims = {
            "iss": client_id, "sub": client_id, "aud": audience, "jti": jwt_id, "iat": now, "exp": now + lifetime,
        }  # fmt: skip
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers={"kid": self.key_id})


def signing_key(text: str) -> SigningKey:
    """From PEM, a JWK or a JWK set of one private key. The id is the JWK's own, else its thumbprint. KeyProblem."""
    given = _jwk_of(text) if text.lstrip().startswith("{") else {}
    private = _from_jwk(given) if given else _from_pem(text)
    algorithm = _algorithm_of(private)
    if given.get("alg") not in {None, algorithm}:
        raise KeyProblem(
            f"the JWK says another algorithm than {algorithm}, the only one its key may be used with here"
        )
    key_id = given.get("kid")
    return SigningKey(
        private=private,
        algorithm=algorithm,
        key_id=key_id if isinstance(key_id, str) and key_id else thumbprint(_public(private)),
    )


def jwk_set(*keys: SigningKey) -> dict[str, list[dict[str, Any]]]:
    """What is published; the same key twice is one."""
    return {"keys": list({key.key_id: key.public_jwk for key in keys}.values())}


def new_key() -> str:
    """A new P-384 private key, PEM without a passphrase."""
    made = ec.generate_private_key(ec.SECP384R1())
    return made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def thumbprint(public: dict[str, Any]) -> str:
    """RFC 7638."""
    members = ("e", "kty", "n") if public["kty"] == "RSA" else ("crv", "kty", "x", "y")
    canonical = json.dumps({name: public[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def _jwk_of(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise KeyProblem(f"it is neither PEM nor JSON: {MAKE_ONE}") from None
    keys = found.get("keys", [found])
    if not isinstance(keys, list) or len(keys) != 1 or not isinstance(keys[0], dict):
        raise KeyProblem("the JWK set must hold exactly one private key")
    return keys[0]


def _from_jwk(given: dict[str, Any]) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    kinds: dict[object, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm}
    try:
        return _private(kinds[given.get("kty")].from_jwk(given))
    except (jwt.PyJWTError, KeyError, ValueError, TypeError):
        raise KeyProblem(f"the JWK holds no RSA or EC private key: {MAKE_ONE}") from None


def _from_pem(text: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        return _private(serialization.load_pem_private_key(text.strip().encode(), password=None))
    except TypeError:
        raise KeyProblem("it is protected by a passphrase: store it without one, in a secret") from None
    except ValueError:
        raise KeyProblem(f"it holds no private key in PEM form: {MAKE_ONE}") from None


def _private(found: object) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if isinstance(found, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        return found
    raise KeyProblem(f"it is not the private half of an RSA or EC key: {MAKE_ONE}")


def _algorithm_of(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """SMART App Launch 2, section 4.1.4: servers support RS384 and ES384."""
    if isinstance(private, rsa.RSAPrivateKey):
        if private.key_size < SMALLEST_RSA:
            raise KeyProblem(f"an RSA key needs at least {SMALLEST_RSA} bits: {MAKE_ONE}")
        return "RS384"
    if private.curve.name != "secp384r1":
        raise KeyProblem(f"of EC keys only P-384 is used for SMART Backend Services: {MAKE_ONE}")
    return "ES384"


def _public(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    if isinstance(private, rsa.RSAPrivateKey):
        jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        return {"kty": "RSA", "n": jwk["n"], "e": jwk["e"]}
    jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {"kty": "EC", "crv": jwk["crv"], "x": jwk["x"], "y": jwk["y"]}
