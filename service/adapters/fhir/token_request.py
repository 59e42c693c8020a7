"""Asking a token server for an access token: client_credentials with an assertion, a secret or a client certificate.

Follows no redirect, reads a bounded answer, never shows a credential or a token. Where to ask is discovered from the
FHIR server (SMART App Launch 2, section 4.1.3) unless it is given.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit
from uuid import uuid4

import httpx
import msgspec

from service.adapters.fhir.address import Base
from service.adapters.fhir.signing import KeyProblem, SigningKey
from service.adapters.fhir.tls import Tls
from service.adapters.fhir.token_answer import token_of
from service.adapters.fhir.tokens import NoToken, Token
from service.adapters.fhir.unpacking import unpacked
from service.ports import RecordFailure

LARGEST = 262_144
"""Bytes of a token answer or a discovery document."""
ASSERTION_LIVES = 240
"""Seconds; SMART allows 300, less a clock that runs ahead of the server's."""
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE_V1, SCOPE_V2 = "system/*.read system/*.write", "system/*.cruds"


class SecretIn(StrEnum):
    """Where a client secret travels (RFC 6749 section 2.3.1)."""

    HEADER = "header"
    BODY = "body"


@dataclass(frozen=True, kw_only=True)
class Client:
    """Who we are to the token server. With neither key nor secret, our TLS certificate proves it (RFC 8705)."""

    client_id: str
    key: Callable[[], SigningKey] | None = None
    secret: Callable[[], str] | None = field(default=None, repr=False)
    secret_in: SecretIn = SecretIn.HEADER
    scope: str | None = None
    """None: everything a backend service may do, as the server spells it; with a secret, whatever the server grants."""
    token_url: str | None = None
    """None: discovered."""
    audience: str | None = None
    """None: the token address, as SMART says."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where tokens come from, and what is known of it."""

    url: str
    capabilities: frozenset[str] = frozenset()


