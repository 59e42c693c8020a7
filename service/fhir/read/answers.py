"""What the owners answered: Task.output coded with a required field or a gate. Any value[x] counts as an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from service.domain.evidence import Recorded, Waived
from service.domain.vocabulary import FieldId, Reference, RoleId
from service.fhir.read.elements import Notes, text_of
from service.fhir.references import codings, mappings
from service.fhir.systems import GATE, REQUIRED_FIELD
from service.ports import Resource

_NAME_ORDER = {"official": 0, "usual": 1}


def recorded(task: Resource, *, source: Reference, at: datetime, notes: Notes) -> Iterator[Recorded]:
    """The required fields that Task.output gives a value for."""
    for field, output in _outputs(task, REQUIRED_FIELD):
        name = _value_name(output)
        if name is None:
            notes.add(source, f"its output for '{field}' has no value; please record one")
            continue
        yield Recorded(field=FieldId(field), value=spoken_value(name, output[name]), at=at, source=source)


def waived(
    task: Resource,
    *,
    source: Reference,
    owner: Reference | None,
    roles: frozenset[RoleId],
    at: datetime,
    notes: Notes,
) -> Iterator[Waived]:
    """The gates that the Task's owner waived; without words for the reason it is told and still passed on."""
    for gate, output in _outputs(task, GATE):
        name = _value_name(output)
        reason = spoken_value(name, output[name]) if name else ""
        if not reason:
            notes.add(source, f"it waives '{gate}' without a reason; please give one")
        yield Waived(gate=gate, reason=reason, by=owner, roles=roles, at=at)


def _outputs(task: Resource, system: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for output in mappings(task.get("output")):
        for found_in, code in codings(output.get("type")):
            if found_in == system:
                yield code, output


def _value_name(output: Mapping[str, Any]) -> str | None:
    return next((name for name in output if name.startswith("value") and output[name] is not None), None)


def spoken_value(name: str, value: object) -> str:
    """The code or the text of a `value[x]`; empty when only a reference was given."""
    if name == "valueReference":
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float) or not isinstance(value, Mapping):
        return str(value)
    if name == "valueCodeableConcept":
        return next((code for _, code in codings(value)), text_of(value.get("text")))
    if name == "valuePeriod":
        return "/".join(text_of(value.get(end)) for end in ("start", "end"))
    if name == "valueHumanName" and not value.get("text"):
        return human_name(value)
    if "value" in value and "unit" in value:
        return f"{value['value']} {value['unit']}"
    keys = ("value", "code", "text", "display", "title", "url")
    return next((str(value[key]) for key in keys if value.get(key) not in {None, ""}), "")


def human_name(name: Mapping[str, Any]) -> str:
    """A HumanName as it is said: its text, else prefix, given names, family name, suffix."""
    if text_of(name.get("text")):
        return text_of(name.get("text"))
    words: list[object] = []
    for key in ("prefix", "given"):
        words += name[key] if isinstance(name.get(key), list) else []
    words.append(name.get("family"))
    words += name["suffix"] if isinstance(name.get("suffix"), list) else []
    return " ".join(text_of(word) for word in words if text_of(word))


def display_of(practitioner: Resource) -> str:
    """The name a Practitioner goes by: official or usual before others, never an old one."""
    names = [each for each in mappings(practitioner.get("name")) if each.get("use") != "old"]
    names.sort(key=lambda each: _NAME_ORDER.get(text_of(each.get("use")), len(_NAME_ORDER)))
    return next((spoken for spoken in map(human_name, names) if spoken), "")
