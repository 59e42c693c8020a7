"""Our Subscriptions on the record server: their tokens and secrets, what is asked for, and whether it is so.

Tokens and secrets are derived from the installation's key, so that every process agrees and nothing is stored. They
appear in no text made here.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from uuid import NAMESPACE_URL, uuid5

from service.domain.vocabulary import Reference
from service.fhir.references import reference_to, version_of
from service.fhir.subscription_marks import errors_mark, heard_mark
from service.fhir.subscription_resource import (
    Asked,
    Wanted,
    differences,
    endpoint_of,
    status_of,
    subscription,
)
from service.flow.receive import Auth, Watch
from service.ports import FhirRecord, RecordRefused, Resource, Search, Watermarks, Write

NOT_WATCHED = {"error": "the server reports an error", "off": "the server has turned it off"}
"""Statuses in which a server sends nothing; asking again is the client's part (Backport 1.1, Errors)."""


# --- tokens and secrets -----------------------------------------------------------------------------------------


def token(key: bytes, name: str) -> str:
    """The unguessable part of the subscription's address."""
    return _derived(key, f"token:{name}")


def secret(key: bytes, name: str) -> str:
    """What the server has to show. Letters and digits only: some servers cut a header line at its second colon."""
    return _derived(key, f"secret:{name}")


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


# --- plan, apply, status ----------------------------------------------------------------------------------------


class Action(StrEnum):
    """What has to be done about a subscription."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    TURN_OFF = "turn off"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to do on the server, and why."""

    name: str
    action: Action
    why: tuple[str, ...] = ()
    reference: Reference | None = None
    """The Subscription on the server; None before it is created."""
    status: str = ""
    """Subscription.status as the server has it."""
    differs: tuple[str, ...] = ()
    """After applying: what the server keeps otherwise than asked. It will not get better by asking again."""


@dataclass(frozen=True, kw_only=True)
class State:
    """How a subscription stands."""

    name: str
    status: str
    """As the server has it; `missing` when it is not there."""
    says: tuple[str, ...] = ()
    heard_at: str | None = None
    """ISO instant of the last notification; None when there was none yet."""


@dataclass(frozen=True, kw_only=True)
class Subscriptions:
    """What a site wants watched on one record server, and everything needed to ask for it."""

    record: FhirRecord
    wanted: Sequence[Wanted]
    public_url: str
    """Where the record server reaches us."""
    keys: Sequence[bytes]
    """The installation key, then those used before it."""

    def plan(self) -> list[Step]:
        """What `apply` would do, without doing it."""
        return [step for step, _, _ in self._steps()]

    def apply(self) -> list[Step]:
        """Create, update or turn off what has to be; then read it back and say what differs. Twice changes nothing."""
        return [self._applied(*step) for step in self._steps()]

    def status(self, watermarks: Watermarks) -> list[State]:
        """How each wanted subscription stands on the server, and when it was last heard."""
        return [
            self._state(step, found, watermarks)
            for step, _, found in self._steps()
            if step.action is not Action.TURN_OFF
        ]

    # --- inside

    def _asked(self, wanted: Wanted) -> Asked:
        key = self.keys[0]
        endpoint = f"{self.public_url.rstrip('/')}/notifications/{token(key, wanted.name)}"
        return Asked(wanted=wanted, endpoint=endpoint, secret=secret(key, wanted.name))

    def _steps(self) -> list[tuple[Step, Asked, Resource | None]]:
        asked = [self._asked(wanted) for wanted in self.wanted]
        found = self._found(asked)
        steps: list[tuple[Step, Asked, Resource | None]] = []
        for each in asked:
            ours = sorted(found[each.wanted.name], key=lambda resource: _preference(each, resource))
            first = ours[0] if ours else None
            steps.append((_step(each, first), each, first))
            spare = [extra for extra in ours[1:] if status_of(extra) != "off"]
            steps += [(_turn_off(each, extra), each, extra) for extra in spare]
        return steps

    def _found(self, asked: Sequence[Asked]) -> dict[str, list[Resource]]:
        """Ours on the server, by name. R4 Subscription has no identifier: the token in the address tells them.

        The token finds one that was made for another public address or with the key before, too. All are listed:
        a search by `url` would find neither, and not every server has it.
        """
        names = {token(key, each.wanted.name): each.wanted.name for each in asked for key in self.keys}
        found: dict[str, list[Resource]] = {each.wanted.name: [] for each in asked}
        for resource in self._listed(asked):
            name = names.get(endpoint_of(resource).rstrip("/").rsplit("/", 1)[-1])
            if name is not None:
                found[name].append(resource)
        return found

    def _listed(self, asked: Sequence[Asked]) -> list[Resource]:
        try:
            return list(self.record.search(Search(kind="Subscription", params=())))
        except RecordRefused:
            # Some servers list only with a criterion; then at least those at the present address are found.
            searches = [Search(kind="Subscription", params=(("url", each.endpoint),)) for each in asked]
            return [resource for some in self.record.search_all(searches) for resource in some]

    def _applied(self, step: Step, asked: Asked, found: Resource | None) -> Step:
        if step.action is Action.KEEP:
            return step
        resource = subscription(asked)
        if found is None or step.reference is None:
            full_url = f"urn:uuid:{uuid5(NAMESPACE_URL, asked.endpoint)}"
            written = self.record.create(Write(resource=resource, full_url=full_url))
        else:
            if step.action is Action.TURN_OFF:
                resource = {**found, "status": "off"}
            resource = {**resource, "id": found["id"]}
            version = version_of(found) or None
            written = self.record.update(Write(resource=resource, full_url=step.reference, if_match=version))
        return self._read_back(step, asked, written.reference)

    def _read_back(self, step: Step, asked: Asked, reference: Reference) -> Step:
        """A server may answer 201 and keep something else; only what it shows afterwards counts."""
        kept = self.record.read(reference)
        differs = () if step.action is Action.TURN_OFF else differences(asked, kept)
        return replace(step, reference=reference, status=status_of(kept), differs=differs)

    def _state(self, step: Step, found: Resource | None, watermarks: Watermarks) -> State:
        says = list(step.why) if found is not None else ["it is not on the server: apply the subscriptions"]
        if found is not None and status_of(found) == "requested":
            says.append("the server has not activated it yet")
        errors = watermarks.get(errors_mark(step.name))
        if errors:
            says.append(f"the server last told of: {errors}")
        heard = watermarks.get(heard_mark(step.name))
        if heard is None:
            says.append("no notification has come yet")
        return State(name=step.name, status=step.status or "missing", says=tuple(says), heard_at=heard)


def _step(asked: Asked, found: Resource | None) -> Step:
    name = asked.wanted.name
    if found is None:
        return Step(name=name, action=Action.CREATE, why=("it is not on the server",))
    status = status_of(found)
    why = (*((NOT_WATCHED[status],) if status in NOT_WATCHED else ()), *differences(asked, found))
    action = Action.UPDATE if why else Action.KEEP
    return Step(name=name, action=action, why=why, reference=reference_to(found), status=status)


def _turn_off(asked: Asked, extra: Resource) -> Step:
    return Step(
        name=asked.wanted.name,
        action=Action.TURN_OFF,
        why=("it is there twice; one is enough",),
        reference=reference_to(extra),
        status=status_of(extra),
    )


def _preference(asked: Asked, resource: Resource) -> tuple[bool, bool, int, str]:
    """Which of several to keep: one that works, at the present address, with the fewest differences."""
    return (
        status_of(resource) in NOT_WATCHED,
        endpoint_of(resource) != asked.endpoint,
        len(differences(asked, resource)),
        str(resource.get("id")),
    )
