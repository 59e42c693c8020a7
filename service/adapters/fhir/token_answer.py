"""What a token server's answer says: a token, or why there is none, in words for operators.

Must not send anything, and must never show what was answered but its error code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from service.adapters.fhir.tokens import NoToken, Token, may_be_a_token

ASSUMED_LIFETIME = 300.0
LONGEST_LIFETIME = 86_400.0
_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]*)\.(\*|read|write|c?r?u?d?s?)(?:\?.*)?")
_CODE = re.compile(r"[a-z_]{1,40}")


def token_of(status: int, body: Mapping[str, Any]) -> Token:
    """RFC 6749 section 5. What a token holds goes into a header, so it may only be what a header may hold."""
    if status != httpx.codes.OK:
        raise NoToken(_refusal(status, body), status=status)
    value, kind = body.get("access_token"), str(body.get("token_type", "bearer"))
    if not may_be_a_token(value) or kind.lower() != "bearer":
        raise NoToken(
            "The token server's answer holds no bearer token. Check that THROUGHLINE_FHIR_AUTH_TOKEN_URL, or what the"
            " FHIR server names, is a token endpoint."
        )
    scope = body.get("scope")
    return Token(
        value=str(value),
        lifetime=_lifetime(body.get("expires_in")),
        scope=scope if isinstance(scope, str) else None,
    )


def _lifetime(told: object) -> float:
    """Seconds; some servers say it as a text, some not at all."""
    try:
        seconds = float(told) if isinstance(told, int | float | str) else ASSUMED_LIFETIME
    except (ValueError, OverflowError):
        return ASSUMED_LIFETIME
    return min(LONGEST_LIFETIME, seconds) if seconds > 0 else 1.0


def _refusal(status: int, body: Mapping[str, Any]) -> str:
    code = body.get("error")
    said = code if isinstance(code, str) and _CODE.fullmatch(code) else "no reason"
    return f"The token server gave no token ({status}, {said}). {_REMEDY.get(said, _LATER if status >= 500 else _CHECK)}"


_LATER = "Try again later."
_CHECK = "Check the THROUGHLINE_FHIR_AUTH_… settings against what was registered."
_REMEDY = {
    "invalid_client": (
        "Check THROUGHLINE_FHIR_AUTH_CLIENT_ID, and that the server knows our key (/.well-known/jwks.json) or secret,"
        " and that both clocks agree."
    ),
    "unauthorized_client": "Have the server allow this client the grant client_credentials.",
    "invalid_scope": "Set THROUGHLINE_FHIR_AUTH_SCOPE to scopes that were granted to this client.",
    "unsupported_grant_type": "Have the server allow the grant client_credentials.",
}


def could_be_granted(scopes: Sequence[str], kind: str) -> bool:
    """Whether SMART scopes (v1 `system/Task.write`, v2 `system/Task.cruds`) let somebody write this type.

    Scopes of another shape, as some servers use, say nothing about it.
    """
    parts = [_SCOPE.fullmatch(scope) for scope in scopes]
    known = [part for part in parts if part is not None]
    if not known:
        return True
    return any(
        part[1] in {"*", kind} and (part[2] in {"*", "write"} or {"c", "u"} <= set(part[2])) for part in known
    )
