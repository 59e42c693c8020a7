"""The strict FHIRPath subset of pathway files: compiled when a file is loaded, refused there if anything is unknown.

It must not read a clock, follow a reference, or look at anything but the resource and the variables it is given.
"""

from service.fhir.paths.compile import CompiledPath, compile_path
from service.fhir.paths.elements import is_a
from service.fhir.paths.errors import PathEvaluationError, PathProblem
from service.fhir.paths.quantities import FhirQuantity
from service.fhir.paths.temporal import FhirDate, FhirDateTime, FhirTime, Precision

__all__ = [
    "CompiledPath",
    "FhirDate",
    "FhirDateTime",
    "FhirQuantity",
    "FhirTime",
    "PathEvaluationError",
    "PathProblem",
    "Precision",
    "compile_path",
    "is_a",
]
