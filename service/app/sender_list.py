"""The senders as `throughline senders` shows them."""

from __future__ import annotations

from dataclasses import dataclass

from service.app.sender_files import MLLP, POST
from service.app.senders import sender_token, senders_of
from service.app.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sender."""

    name: str
    accepts: tuple[str, ...]
    header: str
    """MSH-3 and MSH-4."""
    certificates: tuple[str, ...]
    """Names in client certificates that speak for it; empty: any certificate."""
    token: str
    """Empty unless it was asked for, and for a sender that posts nothing."""


def listed(settings: Settings, *, tokens: bool) -> list[Row]:
    """Every sender by name; `tokens` needs the secret key."""
    key = settings.need("secret_key").encode() if tokens else b""
    return [
        Row(
            name=each.name,
            accepts=tuple(
                name for name, does in ((POST, each.may_post), (MLLP, bool(each.application))) if does
            ),
            header=f"{each.application} | {each.facility}" if each.application else "",
            certificates=tuple(sorted(each.certificates)),
            token=sender_token(key, each.name) if tokens and each.may_post else "",
        )
        for each in senders_of(settings)
    ]
