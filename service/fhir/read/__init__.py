"""From FHIR R4 JSON to what the domain decides from."""

from service.fhir.read.record import read_person
from service.fhir.read.roster import Catalogue

__all__ = ["Catalogue", "read_person"]
