"""The single values of definition files: names, times, dates and yes/no, read from text with wording for authors.

Each type also says what an editor's schema should expect. Never guesses: what is not understood is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from service.domain.due import Unit, Within
from service.pathways.spelling import did_you_mean, listed, nearest

SLUG = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
REFERENCE = r"[A-Z][A-Za-z]{1,63}/(?!\.{1,2}$)[A-Za-z0-9.\-]{1,64}"
VERSION = r"\d{4}\.\d{1,4}\.\d{1,4}"
MOST = 9999
LONGEST_TEXT = 2000
UNITS = {unit.value: unit for unit in Unit} | {unit.value.removesuffix("s"): unit for unit in Unit}


def refuse(code: str, message: str, help_text: str = "") -> PydanticCustomError:
    """The error a reader raises; wording.py turns it into a Problem."""
    return PydanticCustomError(
        "authors-words", "{message}", {"code": code, "message": message, "help": help_text}
    )


def shown(text: str) -> str:
    """What the author wrote, shortened, for a message."""
    flat = " ".join(text.split())
    return f"'{flat[:40]}...'" if len(flat) > 43 else f"'{flat}'"


def a_text(value: Any) -> str:
    """The value as text; lists and mappings are refused."""
    if not isinstance(value, str):
        raise refuse("not-a-text", "this must be one text, not a list or a mapping")
    if not value.strip():
        raise refuse("no-value", "this text is empty", "write it, or remove the key")
    if len(value) > LONGEST_TEXT:
        raise refuse("too-large", f"this text is longer than {LONGEST_TEXT} characters")
    return value


def as_name(text: str) -> str:
    """The name that somebody who wrote `Confirm Receipt` probably meant: `confirm-receipt`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def read_slug(value: Any) -> str:
    """A name such as `contact-person`."""
    text = a_text(value)
    if len(text) > 64 or re.fullmatch(SLUG, text) is None:
        wanted = as_name(text)
        help_text = f"did you mean '{wanted}'?" if re.fullmatch(SLUG, wanted) and len(wanted) <= 64 else ""
        raise refuse(
            "bad-name",
            f"{shown(text)} is not a name: use small letters, digits and single hyphens",
            help_text,
        )
    return text


def read_within(value: Any) -> Within:
    """A length of time such as `72 hours`."""
    text = a_text(value)
    if text == "same-working-day":
        return Within(count=0, unit=Unit.WORKING_DAYS)
    known = "write a number and one of " + listed(unit.value for unit in Unit) + ", or same-working-day"
    match = re.fullmatch(r"([0-9]+) +([a-z-]+)", text)
    if match is None:
        raise refuse("bad-duration", f"{shown(text)} is not a length of time", known)
    unit = UNITS.get(match[2])
    if unit is None:
        raise refuse(
            "bad-unit", f"{shown(match[2])} is not a unit of time", did_you_mean(match[2], UNITS) or known
        )
    if len(match[1]) > len(str(MOST)):
        raise refuse("bad-duration", f"{shown(text)} is longer than any follow-up", f"at most {MOST}")
    return Within(count=int(match[1]), unit=unit)


def read_date(value: Any) -> date:
    """A day such as 2026-01-15."""
    text = a_text(value)
    try:
        return (
            date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else date.fromisoformat("")
        )
    except ValueError:
        raise refuse(
            "bad-date", f"{shown(text)} is not a day", "write year-month-day, such as 2026-01-15"
        ) from None


def read_yes_no(value: Any) -> bool:
    """Yes or no, written true or false."""
    text = a_text(value)
    if text not in {"true", "false"}:
        raise refuse("bad-choice", f"{shown(text)} is neither true nor false", "write true or false")
    return text == "true"


def read_count(value: Any) -> int:
    """A whole number from 1 to 20."""
    text = a_text(value)
    if re.fullmatch(r"[0-9]{1,2}", text) is None or not 1 <= int(text) <= 20:
        raise refuse("bad-number", f"{shown(text)} is not a whole number from 1 to 20")
    return int(text)


