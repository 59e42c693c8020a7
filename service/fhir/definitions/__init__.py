"""A pathway as FHIR R4 definitions: PlanDefinition, ActivityDefinitions, Questionnaire, ValueSets."""

from service.fhir.definitions.package import as_bundle, definitions
from service.fhir.definitions.wording import Wording

__all__ = ["Wording", "as_bundle", "definitions"]
