"""Tokens and secrets of our Subscriptions: derived from the installation's key, so that every process agrees.

Nothing is stored, and they appear in no text made here.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

from service.fhir.subscription_wanted import Wanted
from service.flow.receive import Auth, Watch


def token(key: bytes, name: str) -> str:
    """The unguessable part of the subscription's address."""
    return _derived(key, f"token:{name}")


def secret(key: bytes, name: str) -> str:
    """What the server has to show. Letters and digits only: some servers cut a header line at its second colon."""
    return _derived(key, f"secret:{name}")


def canary_value(key: bytes) -> str:
    """The identifier of this installation's canary: two installations on one record server do not share it."""
    return _derived(key, "canary")[:32]


def watches(wanted: Sequence[Wanted], keys: Sequence[bytes]) -> dict[str, Watch]:
    """By token: what the receiving end accepts. `keys`: the installation key, then those used before it."""
    return {
        token(key, each.name): Watch(
            name=each.name,
            token=token(key, each.name),
            secrets=tuple(secret(k, each.name) for k in keys),
            auth=Auth(each.auth),
            header=each.header.lower(),
        )
        for each in wanted
        for key in keys
    }


def _derived(key: bytes, purpose: str) -> str:
    return hmac.new(key, purpose.encode(), sha256).hexdigest()
