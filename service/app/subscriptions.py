"""Our Subscriptions on the record server: what is asked for, what has to be done about it, and whether it is so.

Throughline's are known by the token in their address. Tokens and secrets appear in no text made here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import NAMESPACE_URL, uuid5

from service.app.subscription_secrets import secret, token, watches
from service.domain.vocabulary import Reference
from service.fhir.references import reference_to, version_of
from service.fhir.subscription_kept import (
    Kept,
    differences,
    endpoint_of,
    ends_soon,
    kept_of,
    status_of,
)
from service.fhir.subscription_resource import subscription
from service.fhir.subscription_wanted import Asked, Wanted
from service.ports import (
    FhirRecord,
    NotInRecord,
    RecordFailure,
    RecordRefused,
    RecordUnavailable,
    Resource,
    Search,
    Write,
)

__all__ = ["Action", "Look", "Step", "Subscriptions", "secret", "token", "watches"]

NOT_WATCHED = {
    "error": "the server reports an error",
    "off": "the server has turned it off",
    "entered-in-error": "it was marked as entered in error",
}
"""Statuses in which a server sends nothing; asking again is the client's part (Backport 1.1, Errors)."""
TWICE = "it is there twice; one is enough"


class Action(StrEnum):
    """What has to be done about a subscription."""

    CREATE = "create"
    UPDATE = "update"
    RENEW = "renew"
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
    failed: str = ""
    """Why the server would not do it; the other steps are done all the same."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One step together with what it is about, for whoever decides whether to take it."""

    step: Step
    asked: Asked
    found: Resource | None
    moved: bool = False
    """It still is at an address of the key that was used before."""

    @property
    def kept(self) -> Kept | None:
        return None if self.found is None else kept_of(self.found)


@dataclass(frozen=True, kw_only=True)
class Subscriptions:
    """What a site wants watched on one record server, and everything needed to ask for it."""

    record: FhirRecord
    wanted: Sequence[Wanted]
    public_url: str
    """Where the record server reaches us."""
    keys: Sequence[bytes] = field(repr=False)
    """The installation key, then those used before it."""
    now: Callable[[], datetime]
    known: Callable[[str], str | None] = lambda _name: None
    """`Subscription/id` where one was last seen, by name: some servers can read a Subscription and not list them."""

    def plan(self) -> list[Step]:
        """What `apply` would do, without doing it."""
        return [look.step for look in self.looks()]

    def apply(self) -> list[Step]:
        """Create, update, renew or turn off what has to be; then read back what differs. Twice changes nothing.

        RecordUnavailable: the server does not answer, and what was left can be applied again.
        """
        return [self.take(look) for look in self.looks()]

    def stop(self) -> list[Step]:
        """Turn off every one of ours, and nobody else's. RecordUnavailable as for `apply`."""
        asked = [self._asked(wanted) for wanted in self.wanted]
        found = self._found(asked)
        on = [(each, ours) for each in asked for ours in found[each.wanted.name] if status_of(ours) != "off"]
        return [self.take(_turn_off(each, ours, "nothing is wanted any more")) for each, ours in on]

    def looks(self) -> list[Look]:
        """Each step that would have to be taken, with what it is about."""
        asked = [self._asked(wanted) for wanted in self.wanted]
        found = self._found(asked)
        looks: list[Look] = []
        for each in asked:
            ours = sorted(found[each.wanted.name], key=lambda resource: _preference(each, resource))
            looks.append(self._look(each, ours[0] if ours else None))
            looks += [_turn_off(each, extra, TWICE) for extra in ours[1:] if status_of(extra) != "off"]
        return looks

    def take(self, look: Look) -> Step:
        """Do one step and read back what came of it. RecordUnavailable when the server does not answer."""
        step = look.step
        if step.action is Action.KEEP:
            return step
        try:
            return self._read_back(look, self._write(look))
        except RecordUnavailable:
            raise
        except RecordFailure as failure:
            return replace(step, failed=str(failure))

    def look_again(self, steps: Iterable[Step]) -> list[Step]:
        """The same steps with the status that the server has now; RecordFailure when it cannot be read."""
        return [
            replace(step, status=status_of(self.record.read(step.reference)))
            if step.reference is not None and step.status == "requested"
            else step
            for step in steps
        ]

    # --- inside

    def _asked(self, wanted: Wanted) -> Asked:
        key = self.keys[0]
        endpoint = f"{self.public_url.rstrip('/')}/notifications/{token(key, wanted.name)}"
        end = None
        if wanted.end_days is not None:
            until = self.now().astimezone(UTC) + timedelta(days=wanted.end_days)
            end = until.strftime("%Y-%m-%dT%H:%M:%SZ")
        return Asked(wanted=wanted, endpoint=endpoint, secret=secret(key, wanted.name), end=end)

    def _look(self, asked: Asked, found: Resource | None) -> Look:
        before = {token(key, asked.wanted.name) for key in self.keys[1:]}
        moved = found is not None and _token_of(found) in before
        return Look(step=_step(asked, found, self.now()), asked=asked, found=found, moved=moved)

    def _found(self, asked: Sequence[Asked]) -> dict[str, list[Resource]]:
        """Ours on the server, by name. R4 Subscription has no identifier: the token in the address tells them.

        The token finds one that was made for another public address or with the key before, too. All are listed:
        a search by `url` would find neither, and not every server has it.
        """
        names = {token(key, each.wanted.name): each.wanted.name for each in asked for key in self.keys}
        found: dict[str, list[Resource]] = {each.wanted.name: [] for each in asked}
        for resource in self._listed(asked):
            name = names.get(_token_of(resource))
            if name is not None:
                found[name].append(resource)
        return found

    def _listed(self, asked: Sequence[Asked]) -> list[Resource]:
        try:
            return list(self.record.search(Search(kind="Subscription", params=())))
        except RecordRefused:
            # Some servers list only with a criterion; then at least those at the present address are found.
            searches = [Search(kind="Subscription", params=(("url", each.endpoint),)) for each in asked]
        try:
            return [resource for some in self.record.search_all(searches) for resource in some]
        except RecordUnavailable:
            raise
        except RecordFailure:
            return list(self._read_known(asked))

    def _read_known(self, asked: Sequence[Asked]) -> Iterator[Resource]:
        for reference in (self.known(each.wanted.name) for each in asked):
            if reference:
                try:
                    yield self.record.read(Reference(reference))
                except NotInRecord:
                    continue  # it has vanished, and is made anew

    def _write(self, look: Look) -> Reference:
        asked, found, step = look.asked, look.found, look.step
        resource = subscription(asked)
        if found is None or step.reference is None:
            full_url = f"urn:uuid:{uuid5(NAMESPACE_URL, asked.endpoint)}"
            return self.record.create(Write(resource=resource, full_url=full_url)).reference
        if step.action is Action.TURN_OFF:
            resource = {**found, "status": "off"}
        resource = {**resource, "id": found["id"]}
        version = version_of(found) or None
        return self.record.update(
            Write(resource=resource, full_url=step.reference, if_match=version)
        ).reference

    def _read_back(self, look: Look, reference: Reference) -> Step:
        """A server may answer 201 and keep something else; only what it shows afterwards counts."""
        kept = self.record.read(reference)
        differs = () if look.step.action is Action.TURN_OFF else differences(look.asked, kept)
        return replace(look.step, reference=reference, status=status_of(kept), differs=differs)


