"""FHIR R5 at the edge: everything inside speaks R4 shapes, whichever version the record server has."""

from service.fhir.r5.convert import as_r4, as_r5

__all__ = ["as_r4", "as_r5"]
