"""HL7 v2 data types as R4 elements (v2-to-FHIR, data type maps): what says nothing becomes None, never an empty element.

Looks at one field at a time; which field goes where is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any
from urllib.parse import quote

from service.fhir import systems
from service.fhir.hl7v2.parsed import Repetition
from service.fhir.hl7v2.tables import Target
from service.fhir.messages.content import Sender
from service.fhir.messages.identity import V2_0203
from service.fhir.times import fhir_time, parse_time

Json = dict[str, Any]

_OID = re.compile(r"[0-2](\.(0|[1-9]\d*)){1,60}")
_CODE = re.compile(r"\S+( \S+)*")
_DTM = re.compile(
    r"(?P<year>\d{4})((?P<month>\d\d)((?P<day>\d\d)((?P<hour>\d\d)((?P<minute>\d\d)((?P<second>\d\d)(\.\d{1,6})?)?)?)?)?)?"
    r"(?P<zone>[+-]\d{4})?"
)
_CODE_SYSTEMS: Mapping[str, str] = {
    "SCT": "http://snomed.info/sct",
    "SNM": "http://snomed.info/sct",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "I9": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9CDX": "http://hl7.org/fhir/sid/icd-9-cm",
    "LN": "http://loinc.org",
    "NUBC": "https://www.nubc.org/CodeSystem/PatDischargeStatus",
}
"""HL70396, as far as the standard gives each one a URL."""
_TABLE = re.compile(r"HL7(\d{4})")
_NAME_USES = {"L": "official", "D": "usual", "N": "nickname", "M": "maiden", "B": "official", "A": "anonymous", "S": "anonymous", "T": "temp", "BAD": "old"}  # fmt: skip
_ADDRESS_USES = {"H": "home", "P": "home", "B": "work", "O": "work", "C": "temp", "BA": "old"}
_TELECOM_USES = {"PRN": "home", "VHN": "home", "WPN": "work", "ORN": "home", "PRS": "mobile"}
_TELECOM_SYSTEMS = {"PH": "phone", "CP": "phone", "FX": "fax", "BP": "pager", "INTERNET": "email", "X.400": "email"}  # fmt: skip


def compact(element: Mapping[str, Any]) -> Json:
    """Without what says nothing."""
    return {name: value for name, value in element.items() if value not in (None, "", [], {})}


# --- codes


def table(number: str) -> str:
    """The code system of an HL7 v2 table, e.g. of `0112`."""
    return f"http://terminology.hl7.org/CodeSystem/v2-{number}"


def coding(
    value: Repetition, sender: Sender, *, default: str = "", translated: Mapping[str, Target] | None = None
) -> Json | None:
    """The first triplet of a CWE. `default`: number of the table that a code without a system is of."""
    code = value.text(1)
    if not _CODE.fullmatch(code) or len(code) > 128:
        return None
    known = (translated or {}).get(code)
    if known is not None and value.text(3) in {"", f"HL7{default}"}:
        return compact({"system": known.system, "code": known.code, "display": known.display})
    system = code_system(value, sender) or (table(default) if default else "")
    return compact({"system": system, "code": code, "display": value.text(2)})


def concept(
    value: Repetition, sender: Sender, *, default: str = "", translated: Mapping[str, Target] | None = None
) -> Json | None:
    """A CWE as CodeableConcept; free text that is no code stays as text."""
    first = coding(value, sender, default=default, translated=translated)
    text = value.text(9) or value.text(2) or ("" if first else value.text(1))
    return compact({"coding": [first] if first else [], "text": text}) or None


def code_system(value: Repetition, sender: Sender) -> str:
    """The system of CWE.3, by the sender's list, the standard's names, or as the sender's own; empty when not said."""
    name, oid = value.text(3), value.text(14)
    for each in (name, oid):
        if each in sender.code_systems:
            return sender.code_systems[each]
    if numbered := _TABLE.fullmatch(name):
        return table(numbered[1])
    if name.upper() in _CODE_SYSTEMS:
        return _CODE_SYSTEMS[name.upper()]
    if _OID.fullmatch(oid) or _OID.fullmatch(name):
        return f"urn:oid:{oid if _OID.fullmatch(oid) else name}"
    return f"{systems.LOCAL_CODES}/{_in_url(sender.name)}/{_in_url(name)}" if name else ""


# --- identifiers


def identifier(value: Repetition, sender: Sender, *, kind: str = "", authority: int = 4) -> Json | None:
    """A CX (or the id of an XCN, whose `authority` is component 9) as Identifier; `kind` replaces its type."""
    number = value.text(1)
    if not number or len(number) > 255:
        return None
    code = kind or value.text(13 if authority == 9 else 5)
    typed = {"coding": [{"system": V2_0203, "code": code}]} if _CODE.fullmatch(code) else None
    return compact({"system": assigner(value, sender, authority), "value": number, "type": typed})


