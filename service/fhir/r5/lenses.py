"""What can be said of an element in R4 and in R5: small two-way translations that lose nothing on the way back.

A lens owns some members of an object in each version. Written back, a part whose R4 view nobody changed is put back
exactly as R5 had it, so what R4 cannot say is not lost by our editing something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.fhir.references import mapping, mappings

Json = dict[str, Any]
Object = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Lens:
    """One translation."""

    r4: tuple[str, ...]
    """Members it owns in R4."""
    r5: tuple[str, ...]
    """Members it owns in R5."""
    to_r4: Callable[[Object], Json]
    """The R4 members of an R5 object; empty ones are left out by the caller."""
    to_r5: Callable[[Object, Object], Json]
    """The R5 members of an R4 object; the second is the R5 object as it was before, empty when there is none."""


def seen_as_r4(r5: Object, lenses: Sequence[Lens]) -> Json:
    """An R5 object with R4's members; whatever no lens knows stays as it is."""
    owned = {name for lens in lenses for name in lens.r5}
    found = {name: value for name, value in r5.items() if name not in owned}
    for lens in lenses:
        found |= _said(lens.to_r4(r5))
    return found


def written_as_r5(r4: Object, before: Object, lenses: Sequence[Lens]) -> Json:
    """An R4 object with R5's members; what is unchanged since `before` (in R5) stays exactly as it was there."""
    owned = {name for lens in lenses for name in lens.r4}
    found = {name: value for name, value in r4.items() if name not in owned}
    for lens in lenses:
        unchanged = before and _members(r4, lens.r4) == _said(lens.to_r4(before))
        found |= _members(before, lens.r5) if unchanged else _said(lens.to_r5(r4, before))
    return found


def _members(of: Object, names: Iterable[str]) -> Json:
    return {name: of[name] for name in names if name in of}


def _said(members: Json) -> Json:
    return {name: value for name, value in members.items() if value not in (None, "", [], {})}


# --- names ------------------------------------------------------------------------------------------------------


def renamed(r4: str, r5: str) -> Lens:
    """The same value under another name; what belongs to a primitive (`_name`) goes with it."""
    return Lens(
        r4=(r4, f"_{r4}"),
        r5=(r5, f"_{r5}"),
        to_r4=lambda o: {r4: o.get(r5), f"_{r4}": o.get(f"_{r5}")},
        to_r5=lambda o, _: {r5: o.get(r4), f"_{r5}": o.get(f"_{r4}")},
    )


def coded(name: str, to_r4: Mapping[str, str], to_r5: Mapping[str, str]) -> Lens:
    """A code whose value set differs; what a table does not name is the same in both."""
    return Lens(
        r4=(name,),
        r5=(name,),
        to_r4=lambda o: {name: to_r4.get(str(o.get(name)), o.get(name))},
        to_r5=lambda o, _: {name: to_r5.get(str(o.get(name)), o.get(name))},
    )


# --- CodeableReference ------------------------------------------------------------------------------------------


def concept(r4: str, r5: str) -> Lens:
    """CodeableConcept in R4, CodeableReference in R5."""
    return Lens(
        r4=(r4,),
        r5=(r5,),
        to_r4=lambda o: {r4: mapping(o.get(r5)).get("concept")},
        to_r5=lambda o, _: {r5: _concept(o.get(r4))},
    )


def concepts(r4: str, r5: str) -> Lens:
    """A list of CodeableConcept in R4, of CodeableReference in R5."""
    return Lens(
        r4=(r4,),
        r5=(r5,),
        to_r4=lambda o: {r4: [c for each in mappings(o.get(r5)) if (c := each.get("concept"))]},
        to_r5=lambda o, _: {r5: [{"concept": each} for each in mappings(o.get(r4))]},
    )


def first_concept(r4: str, r5: str) -> Lens:
    """One CodeableConcept in R4, a list of CodeableReference in R5."""
    return Lens(
        r4=(r4,),
        r5=(r5,),
        to_r4=lambda o: {r4: next((c for each in mappings(o.get(r5)) if (c := each.get("concept"))), None)},
        to_r5=lambda o, _: {r5: [{"concept": each} for each in mappings(o.get(r4))]},
    )


