"""From a Decision to FHIR R4 JSON."""

from service.fhir.render.context import NotRead
from service.fhir.render.plan import render

__all__ = ["NotRead", "render"]
