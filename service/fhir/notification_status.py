"""The status part of a topic-based notification, from Parameters (Backport on R4) or SubscriptionStatus (R4B, R5).

Accepts what senders really send: any value[x], any letter case, numbers as text or number. Follows no reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MAX_EVENT_NUMBER = 2**63 - 1
# Only what looks like a code is repeated: an error may come back in a status line that people read.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9\-]{0,63}\Z")


@dataclass(frozen=True, kw_only=True)
class StatusEvent:
    """One notificationEvent as it was written: references are still text."""

    number: int | None = None
    at: datetime | None = None
    focus: str | None = None
    focus_by_identifier: bool = False
    context: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Status:
    """A SubscriptionStatus in one shape for all FHIR versions."""

    type: str
    """Lower case; empty when the sender gave none."""
    status: str
    since: int | None
    subscription: str | None
    events: tuple[StatusEvent, ...]
    errors: tuple[str, ...]
    """Codes only; display and text may hold anything."""


def status_of(resource: Mapping[str, Any]) -> Status | None:
    """None when the resource is neither a SubscriptionStatus nor Parameters that stand for one."""
    match resource.get("resourceType"):
        case "SubscriptionStatus":
            return _from_status(resource)
        case "Parameters":
            parameters = _by_name(resource.get("parameter"))
            stands_for_status = "type" in parameters or "notification-event" in parameters
            return _from_parameters(parameters) if stands_for_status else None
        case _:
            return None


def _from_status(resource: Mapping[str, Any]) -> Status:
    return Status(
        type=_word(resource.get("type")),
        status=_word(resource.get("status")),
        since=number_of(resource.get("eventsSinceSubscriptionStart")),
        subscription=_reference_text(resource.get("subscription")),
        events=tuple(
            StatusEvent(
                number=number_of(event.get("eventNumber")),
                at=instant_of(event.get("timestamp")),
                focus=_reference_text(event.get("focus")),
                focus_by_identifier=_only_identifier(event.get("focus")),
                context=_references(_maps(event.get("additionalContext"))),
            )
            for event in _maps(resource.get("notificationEvent"))
        ),
        errors=tuple(_codes(_maps(resource.get("error")))),
    )


def _from_parameters(parameters: Mapping[str, list[Mapping[str, Any]]]) -> Status:
    def one(name: str) -> Any:
        return _value(parameters[name][0]) if name in parameters else None

    return Status(
        type=_word(one("type")),
        status=_word(one("status")),
        since=number_of(one("events-since-subscription-start")),
        subscription=_reference_text(one("subscription")),
        events=tuple(_parameter_event(event) for event in parameters.get("notification-event", ())),
        errors=tuple(_codes(_maps([_value(error) for error in parameters.get("error", ())]))),
    )


def _parameter_event(event: Mapping[str, Any]) -> StatusEvent:
    parts = _by_name(event.get("part"))

    def one(name: str) -> Any:
        return _value(parts[name][0]) if name in parts else None

    return StatusEvent(
        number=number_of(one("event-number")),
        at=instant_of(one("timestamp")),
        focus=_reference_text(one("focus")),
        focus_by_identifier=_only_identifier(one("focus")),
        context=_references(_value(part) for part in parts.get("additional-context", ())),
    )


# --- values -----------------------------------------------------------------------------------------------------


def number_of(value: Any) -> int | None:
    """integer64 is a JSON string in R4B and R5, a number with some senders; None when it is neither."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    number = int(text)
    return number if number <= MAX_EVENT_NUMBER else None


def instant_of(value: Any) -> datetime | None:
    """An aware datetime; None for a date or a time without offset (it could be any of 26 hours)."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _by_name(parameters: Any) -> dict[str, list[Mapping[str, Any]]]:
    named: dict[str, list[Mapping[str, Any]]] = {}
    for parameter in _maps(parameters):
        name = parameter.get("name")
        if isinstance(name, str):
            named.setdefault(name.lower(), []).append(parameter)
    return named


def _value(parameter: Mapping[str, Any]) -> Any:
    """Whatever stands in value[x]: senders disagree on its type, and only one can be there."""
    return next((value for key, value in parameter.items() if key.startswith("value")), None)


def _reference_text(value: Any) -> str | None:
    """A Reference, or the bare uri, canonical or string that some senders write in its place."""
    text = value.get("reference") if isinstance(value, Mapping) else value
    return text if isinstance(text, str) and text.strip() else None


def _only_identifier(value: Any) -> bool:
    return isinstance(value, Mapping) and "identifier" in value and not _reference_text(value)


def _references(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(text for value in values if (text := _reference_text(value)))


def _codes(concepts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        codings = _maps(concept.get("coding"))
        codes = [c["code"] for c in codings if _CODE.match(str(c.get("code")))]
        yield codes[0] if codes else "unspecified"


def _word(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _maps(values: Any) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []
