"""The senders of an installation with their tokens, which derive from its key like those of subscriptions."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

from service.app.sender_files import read_senders
from service.app.settings import Settings, variable
from service.fhir.messages.content import Sender
from service.flow.receive_message import Trusted


def sender_token(key: bytes, name: str) -> str:
    """What a sender of FHIR messages has to show as its bearer token."""
    return hmac.new(key, f"sender:{name}".encode(), sha256).hexdigest()


def senders_of(settings: Settings) -> tuple[Sender, ...]:
    """Everybody who may send messages. SendersProblem when the file has mistakes."""
    return read_senders(settings.mappings, settings.zone)


def trusted(senders: Sequence[Sender], keys: Sequence[bytes]) -> list[Trusted]:
    """Who may post FHIR messages. `keys`: the installation key, then those used before it."""
    return [
        Trusted(sender=each, tokens=tuple(sender_token(key, each.name) for key in keys))
        for each in senders
        if each.may_post
    ]


def unchecked_certificates(settings: Settings, senders: Sequence[Sender]) -> str:
    """What is wrong when senders list certificates and nobody's certificate is checked; empty when nothing is."""
    bound = [each.name for each in senders if each.certificates]
    if not bound or settings.mllp_tls_client_ca is not None:
        return ""
    return UNCHECKED.format(", ".join(bound), variable("mllp_tls_client_ca"))


# --- wording ----------------------------------------------------------------------------------------------------

UNCHECKED = (
    "senders.yaml lists certificates of {}, and {} is not set: nobody's certificate would be looked at."
)
