"""By which identifiers a resource of a message is found in the record, and which of them say who a person is.

Matching the wrong person is worse than matching nobody: numbers that are shared, borrowed or reused never match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from service.fhir import systems
from service.fhir.messages.content import Key, Sender
from service.fhir.references import codings, mappings
from service.ports import Resource

PERSONAL_NUMBERS = frozenset({"SS", "SB", "DL", "PPN", "TAX", "MC", "MA", "HC", "AN", "VN", "NIIP"})
"""HL7 v2-0203 types that do not say who a Patient is: given to families, accounts or visits, or often made up."""
PERSONAL_SYSTEMS = frozenset({"http://hl7.org/fhir/sid/us-ssn", "http://hl7.org/fhir/sid/us-medicare"})
RECORD_NUMBERS = ("MR", "PI")
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
_SYSTEM = re.compile(r"[^\s|,$\\]{1,500}")
_VALUE = re.compile(r"[^\x00-\x1f\x7f\\]{1,255}")
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")


def keys_of(resource: Resource) -> tuple[Key, ...]:
    """Identifiers with a system and a value that can be searched for, in the order of the resource, each once."""
    found = (key for each in mappings(resource.get("identifier")) if (key := _key(each)))
    return tuple(dict.fromkeys(found))


def patient_keys(patient: Resource, sender: Sender) -> tuple[Key, ...]:
    """Those that say who it is: by the sender's list, else all but PERSONAL_NUMBERS; record numbers first."""
    trusted = [
        (_is_record_number(each), key)
        for each in mappings(patient.get("identifier"))
        if (key := _key(each)) and _is_trusted(each, sender)
    ]
    first = [key for is_record_number, key in trusted if is_record_number]
    return tuple(dict.fromkeys([*first, *(key for _, key in trusted)]))


def named_by(sender: Sender, kind: str, value: str) -> Key:
    """The identity of something that has no identifier: what this sender calls it."""
    return systems.REPORTED, f"{sender.name}/{kind}/{_UNFIT.sub('_', value)}"[:255]


def with_identifier(resource: Mapping[str, Any], key: Key) -> dict[str, Any]:
    """A copy that carries the identifier too."""
    return {
        **resource,
        "identifier": [*mappings(resource.get("identifier")), {"system": key[0], "value": key[1]}],
    }


def full_url_of(sender: Sender, name: str) -> str:
    """`urn:uuid:...` of a thing as this sender names it."""
    return systems.full_url(systems.REPORTED, f"{sender.name} {name}")


def types_of(identifier: Mapping[str, Any]) -> Iterator[str]:
    """Its types in v2-0203, which senders give with and without the system."""
    return (code for system, code in codings(identifier.get("type")) if system in {V2_0203, None})


def _key(identifier: Mapping[str, Any]) -> Key | None:
    system, value = identifier.get("system"), identifier.get("value")
    if not (isinstance(system, str) and isinstance(value, str) and value.strip()):
        return None
    return (system, value) if _SYSTEM.fullmatch(system) and _VALUE.fullmatch(value) else None


def _is_trusted(identifier: Mapping[str, Any], sender: Sender) -> bool:
    if sender.match_on:
        return identifier.get("system") in sender.match_on
    if identifier.get("system") in PERSONAL_SYSTEMS:
        return False
    return not any(code in PERSONAL_NUMBERS for code in types_of(identifier))


def _is_record_number(identifier: Mapping[str, Any]) -> bool:
    return any(code in RECORD_NUMBERS for code in types_of(identifier))


def searched(keys: Iterable[Key]) -> str:
    """The value of an `identifier` search for any of these."""
    return ",".join(f"{system}|{_escaped(value)}" for system, value in keys)


def _escaped(value: str) -> str:
    """R4 search, 3.1.1.4.3; the systems hold nothing that would need it."""
    return re.sub(r"([\\,$|])", r"\\\1", value)
