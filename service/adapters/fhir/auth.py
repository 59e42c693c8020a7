"""Proving who we are to the FHIR server. Must never log or show a token."""

from __future__ import annotations

from collections.abc import Callable, Generator

import httpx


class BearerToken(httpx.Auth):
    """A bearer token that is asked for anew with every request, so that a rotated secret file takes effect."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token()}"
        yield request

    def __repr__(self) -> str:
        return "BearerToken(…)"