def to_mend(looks: Iterable[Look], known: Collection[str]) -> list[Look]:
    """The steps that are taken without anybody asking: what vanished, was turned off, ends, or moves to a new key.

    `known` are the names that were seen on the server before; whoever never applied one has their reasons. What the
    server keeps otherwise than asked is left to people: it would not get better by asking again every minute.
    """
    return [look for look in looks if _mends_itself(look, known)]


def _mends_itself(look: Look, known: Collection[str]) -> bool:
    match look.step.action:
        case Action.CREATE:
            return look.step.name in known
        case Action.RENEW:
            return True
        case Action.UPDATE:
            return look.moved or look.step.status in NOT_WATCHED
        case _:
            return False


def _step(asked: Asked, found: Resource | None, now: datetime) -> Step:
    name = asked.wanted.name
    if found is None:
        return Step(name=name, action=Action.CREATE, why=("it is not on the server",))
    status, kept = status_of(found), kept_of(found)
    why = (*((NOT_WATCHED[status],) if status in NOT_WATCHED else ()), *differences(asked, found))
    action = Action.UPDATE if why else Action.KEEP
    if not why and ends_soon(kept, now):
        action, why = Action.RENEW, (f"it ends at {kept.end:%Y-%m-%d %H:%M} UTC",)
    return Step(name=name, action=action, why=why, reference=reference_to(found), status=status)


def _turn_off(asked: Asked, extra: Resource, why: str) -> Look:
    step = Step(
        name=asked.wanted.name,
        action=Action.TURN_OFF,
        why=(why,),
        reference=reference_to(extra),
        status=status_of(extra),
    )
    return Look(step=step, asked=asked, found=extra)


def _token_of(resource: Resource) -> str:
    return endpoint_of(resource).rstrip("/").rsplit("/", 1)[-1]


def _preference(asked: Asked, resource: Resource) -> tuple[bool, bool, int, str]:
    """Which of several to keep: one that works, at the present address, with the fewest differences."""
    return (
        status_of(resource) in NOT_WATCHED,
        endpoint_of(resource) != asked.endpoint,
        len(differences(asked, resource)),
        str(resource.get("id")),
    )
