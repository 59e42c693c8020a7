"""Whether the resources of a message are R4 that can be worked on: shapes by the R4B models, and the codes they skip.

Issues name the element, never a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from service.fhir.messages.content import TAKEN_KINDS
from service.fhir.messages.envelope import Envelope
from service.fhir.outcome import Issue, IssueCode
from service.ports import Resource

MOST = 20
"""Issues told of one message; more help nobody."""

_CODES: Mapping[str, tuple[str, frozenset[str]]] = {
    "Encounter": (
        "status",
        frozenset(
            {
                "planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled", "entered-in-error",
                "unknown",
            }
        ),
    ),
    "Patient": ("gender", frozenset({"male", "female", "other", "unknown"})),
    "Coverage": ("status", frozenset({"active", "cancelled", "draft", "entered-in-error"})),
}  # fmt: skip
"""R4 required bindings of the elements that decide something."""
_FALSE_ALARMS = frozenset({"uuid_version"})
"""R4 `uuid` may be of any version; the models want version 4."""


def content_issues(envelope: Envelope) -> list[Issue]:
    """At most MOST of them."""
    found: list[Issue] = []
    for index, _url, resource in [(0, "", envelope.header), *envelope.contents]:
        kind = str(resource.get("resourceType"))
        if kind in TAKEN_KINDS or index == 0:
            found += resource_issues(resource, f"Bundle.entry[{index}].resource")
    return found[:MOST]


def resource_issues(resource: Resource, where: str) -> Iterator[Issue]:
    """What is wrong with one resource."""
    strange = _changes_meaning(resource)
    if strange is not None:
        yield Issue(code=IssueCode.NOT_SUPPORTED, says=MODIFIED, expression=(f"{where}.{strange}",))
    yield from (Issue(code=code, says=says, expression=(at,)) for code, says, at in _shape(resource, where))
    kind = str(resource.get("resourceType"))
    if kind in _CODES:
        element, codes = _CODES[kind]
        value = resource.get(element)
        if value is not None and (not isinstance(value, str) or value not in codes):
            yield Issue(code=IssueCode.VALUE, says=NOT_A_CODE, expression=(f"{where}.{element}",))


def _shape(resource: Resource, where: str) -> Iterator[tuple[IssueCode, str, str]]:
    # Half a second to import; needed only where messages come in.
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    try:
        get_fhir_model_class(str(resource.get("resourceType"))).model_validate(dict(resource))
    except ValidationError as failure:
        # Without the input: it is what the message says of a person.
        for error in failure.errors(include_input=False, include_url=False, include_context=False):
            if error["type"] in _FALSE_ALARMS:
                continue
            path = ".".join([where, *(_step(part) for part in error["loc"])])
            code = IssueCode.REQUIRED if "missing" in error["type"] else IssueCode.STRUCTURE
            yield code, MISSING if code is IssueCode.REQUIRED else NOT_R4, path.replace(".[", "[")


def _step(part: int | str) -> str:
    return f"[{part}]" if isinstance(part, int) else str(part)


def _changes_meaning(value: Any, path: str = "") -> str | None:
    """Where a modifierExtension or implicitRules stands; both forbid whoever does not know them to go on."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            here = f"{path}.{name}" if path else str(name)
            if name in {"modifierExtension", "implicitRules"} and each:
                return here
            if found := _changes_meaning(each, here):
                return found
    elif isinstance(value, list):
        for number, each in enumerate(value):
            if found := _changes_meaning(each, f"{path}[{number}]"):
                return found
    return None


# --- wording ----------------------------------------------------------------------------------------------------

MODIFIED = "This carries a modifierExtension or implicitRules that is not known here, and whoever does not know it must not use the resource."
NOT_A_CODE = "This is not a code of the value set that R4 requires here."
NOT_R4 = "This is not what R4 allows here: an element it does not have, or a value of another form."
MISSING = "R4 requires this element here; it is missing."