def assigner(value: Repetition, sender: Sender, component: int = 4) -> str:
    """The identifier system of an HD: the sender's list, an OID, else a URL of the sender's own."""
    names = [value.text(component, sub) for sub in (2, 1)]
    for name in names:
        if name and name in sender.authorities:
            return sender.authorities[name]
    universal, namespace = names
    if value.text(component, 3) == "ISO" and _OID.fullmatch(universal):
        return f"urn:oid:{universal}"
    return own_system(sender, namespace or universal or sender.facility)


def own_system(sender: Sender, name: str) -> str:
    """The identifier system of an authority that no URL is configured for."""
    return f"{systems.ASSIGNER}/{_in_url(sender.name)}/{_in_url(name) or 'unnamed'}"


def _in_url(name: str) -> str:
    return quote(name, safe="")[:200]


# --- people and places


def human_name(value: Repetition) -> Json | None:
    """XPN; also the name part of an XCN when its components are shifted by one (see `staff_name`)."""
    return _name(value, 1, use=_NAME_USES.get(value.text(7).upper(), ""))


def staff_name(value: Repetition) -> Json | None:
    """The name of an XCN."""
    return _name(value, 2, use="")


def _name(value: Repetition, first: int, *, use: str) -> Json | None:
    """Family, given, further given, suffix, prefix, degree: XPN.1 to 6, XCN.2 to 7."""
    family, given, further, suffix, prefix, degree = (value.text(first + n) for n in range(6))
    name = compact(
        {
            "family": family,
            "given": [each for each in (given, further) if each],
            "prefix": [prefix] if prefix else [],
            "suffix": [each for each in (suffix, degree) if each],
        }
    )
    return compact({"use": use, **name}) if name else None


def said_name(name: Mapping[str, Any] | None) -> str:
    """For display."""
    if name is None:
        return ""
    parts = [*name.get("prefix", []), *name.get("given", []), name.get("family", ""), *name.get("suffix", [])]
    return " ".join(part for part in parts if part)


def address(value: Repetition) -> Json | None:
    """XAD."""
    lines = [value.text(1), value.text(2)]
    found = compact(
        {
            "line": [line for line in lines if line],
            "city": value.text(3),
            "district": value.text(9),
            "state": value.text(4),
            "postalCode": value.text(5),
            "country": value.text(6),
        }
    )
    return compact({"use": _ADDRESS_USES.get(value.text(7).upper(), ""), **found}) if found else None


def telecom(value: Repetition, *, use: str) -> Json | None:
    """XTN; `use` where it does not say its own."""
    email = value.text(4)
    parts = [f"+{value.text(5)}" if value.text(5) else "", value.text(6), value.text(7)]
    number = value.text(12) or value.text(1) or " ".join(part for part in parts if part)
    kind = _TELECOM_SYSTEMS.get(value.text(3).upper(), "phone")
    if email and not number:
        kind, number = "email", email
    if not number:
        return None
    said = "mobile" if value.text(3).upper() == "CP" else _TELECOM_USES.get(value.text(2).upper(), use)
    return compact({"system": kind, "value": number, "use": said})


def place_name(value: Repetition) -> str:
    """PL in words: bed, room, point of care, floor, building, facility, as far as they are said."""
    named = [("", 1), ("room ", 2), ("bed ", 3), ("floor ", 8), ("building ", 7), ("", 4)]
    return ", ".join(f"{word}{value.text(n)}" for word, n in named if value.text(n))


# --- times


def date_time(text: str, zone: tzinfo) -> str | None:
    """DTM as dateTime, as precise as it is; without an offset in the sender's zone. None when it is no time."""
    found = _DTM.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour = (found[name] for name in ("year", "month", "day", "hour"))
    if hour is None:
        partial = "-".join(part for part in (year, month, day) if part)
        return partial if parse_time(partial, zone) is not None else None
    told = f"{year}-{month}-{day}T{hour}:{found['minute'] or '00'}:{found['second'] or '00'}{_offset(found['zone'])}"
    moment = parse_time(told, zone)
    return fhir_time(moment, zone) if moment is not None and 1 < moment.year < 9999 else None


def moment_of(text: str, zone: tzinfo) -> datetime | None:
    """DTM as an instant."""
    told = date_time(text, zone)
    return parse_time(told, zone) if told else None


def date(text: str) -> str | None:
    """The day of a DTM, as precise as it is."""
    found = _DTM.fullmatch(text)
    if found is None:
        return None
    partial = "-".join(part for part in (found["year"], found["month"], found["day"]) if part)
    return partial if int(found["year"]) > 0 and _is_day(partial) else None


def _is_day(partial: str) -> bool:
    try:
        datetime.fromisoformat(f"{partial}{'-01-01'[: 10 - len(partial)] if len(partial) < 10 else ''}")
    except ValueError:
        return False
    return True


def _offset(text: str | None) -> str:
    return f"{text[:3]}:{text[3:]}" if text else ""


def each_of(elements: Iterable[Json | None]) -> list[Json]:
    """Those that say something, each once."""
    found: list[Json] = []
    for each in elements:
        if each is not None and each not in found:
            found.append(each)
    return found