def references(r4: str, r5: str) -> Lens:
    """A list of Reference in R4, of CodeableReference in R5."""
    return Lens(
        r4=(r4,),
        r5=(r5,),
        to_r4=lambda o: {r4: [r for each in mappings(o.get(r5)) if (r := each.get("reference"))]},
        to_r5=lambda o, _: {r5: [{"reference": each} for each in mappings(o.get(r4))]},
    )


def reasons(r5: str = "reason", r4: tuple[str, str] = ("reasonCode", "reasonReference")) -> Lens:
    """Two lists in R4 (concepts and references), one list of CodeableReference in R5."""
    code, reference = r4
    return Lens(
        r4=r4,
        r5=(r5,),
        to_r4=lambda o: {
            code: [c for each in mappings(o.get(r5)) if (c := each.get("concept"))],
            reference: [r for each in mappings(o.get(r5)) if (r := each.get("reference"))],
        },
        to_r5=lambda o, _: {r5: _codeable_references(o, code, reference)},
    )


def one_reason(r5: str, r4: tuple[str, str]) -> Lens:
    """At most one concept and one reference in R4, a list (or one) of CodeableReference in R5."""
    code, reference = r4
    return Lens(
        r4=r4,
        r5=(r5,),
        to_r4=lambda o: {
            code: next((c for each in mappings(o.get(r5)) if (c := each.get("concept"))), None),
            reference: next((r for each in mappings(o.get(r5)) if (r := each.get("reference"))), None),
        },
        to_r5=lambda o, _: {r5: _codeable_references(o, code, reference)},
    )


def choice(r4: tuple[str, str], r5: str) -> Lens:
    """`x[x]` of CodeableConcept or Reference in R4, one CodeableReference in R5."""
    code, reference = r4
    return Lens(
        r4=r4,
        r5=(r5,),
        to_r4=lambda o: {
            code: mapping(o.get(r5)).get("concept"),
            reference: mapping(o.get(r5)).get("reference"),
        },
        to_r5=lambda o, _: {r5: _said({"concept": o.get(code), "reference": o.get(reference)})},
    )


def _concept(value: object) -> Json:
    return {"concept": value} if value else {}


def _codeable_references(of: Object, code: str, reference: str) -> list[Json]:
    said = [{"concept": each} for each in mappings(of.get(code))]
    return [*said, *({"reference": each} for each in mappings(of.get(reference)))]


# --- lists and single values ------------------------------------------------------------------------------------


def items(name: str, lenses: Sequence[Lens], r5: str = "") -> Lens:
    """A list of objects whose members differ; an item that nobody changed stays as R5 had it."""
    theirs = r5 or name

    def to_r5(of: Object, before: Object) -> Json:
        earlier = [(seen_as_r4(each, lenses), each) for each in mappings(before.get(theirs))]
        kept: list[Object] = []
        for each in mappings(of.get(name)):
            same = [there for view, there in earlier if view == each]
            kept.append(same[0] if same else written_as_r5(each, {}, lenses))
        return {theirs: kept}

    return Lens(
        r4=(name,),
        r5=(theirs,),
        to_r4=lambda o: {name: [seen_as_r4(each, lenses) for each in mappings(o.get(theirs))]},
        to_r5=to_r5,
    )


def first_of(r4: str, r5: str) -> Lens:
    """One object in R4, a list in R5; the others of the list are kept behind it."""
    return Lens(
        r4=(r4,),
        r5=(r5,),
        to_r4=lambda o: {r4: next(mappings(o.get(r5)), {})},
        to_r5=lambda o, before: {r5: [*mappings(o.get(r4)), *list(mappings(before.get(r5)))[1:]]},
    )


def listed(name: str) -> Lens:
    """A list in R4, one object in R5."""
    return Lens(
        r4=(name,),
        r5=(name,),
        to_r4=lambda o: {name: list(mappings(o.get(name)))},
        to_r5=lambda o, _: {name: next(mappings(o.get(name)), {})},
    )
