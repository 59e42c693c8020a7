"""How this process proves who it is to the FHIR server, put together from the settings once and shared by all its clients.

Bearer token, SMART Backend Services (private_key_jwt), client secret or client certificate; a private authority.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx

from service.adapters.fhir.address import Base
from service.adapters.fhir.auth import AccessToken, BearerToken
from service.adapters.fhir.signing import KeyProblem, SigningKey, jwk_set, signing_key
from service.adapters.fhir.tls import Tls, TlsProblem
from service.adapters.fhir.token_request import Client, SecretIn, TokenRequest
from service.adapters.fhir.tokens import Token, TokenSource
from service.app.settings import Settings, SettingsProblem, rereading, variable

KEYS = ("fhir_auth_private_key", "fhir_auth_private_key_next", "fhir_auth_private_key_previous")


@dataclass(frozen=True, kw_only=True)
class RecordAccess:
    """What a client of the FHIR server needs besides its address."""

    auth: httpx.Auth | None = None
    tls: Tls | None = None
    request: TokenRequest | None = None
    """For whoever wants to see how a token is had, e.g. doctor."""


Seen = Callable[[Token], None]


def record_access(
    settings: Settings,
    *,
    counted: Callable[[str], None] = lambda _outcome: None,
    seen: Seen = lambda _token: None,
    transport: httpx.BaseTransport | None = None,
) -> RecordAccess:
    """SettingsProblem when the settings contradict each other or a key cannot be used.

    `counted` is told the outcome of each token request, `seen` each token that was issued.
    """
    problems = access_problems(settings)
    if problems:
        raise SettingsProblem(problems)
    tls, base_url = _tls(settings), settings.need("fhir_base_url")
    if settings.fhir_auth_token is not None:
        bearer = BearerToken(rereading("fhir_auth_token", settings), Base.parse(base_url))
        return RecordAccess(auth=bearer, tls=tls)
    if settings.fhir_auth_client_id is None:
        return RecordAccess(tls=tls)
    request = TokenRequest(base_url, client_of(settings), tls=tls, transport=transport, counted=counted)

    def fetch() -> Token:
        token = request()
        seen(token)
        return token

    auth = AccessToken(TokenSource(fetch), Base.parse(base_url))
    return RecordAccess(auth=auth, tls=tls, request=request)


def access_problems(settings: Settings) -> list[str]:
    """Why the FHIR server cannot be spoken to with these settings, one line each with the remedy."""
    return [*_contradictions(settings), *unusable_keys(settings), *_unusable_certificates(settings)]


def client_of(settings: Settings) -> Client:
    """Who we are to the token server."""
    return Client(
        client_id=settings.need("fhir_auth_client_id"),
        key=_signing(settings) if settings.fhir_auth_private_key else None,
        secret=rereading("fhir_auth_client_secret", settings) if settings.fhir_auth_client_secret else None,
        secret_in=SecretIn(settings.fhir_auth_client_secret_in),
        scope=settings.fhir_auth_scope,
        token_url=settings.fhir_auth_token_url,
        audience=settings.fhir_auth_audience,
    )


def published_keys(settings: Settings) -> Callable[[], dict[str, list[dict[str, Any]]]]:
    """The public halves of our signing keys, the one in use first; files are read anew each time."""
    texts = {name: rereading(name, settings) for name in KEYS if getattr(settings, name) is not None}

    def published() -> dict[str, list[dict[str, Any]]]:
        return jwk_set(*(_named(name, text(), settings) for name, text in texts.items()))

    return published


def _signing(settings: Settings) -> Callable[[], SigningKey]:
    text = rereading("fhir_auth_private_key", settings)
    return lambda: _named("fhir_auth_private_key", text(), settings)


def _named(name: str, text: str, settings: Settings) -> SigningKey:
    key = _parsed(text)
    is_used = name == "fhir_auth_private_key"
    return key.named(settings.fhir_auth_key_id) if is_used and settings.fhir_auth_key_id else key


@lru_cache(maxsize=8)
def _parsed(text: str) -> SigningKey:
    """Checking a private key costs milliseconds, and strangers may ask for the public half as often as they like."""
    return signing_key(text)


def _tls(settings: Settings) -> Tls | None:
    files = (settings.fhir_ca_file, settings.fhir_client_certificate_file, settings.fhir_client_key_file)
    if not any(files):
        return None
    return Tls(ca=files[0], certificate=files[1], key=files[2])


# --- what is wrong, in words


def _contradictions(settings: Settings) -> list[str]:
    token, secret = settings.fhir_auth_token, settings.fhir_auth_client_secret
    key, client_id = settings.fhir_auth_private_key, settings.fhir_auth_client_id
    names = {"fhir_auth_token": token, "fhir_auth_client_secret": secret, "fhir_auth_private_key": key}
    several = [variable(name) for name, value in names.items() if value is not None]
    found = []
    if len(several) > 1:
        found.append(
            f"{' and '.join(several)} are set, but the FHIR server can be shown only one: unset the others."
        )
    if client_id is None and (secret or key):
        found.append(
            f"{variable('fhir_auth_client_id')} is missing: set it to the client id that came with the registration of"
            " the key or secret."
        )
    if client_id is not None and not (token or secret or key or settings.fhir_client_certificate_file):
        found.append(
            f"{variable('fhir_auth_client_id')} is set, but nothing proves it: set"
            f" {variable('fhir_auth_private_key')}_FILE, {variable('fhir_auth_client_secret')}_FILE or"
            f" {variable('fhir_client_certificate_file')}."
        )
    if settings.fhir_client_key_file and not settings.fhir_client_certificate_file:
        found.append(
            f"{variable('fhir_client_key_file')} is set without {variable('fhir_client_certificate_file')}: set both."
        )
    return found


def unusable_keys(settings: Settings) -> list[str]:
    """Which private keys cannot be used, and why."""
    found = []
    for name in KEYS:
        given = getattr(settings, name)
        if given is None:
            continue
        try:
            _parsed(given.get_secret_value())
        except KeyProblem as problem:
            found.append(f"{variable(name)} cannot be used: {problem}.")
    return found


def _unusable_certificates(settings: Settings) -> list[str]:
    try:
        _tls(settings)
    except TlsProblem as problem:
        names = " and ".join(
            variable(n)
            for n in ("fhir_ca_file", "fhir_client_certificate_file")
            if getattr(settings, n) is not None
        )
        return [f"{names}: {problem}."]
    return []
