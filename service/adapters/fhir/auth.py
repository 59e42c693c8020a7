"""Proving who we are to the FHIR server. Must never log or show a token, nor send one anywhere but below its base URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator

import httpx

from service.adapters.fhir.address import Base
from service.adapters.fhir.tokens import NoToken, TokenSource, may_be_a_token
from service.ports import RecordRefused


class BearerToken(httpx.Auth):
    """A bearer token that is asked for anew with every request, so that a rotated secret file takes effect."""

    def __init__(self, token: Callable[[], str], base: Base | None = None) -> None:
        """`base`: the only place it is sent to."""
        self._token, self._base = token, base

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        _must_be_below(self._base, request)
        yield _bearing(request, self._checked())

    def _checked(self) -> str:
        """What is put into a header may only be what a header may hold: a file with more lines would be two headers."""
        try:
            token = self._token()
        except (OSError, UnicodeDecodeError):
            raise NoToken(
                "The file that holds the token of the FHIR server cannot be read. Check that it exists and may be read."
            ) from None
        if not may_be_a_token(token):
            raise NoToken(
                "What is set as the token of the FHIR server is none: it must be one word of ASCII letters, digits and signs."
                " Check THROUGHLINE_FHIR_AUTH_TOKEN or its file."
            )
        return token

    def __repr__(self) -> str:
        return "BearerToken(…)"


class AccessToken(httpx.Auth):
    """The token of a TokenSource."""

    def __init__(self, source: TokenSource, base: Base) -> None:
        self._source, self._base = source, base

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        _must_be_below(self._base, request)
        yield _bearing(request, self._source.token())

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The same beside an event loop, which must not wait for a token server."""
        _must_be_below(self._base, request)
        yield _bearing(request, await asyncio.to_thread(self._source.token))

    def is_worth_another(self, request: httpx.Request) -> bool:
        """To be asked when `request` was answered 401: whether its token was old, so that a new one may do."""
        return self._source.refused(request.headers.get("Authorization", "").removeprefix("Bearer "))

    def __repr__(self) -> str:
        return "AccessToken(…)"


def _bearing(request: httpx.Request, value: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {value}"
    return request


def _must_be_below(base: Base | None, request: httpx.Request) -> None:
    """The client asks nothing elsewhere; this holds even if somebody uses another client with our credentials."""
    if base is None:
        return
    wanted, found = httpx.URL(base.url), request.url
    same = (wanted.scheme, wanted.host, wanted.port) == (found.scheme, found.host, found.port)
    path = found.path.rstrip("/")
    if not same or not (path == base.path or path.startswith(f"{base.path}/")):
        raise RecordRefused(
            f"{request.method}: the address lies outside the FHIR base URL, so no credentials were sent there."
        )
