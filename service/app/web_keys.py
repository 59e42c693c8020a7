"""`/.well-known/jwks.json`: the public half of the keys with which this installation proves who it is to a FHIR server.

Never anything private. Empty while no key is set, so that the address can be registered first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from service.adapters.fhir.signing import KeyProblem

log = logging.getLogger(__name__)

KEPT_FOR = 300
"""Seconds for which a token server may keep what it has read; a key must be published so long before it signs."""


def key_routes(published: Callable[[], Mapping[str, Any]]) -> APIRouter:
    """`published` gives the JWK set (RFC 7517 section 5), read anew each time."""
    router = APIRouter(tags=["operations"])

    @router.get("/.well-known/jwks.json", summary="Our public keys, to be registered at a token server")
    def jwks() -> JSONResponse:
        try:
            found = published()
        except (KeyProblem, OSError, UnicodeDecodeError) as problem:
            log.warning(
                "our public keys cannot be shown (%s); token servers ask again", type(problem).__name__
            )
            told = {"detail": "The keys cannot be read now. `throughline doctor` says why."}
            return JSONResponse(told, 503, {"Retry-After": "30"})
        return JSONResponse(found, headers={"Cache-Control": f"public, max-age={KEPT_FOR}"})

    return router
