"""What `doctor` says about getting in at the FHIR server: settings, certificates, and a token that is really asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from service.adapters.fhir.token_answer import could_be_granted
from service.adapters.fhir.token_request import TokenRequest
from service.adapters.fhir.tokens import NoToken, Token
from service.app.certificates import NoCertificate, first_end
from service.app.findings import Finding, Outcome
from service.app.record_access import access_problems
from service.app.settings import Settings, variable

SOON = timedelta(days=30)
ABOUT = "access"


def access_settings(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether the settings fit together; asks no server."""
    for problem in access_problems(settings):
        sentence, _, remedy = problem.partition(": ")
        yield Finding(
            about=ABOUT,
            outcome=Outcome.BAD,
            sentence=f"{sentence}.",
            remedy=remedy[:1].upper() + remedy[1:],
        )
    yield from _unencrypted(settings)
    for path in (settings.fhir_client_certificate_file, settings.fhir_ca_file):
        yield from _validity(path, now)
    yield from _published(settings)


def token_trial(request: TokenRequest, settings: Settings) -> Iterator[Finding]:
    """Asks for a token as the workers do; BAD when there is none."""
    try:
        token = request()
    except NoToken as failure:
        sentence, _, remedy = str(failure).partition(". ")
        yield Finding(about=ABOUT, outcome=Outcome.BAD, sentence=f"{sentence}.", remedy=remedy)
        return
    how = "with our key" if settings.fhir_auth_private_key else "with our secret"
    if not (settings.fhir_auth_private_key or settings.fhir_auth_client_secret):
        how = "with our certificate"
    yield Finding(
        about=ABOUT,
        outcome=Outcome.GOOD,
        sentence=f"The token server lets us in {how}; a token is good for {_words(token.lifetime)}.",
    )
    yield from _narrower(request, token)


def _words(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def refusal_remedy(settings: Settings, status: int) -> str | None:
    """What to do when the FHIR server answers 401 or 403; None for any other status."""
    if status == 403:
        return (
            "Ask for the right to read and write: Task, CarePlan, Communication, Provenance, and to read what pathways"
            " ask about."
        )
    if status != 401:
        return None
    if settings.fhir_auth_client_id:
        return (
            "The token was issued, but this server does not take it: check that it belongs to this base URL, and its"
            f" audience and scopes ({variable('fhir_auth_scope')})."
        )
    name = variable("fhir_auth_token")
    return (
        f"Put a valid bearer token into {name}, or into a file named by {name}_FILE; docs/connecting.md shows the other"
        " ways."
    )


def _unencrypted(settings: Settings) -> Iterator[Finding]:
    for name in ("fhir_base_url", "fhir_auth_token_url"):
        parts = urlsplit(getattr(settings, name) or "")
        if parts.scheme == "http" and not _is_here(parts.hostname or ""):
            yield Finding(
                about=ABOUT,
                outcome=Outcome.CARE,
                sentence=f"{variable(name)} begins with http: what is read, written and shown as proof travels unencrypted.",
                remedy="Use https, unless something in between encrypts (a service mesh).",
            )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _validity(path: Path | None, now: datetime) -> Iterator[Finding]:
    """The first certificate of a file that has ended, or ends soon; one that cannot be read is told elsewhere."""
    if path is None:
        return
    try:
        end = first_end(path)
    except NoCertificate:
        return
    if end - now < SOON:
        ended = end < now
        yield Finding(
            about=ABOUT,
            outcome=Outcome.BAD if ended else Outcome.CARE,
            sentence=f"A certificate in {path.name} {'ended' if ended else 'ends'} on {end:%Y-%m-%d}.",
            remedy="Renew it; a new file in its place is read without a restart.",
        )


def _published(settings: Settings) -> Iterator[Finding]:
    if settings.fhir_auth_private_key is None:
        return
    if settings.public_url is None:
        yield Finding(
            about=ABOUT,
            outcome=Outcome.CARE,
            sentence="Our public keys cannot be fetched by the token server without a public address.",
            remedy=f"Set {variable('public_url')}, or register what `throughline keys show` prints.",
        )
        return
    keys = "key is" if settings.fhir_auth_private_key_next is None else "key and the next one are"
    yield Finding(
        about=ABOUT,
        outcome=Outcome.GOOD,
        sentence=f"Our public {keys} at {settings.public_url}/.well-known/jwks.json, served by the web process.",
    )


def _narrower(request: TokenRequest, token: Token) -> Iterator[Finding]:
    if token.scope is None:
        return
    granted = token.scope.split()
    missing = [
        kind
        for kind in ("Task", "CarePlan", "Communication", "Provenance")
        if not could_be_granted(granted, kind)
    ]
    if missing:
        yield Finding(
            about=ABOUT,
            outcome=Outcome.CARE,
            sentence=f"The scopes granted do not let us write: {', '.join(missing)}.",
            remedy=f"Have the server grant them to {request.client_id}, or ask for them with {variable('fhir_auth_scope')}.",
        )
