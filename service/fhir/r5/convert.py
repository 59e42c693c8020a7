"""A whole resource from R5 to the R4 shape that everything inside reads, and back for writing."""

from __future__ import annotations

from typing import Any

from service.fhir.r5.lenses import seen_as_r4, written_as_r5
from service.fhir.r5.tables import LENSES
from service.ports import Resource


def as_r4(resource: Resource) -> dict[str, Any]:
    """An R5 resource in R4's shape. What only R5 knows stays under its own name, for the way back."""
    return seen_as_r4(resource, LENSES.get(str(resource.get("resourceType")), ()))


def as_r5(resource: Resource, before: Resource | None = None) -> dict[str, Any]:
    """A resource of R4's shape as R5; `before` is the R5 resource that it changes, None when it is new."""
    return written_as_r5(resource, before or {}, LENSES.get(str(resource.get("resourceType")), ()))
