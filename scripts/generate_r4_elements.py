"""Write service/fhir/paths/r4_elements.json: which elements every R4B resource and datatype has.

Run after upgrading fhir.resources: `.venv/bin/python scripts/generate_r4_elements.py`. The result is committed, so that
compiling a predicate needs neither the models nor their import time. It must not be edited by hand.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import typing
from pathlib import Path
from typing import Any

from fhir.resources import R4B
from fhir.resources.R4B import fhirtypes

DESTINATION = Path(__file__).parent.parent / "service" / "fhir" / "paths" / "r4_elements.json"
SKIPPED_FIELDS = frozenset({"fhir_comments", "resource_type", "resourceType"})
ROOTS = ("Element", "BackboneElement", "Resource", "DomainResource")


def class_of(name: str) -> type[Any]:
    module, _, class_name = vars(getattr(fhirtypes, f"{name}Type"))["_model_klass"].rpartition(".")
    return typing.cast("type[Any]", getattr(importlib.import_module(module), class_name))


def declared_types() -> list[type[Any]]:
    """Resources and datatypes: the class each module is named after, in the order of the module names."""
    found = []
    for module_info in pkgutil.iter_modules(R4B.__path__):
        module = importlib.import_module(f"{R4B.__name__}.{module_info.name}")
        for name, value in vars(module).items():
            if (
                isinstance(value, type)
                and name.lower() == module_info.name
                and hasattr(value, "model_fields")
            ):
                found.append(value)
    return found


def unwrap(annotation: Any) -> tuple[str, bool]:
    """('code', False) for Optional[Annotated[str, Code]]; ('Identifier', True) for Optional[List[IdentifierType]]."""
    many = False
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            return primitive_name(annotation), many
        arguments = [a for a in typing.get_args(annotation) if a is not type(None)]
        if origin is list:
            many = True
        if not arguments:
            name = getattr(annotation, "__name__", str(annotation)).removesuffix("Type")
            return {"bool": "boolean"}.get(name, name), many
        annotation = arguments[0]


def primitive_name(annotation: Any) -> str:
    """The FHIR name of an annotated Python type; the marker that names it comes last."""
    marker = type(annotation.__metadata__[-1]).__name__
    return {"UuidVersion": "uuid"}.get(marker, marker[0].lower() + marker[1:])


def elements_of(model: type[Any], path: str, types: dict[str, dict[str, str]]) -> None:
    """Add one type and, under 'Parent.element' names, the backbone elements that it declares.

    Backbones wait until the whole type is named, so that a shared one (Observation.referenceRange, also in its
    components) has the name of the place nearest to the root.
    """
    entries: dict[str, str] = {}
    waiting: dict[str, type[Any]] = {}
    types[path] = entries
    choices: dict[str, list[str]] = {}
    for field in model.model_fields.values():
        if field.alias is None or field.alias in SKIPPED_FIELDS or field.alias.startswith("_"):
            continue
        type_name, many = unwrap(field.annotation)
        choice = (field.json_schema_extra or {}).get("one_of_many")
        if choice:
            choices.setdefault(choice, []).append(type_name)
            entries[choice] = "?" + "|".join(choices[choice])
        else:
            entries[field.alias] = named(type_name, f"{path}.{field.alias}", waiting) + ("*" if many else "")
    base = "" if path in ("Element", "Resource") else model.__mro__[1].__name__
    entries["^"] = {"FHIRAbstractModel": "", "BackboneType": "BackboneElement"}.get(base, base)
    for name, backbone in waiting.items():
        elements_of(backbone, name, types)


def named(type_name: str, path: str, waiting: dict[str, type[Any]]) -> str:
    if not hasattr(fhirtypes, f"{type_name}Type"):
        return type_name
    model = class_of(type_name)
    if model.__name__.lower() == model.__module__.rpartition(".")[2]:
        return model.__name__
    if model not in BACKBONES:
        BACKBONES[model] = path
        waiting[path] = model
    return BACKBONES[model]


BACKBONES: dict[type[Any], str] = {}


def main() -> None:
    types: dict[str, dict[str, str]] = {}
    for model in declared_types():
        elements_of(model, model.__name__, types)
    text = json.dumps(types, sort_keys=True, separators=(",", ":")).replace('},"', '},\n"')
    DESTINATION.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