def read_amount(value: Any) -> int:
    """A whole number from 1 to 999."""
    text = a_text(value)
    if re.fullmatch(r"[0-9]{1,3}", text) is None or int(text) < 1:
        raise refuse("bad-number", f"{shown(text)} is not a whole number from 1 to 999")
    return int(text)


def read_version(value: Any) -> str:
    """Policy year . behaviour . wording."""
    text = a_text(value)
    if re.fullmatch(VERSION, text) is None:
        raise refuse("bad-version", f"{shown(text)} is not a version",
                     "write policy year . behaviour . wording, such as 2026.1.0")  # fmt: skip
    return text


def read_reference(value: Any) -> str:
    """A literal FHIR reference, `Type/id`."""
    text = a_text(value)
    if re.fullmatch(REFERENCE, text) is None:
        raise refuse(
            "bad-reference",
            f"{shown(text)} is not a reference",
            "write Type/id, such as Practitioner/7 or Organization/7",
        )
    return text


def read_timezone(value: Any) -> ZoneInfo:
    """A name of the time-zone database."""
    text = a_text(value)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refuse("bad-timezone", f"{shown(text)} is not a known time zone",
                     "write a name such as America/Denver") from None  # fmt: skip


def read_opening(value: Any) -> tuple[time, time]:
    """Opening hours of a day such as 08:30-17:00."""
    text = a_text(value)
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", text)
    if match is None:
        raise refuse("bad-hours", f"{shown(text)} are not opening hours", "write them as 08:30-17:00")
    opens, closes = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    if closes <= opens:
        raise refuse(
            "bad-hours", f"{shown(text)} closes before it opens", "hours end on the same day, at 23:59"
        )
    return opens, closes


@dataclass(frozen=True)
class OneOf:
    """Annotation of a text that is one of a few words; `noun` completes "'x' is not ..."; `hint` follows the words."""

    noun: str
    words: tuple[str, ...]
    hint: str = ""

    def __get_pydantic_core_schema__(self, _kind: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"enum": list(self.words)}

    def _read(self, value: Any) -> str:
        text = a_text(value)
        if text not in self.words:
            # Of a handful of words all can be said: one that is only a little like it would mislead.
            meant = nearest(text, self.words, likeness=0.7)
            help_text = f"did you mean '{meant}'?" if meant else f"write {listed(self.words)}{self.hint}"
            raise refuse("bad-choice", f"{shown(text)} is not {self.noun}", help_text)
        return text


def _string(pattern: str = "", **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string"} | ({"pattern": f"^{pattern}$"} if pattern else {}) | more)


_DURATION = r"([0-9]{1,4} +(minutes?|hours?|days?|weeks?|working-hours?|working-days?)|same-working-day)"

Text = Annotated[str, BeforeValidator(a_text), _string(minLength=1)]
Slug = Annotated[str, BeforeValidator(read_slug), _string(SLUG, maxLength=64)]
Duration = Annotated[Within, BeforeValidator(read_within), _string(_DURATION)]
Day = Annotated[date, BeforeValidator(read_date), _string(r"\d{4}-\d{2}-\d{2}")]
YesNo = Annotated[bool, BeforeValidator(read_yes_no), WithJsonSchema({"type": "boolean"})]
Count = Annotated[
    int, BeforeValidator(read_count), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 20})
]
Amount = Annotated[
    int, BeforeValidator(read_amount), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 999})
]
Version = Annotated[str, BeforeValidator(read_version), _string(r"\d{4}\.\d{1,4}\.\d{1,4}")]
LiteralReference = Annotated[str, BeforeValidator(read_reference), _string(REFERENCE)]
TimeZone = Annotated[ZoneInfo, BeforeValidator(read_timezone), _string()]
Opening = Annotated[tuple[time, time], BeforeValidator(read_opening), _string(r"\d{2}:\d{2}-\d{2}:\d{2}")]