class TokenRequest:
    """Asks once per call; thread-safe."""

    def __init__(
        self,
        base_url: str,
        client: Client,
        *,
        tls: Tls | None = None,
        transport: httpx.BaseTransport | None = None,
        wall: Callable[[], float] = time.time,
        counted: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        """`counted` is told `issued`, `refused`, `failed` or `no-answer` for each request for a token."""
        self._base, self._client, self._tls = Base.parse(base_url), client, tls
        self._wall, self._counted = wall, counted
        self._endpoint: Endpoint | None = None
        self._transport = transport

    @property
    def client_id(self) -> str:
        return self._client.client_id

    def __call__(self) -> Token:
        """NoToken when there is none."""
        if self._tls is not None:
            self._tls.refresh()
        try:
            endpoint = self.endpoint()
            form, headers = self._form(endpoint), self._headers()
            token = token_of(*self._exchange("POST", endpoint.url, form, headers))
        except (KeyProblem, OSError, UnicodeDecodeError) as problem:
            self._counted("failed")
            why = str(problem) if isinstance(problem, KeyProblem) else "its file cannot be read"
            raise NoToken(f"Our key or secret for the token server cannot be used: {why}.") from None
        except NoToken as failure:
            self._endpoint = None  # it may have moved
            self._counted(_outcome(failure))
            raise
        self._counted("issued")
        return replace(token, expires_at=self._wall() + token.lifetime)

    def endpoint(self) -> Endpoint:
        """Given, or discovered once and kept while it works. NoToken."""
        if self._endpoint is None:
            self._endpoint = self._checked(self._found())
        return self._endpoint

    # --- where

    def _found(self) -> Endpoint:
        if self._client.token_url is not None:
            return Endpoint(url=self._client.token_url)
        _status, smart = self._exchange("GET", self._base.below(".well-known/smart-configuration"))
        url = smart.get("token_endpoint")
        if isinstance(url, str):
            told = smart.get("capabilities")
            names = told if isinstance(told, list) else []
            return Endpoint(url=url, capabilities=frozenset(n for n in names if isinstance(n, str)))
        _status, statement = self._exchange("GET", self._base.below("metadata"))
        url = _oauth_uri(statement)
        if url is None:
            raise NoToken(
                "The FHIR server does not say where tokens come from: neither .well-known/smart-configuration nor its"
                " CapabilityStatement names a token endpoint. Set THROUGHLINE_FHIR_AUTH_TOKEN_URL."
            )
        return Endpoint(url=url)

    def _checked(self, endpoint: Endpoint) -> Endpoint:
        """What was discovered must not weaken what is sent there."""
        parts, ours = _apart(endpoint.url), urlsplit(self._base.url)
        if parts is None:
            raise NoToken(f"{NAMED} cannot be used as an address. {SET_URL}")
        if parts.scheme == "http" and ours.scheme == "https":
            raise NoToken(f"{NAMED} is not encrypted (http), so nothing was sent there. {SET_URL}")
        discovered = self._client.token_url is None
        if discovered and self._client.secret is not None and parts.hostname != ours.hostname:
            raise NoToken(
                f"{NAMED} is on another host than the FHIR server, and a client secret is not sent to a host that only"
                " the server names. Set THROUGHLINE_FHIR_AUTH_TOKEN_URL to it if it is the right one."
            )
        return endpoint

    # --- what

    def _form(self, endpoint: Endpoint) -> dict[str, str]:
        client = self._client
        form = {"grant_type": "client_credentials"}
        scope = client.scope or (None if client.secret else _widest(endpoint))
        if scope:
            form["scope"] = scope
        if client.key is not None:
            form["client_assertion_type"] = ASSERTION_TYPE
            form["client_assertion"] = client.key().assertion(
                client_id=client.client_id,
                audience=client.audience or endpoint.url,
                now=int(self._wall()),
                lifetime=ASSERTION_LIVES,
                jwt_id=str(uuid4()),
            )
        elif client.secret is None or client.secret_in is SecretIn.BODY:
            form["client_id"] = client.client_id
        if client.secret is not None and client.secret_in is SecretIn.BODY:
            form["client_secret"] = client.secret()
        return form

    def _headers(self) -> dict[str, str]:
        client = self._client
        if client.secret is None or client.secret_in is SecretIn.BODY:
            return {}
        pair = f"{quote(client.client_id, safe='')}:{quote(client.secret(), safe='')}"  # RFC 6749 2.3.1
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}

    def _exchange(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, Any]]:
        doing = "The token request" if form else "The search for the token endpoint"
        try:
            with (
                self._http() as http,
                http.stream(method, url, data=form, headers=headers) as response,
            ):
                raw = unpacked(response, LARGEST, doing)
        except httpx.HTTPError as fault:
            raise NoToken(f"{doing} got no answer ({type(fault).__name__}). Try again later.") from None
        except RecordFailure as failure:
            raise NoToken(str(failure), status=failure.status) from None
        return response.status_code, _object(raw)

    def _http(self) -> httpx.Client:
        """One for each request: they are minutes apart, and nothing has to be closed when a process ends."""
        return httpx.Client(
            transport=self._transport,
            follow_redirects=False,
            trust_env=False,
            verify=True if self._tls is None else self._tls.context,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(10.0, connect=5.0),
        )


NAMED = "The token endpoint that the FHIR server names"
SET_URL = "Correct the FHIR server, or set THROUGHLINE_FHIR_AUTH_TOKEN_URL."


def _apart(url: str) -> SplitResult | None:
    """The parts of an absolute http(s) address without user and password; None for anything else."""
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in {"http", "https"} and parts.hostname and not (parts.username or parts.password)
        )
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return None
    return parts if usable else None


def _widest(endpoint: Endpoint) -> str:
    return SCOPE_V2 if "permission-v2" in endpoint.capabilities else SCOPE_V1


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _oauth_uri(statement: Mapping[str, Any]) -> str | None:
    """`token` of the oauth-uris extension (SMART App Launch 1, kept by many servers)."""
    found = _below(statement, ("rest", "security", "extension", "extension"))
    urls = [each.get("valueUri") for each in found if each.get("url") == "token"]
    return next((url for url in urls if isinstance(url, str)), None)


def _below(node: Any, path: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every object at the end of a path, lists on the way or not."""
    nodes = [each for each in (node if isinstance(node, list) else [node]) if isinstance(each, dict)]
    if not path:
        return nodes
    return [found for each in nodes for found in _below(each.get(path[0]), path[1:])]


def _outcome(failure: NoToken) -> str:
    if failure.status is None:
        return "no-answer"
    return "failed" if failure.status >= 500 else "refused"
