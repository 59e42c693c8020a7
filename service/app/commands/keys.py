"""`keys`: make and show the keys with which this installation proves who it is to a FHIR server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from service.app.commands.printing import as_json, failures_in_words, said, settings_from, stop
from service.app.exits import Exit

keys = typer.Typer(no_args_is_help=True, help="Our signing keys for SMART Backend Services.")


@keys.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to put it; must not exist yet.")],
    json: Annotated[bool, typer.Option("--json", help="Print the public half as a JWK set.")] = False,
) -> None:
    """Make a new private key (P-384, signs ES384), readable by its owner only.

    Example: throughline keys new fhir-key.pem
    """
    from service.adapters.fhir.signing import jwk_set, new_key, signing_key

    made = new_key()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        stop(f"{file} exists already, and a key is never overwritten: name another file", Exit.USAGE)
    except OSError as failure:
        stop(f"{file} cannot be written ({failure.strerror})", Exit.USAGE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(made)
    key = signing_key(made)
    if json:
        as_json(jwk_set(key))
        return
    said(f"{file}: a new private key, id {key.key_id}.")
    said(f"Use it: THROUGHLINE_FHIR_AUTH_PRIVATE_KEY_FILE={file.resolve()}")
    said(
        "Register its public half: `throughline keys show` prints it, `web` serves it at /.well-known/jwks.json."
    )


@keys.command()
def show() -> None:
    """Print the public halves of the keys in the settings as a JWK set, to be registered at a token server.

    Example: THROUGHLINE_FHIR_AUTH_PRIVATE_KEY_FILE=fhir-key.pem throughline keys show
    """
    from service.app.record_access import published_keys, unusable_keys
    from service.app.settings import SettingsProblem

    with failures_in_words():
        settings = settings_from()
        problems = unusable_keys(settings)
        if problems:
            raise SettingsProblem(problems)
        as_json(published_keys(settings)())
