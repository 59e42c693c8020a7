"""FHIR date, dateTime and instant as aware datetimes, and back.

A partial date is the start of that day, month or year in the site's zone. Never guesses at anything else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

_FHIR_TIME = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2})"
    r"(T(?P<hour>\d{2}):(?P<minute>\d{2})(:(?P<second>\d{2})(\.(?P<fraction>\d+))?)?(?P<zone>Z|[+-]\d{2}:\d{2})?)?)?)?"
)
_REMEMBERED = 8192
"""The same times are read at every reconcile of a person."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse_time(text: object, zone: tzinfo) -> datetime | None:
    """An aware datetime, or None when `text` is not a FHIR date, dateTime or instant (R4 datatypes, 2.24.0.1).

    A time without an offset is not allowed by FHIR but common: it is taken as local time in `zone`.
    """
    return _parsed(text, zone) if isinstance(text, str) else None


@lru_cache(maxsize=_REMEMBERED)
def _parsed(text: str, zone: tzinfo) -> datetime | None:
    found = _FHIR_TIME.fullmatch(text)
    if found is None:
        return None
    # A leap second (":60", allowed by the FHIR pattern) is the first instant of the next minute.
    second = int(found["second"] or 0)
    try:
        moment = datetime(
            int(found["year"]),
            int(found["month"] or 1),
            int(found["day"] or 1),
            int(found["hour"] or 0),
            int(found["minute"] or 0),
            min(second, 59) if second <= 60 else second,
            int((found["fraction"] or "0")[:6].ljust(6, "0")),
            tzinfo=_zone(found["zone"], zone),
        )
        in_utc = moment.astimezone(UTC)  # an instant outside the calendar's range is not a time either
    except (ValueError, OverflowError):
        return None
    # Python never finds a time of a zone's repeated hour equal to the same instant written with an offset (PEP 495).
    told = moment if found["zone"] else in_utc
    return told + timedelta(seconds=1) if second == 60 else told


def fhir_time(moment: datetime, zone: tzinfo) -> str:
    """A FHIR dateTime in local time with its offset, so that a person reading the JSON sees the clinic's clock."""
    local = moment.astimezone(zone)
    offset = local.utcoffset() or timedelta()
    if offset.total_seconds() % 60:  # FHIR offsets have no seconds
        local = moment.astimezone(UTC)
    return local.isoformat()


def spoken_time(moment: datetime, zone: tzinfo) -> str:
    """For people: `Fri 6 Mar 2026, 16:30 MST`. Not by strftime, whose words follow the process's locale."""
    local = moment.astimezone(zone)
    day = f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}"
    return f"{day}, {local:%H:%M} {local.tzname()}"


def _zone(text: str | None, default: tzinfo) -> tzinfo:
    """The zone that was written; ValueError for an offset of a day or more."""
    if text is None:
        return default
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
