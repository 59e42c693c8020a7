"""A token server and a FHIR server in one, without a socket: verifies what it is shown, and can be told to be unwell."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

BASE = "https://record.example/fhir"
TOKEN_URL = "https://record.example/auth/token"
NOW = 1_772_839_800
"""The house instant in epoch seconds."""


def rsa_pem(bits=2048):
    made = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class TokenServer:
    """`jwks` is what it knows of the client; `issued` counts tokens, `seen` keeps (method, url, authorization)."""

    def __init__(
        self, *, jwks: Mapping[str, Any] | None = None, lifetime: Any = 300, smart: bool = True
    ) -> None:
        self.jwks, self.lifetime, self.smart = jwks, lifetime, smart
        self.issued = 0
        self.capabilities = ["client-confidential-asymmetric", "permission-v2"]
        self.token_url = TOKEN_URL
        self.answers: list[httpx.Response] = []
        """Given instead of a token, one each."""
        self.refuses: set[str] = set()
        """Tokens that the FHIR server does not take."""
        self.seen: list[tuple[str, str, str | None]] = []
        self.forms: list[dict[str, str]] = []
        self.jti: set[str] = set()
        self.statement: dict[str, Any] | None = None
        """Its CapabilityStatement, where that is odd."""
        self.lock = Lock()

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            self.seen.append((request.method, str(request.url), request.headers.get("authorization")))
            if str(request.url) == self.token_url:
                return self._token(request)
            if request.url.path.endswith("/.well-known/smart-configuration"):
                return self._smart()
            if request.url.path.endswith("/metadata"):
                return httpx.Response(200, json=self.statement or self._statement())
            return self._record(request)

    def _smart(self) -> httpx.Response:
        if not self.smart:
            return httpx.Response(404)
        told = {"token_endpoint": self.token_url, "capabilities": self.capabilities}
        return httpx.Response(200, json=told)

    def _statement(self) -> dict[str, Any]:
        uris = {
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [{"url": "token", "valueUri": self.token_url}],
        }
        return {"resourceType": "CapabilityStatement", "rest": [{"security": {"extension": [uris]}}]}

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = dict(parse_qsl(request.content.decode()))
        self.forms.append(form)
        if self.answers:
            return self.answers.pop(0)
        if self.jwks is not None and not self._is_proved(form.get("client_assertion", "")):
            return httpx.Response(401, json={"error": "invalid_client", "error_description": "secret detail"})
        self.issued += 1
        told = {
            "access_token": f"token-{self.issued}",
            "token_type": "Bearer",
            "scope": form.get("scope", ""),
        }
        return httpx.Response(
            200, json=told if self.lifetime is None else told | {"expires_in": self.lifetime}
        )

    def _is_proved(self, assertion: str) -> bool:
        """As a strict server would: algorithm by the registered key, audience, times, one use."""
        assert self.jwks is not None
        try:
            kid = jwt.get_unverified_header(assertion)["kid"]
            [registered] = [key for key in self.jwks["keys"] if key["kid"] == kid]
            claims = jwt.decode(
                assertion,
                jwt.PyJWK(registered).key,
                algorithms=[registered["alg"]],
                audience=self.token_url,
                options={
                    "require": ["exp", "iss", "sub", "aud", "jti"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, KeyError, ValueError):
            return False
        fresh = claims["jti"] not in self.jti and NOW < claims["exp"] <= NOW + 300
        self.jti.add(claims["jti"])
        return bool(fresh and claims["iss"] == claims["sub"] == "throughline")

    def _record(self, request: httpx.Request) -> httpx.Response:
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        if shown in self.refuses or not shown.startswith("token-"):
            return httpx.Response(401)
        return httpx.Response(200, json={"resourceType": "Task", "id": "1", "meta": {"versionId": "1"}})
