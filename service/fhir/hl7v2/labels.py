"""Restrictions that an HL7 v2 message carries, as security labels (ARV, PV2-22, DG1-18, MSH-26)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from service.fhir.hl7v2.datatypes import table
from service.fhir.hl7v2.parsed import Parsed, Segment
from service.fhir.systems import CONFIDENTIALITY

_LEVELS = frozenset({"U", "L", "M", "N", "R", "V"})
RESTRICTED: Mapping[str, str] = {"system": CONFIDENTIALITY, "code": "R"}


def with_labels(resource: Mapping[str, Any], labels: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """A copy with these labels, each once."""
    found = list({(each["system"], each["code"]): dict(each) for each in labels}.values())
    return {**resource, "meta": {"security": found}} if found else dict(resource)


def of_message(message: Parsed) -> Iterator[Mapping[str, str]]:
    """What holds for everything in it: MSH-26, where it is a level of confidentiality."""
    level = message.header.text(26).upper()
    if level in _LEVELS:
        yield {"system": CONFIDENTIALITY, "code": level}


def of_person(message: Parsed) -> Iterator[Mapping[str, str]]:
    """ARV before PV1 restricts what may be told of the person."""
    yield from _restrictions(_before(message, "PV1"))


def of_visit(message: Parsed) -> Iterator[Mapping[str, str]]:
    """ARV behind PV1, or a visit that is protected."""
    yield from _restrictions(_behind(message, "PV1"))
    pv2 = message.first("PV2")
    if pv2 is not None and pv2.text(22).upper() == "Y":
        yield RESTRICTED


def of_diagnosis(dg1: Segment) -> Iterator[Mapping[str, str]]:
    if dg1.text(18).upper() == "Y":
        yield RESTRICTED


def _restrictions(segments: Iterable[Segment]) -> Iterator[Mapping[str, str]]:
    """An ARV that is not a deletion: restricted, and in which respect (HL70717)."""
    for arv in (segment for segment in segments if segment.name == "ARV"):
        if arv.text(2).upper() == "D":
            continue
        yield RESTRICTED
        respect = arv.text(3)
        if respect.isalnum():
            yield {"system": table("0717"), "code": respect}


def _before(message: Parsed, name: str) -> list[Segment]:
    names = [segment.name for segment in message.segments]
    return list(message.segments[: names.index(name)] if name in names else message.segments)


def _behind(message: Parsed, name: str) -> list[Segment]:
    names = [segment.name for segment in message.segments]
    return list(message.segments[names.index(name) :] if name in names else ())
