"""What flows through an evaluation: Elements of a resource and System values, and the step from one to the other."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from service.fhir.paths.elements import Element, as_resource
from service.fhir.paths.errors import PathEvaluationError
from service.fhir.paths.quantities import FhirQuantity
from service.fhir.paths.temporal import (
    FhirDate,
    FhirDateTime,
    FhirTime,
    parse_date,
    parse_date_time,
    parse_time,
)

_UCUM_SYSTEM = "http://unitsofmeasure.org"
_KINDS: dict[type, str] = {
    str: "String",
    bool: "Boolean",
    int: "Integer",
    Decimal: "Decimal",
    FhirDate: "Date",
    FhirDateTime: "DateTime",
    FhirTime: "Time",
    FhirQuantity: "Quantity",
}


def system_value(item: Any) -> Any:
    """The System value an item stands for; None for an element without a value or without a System type."""
    if type(item) is not Element:
        return item
    kind = item.type.kind
    if kind is None or item.data is None:
        return None
    if kind == "String" and type(item.data) is str:
        return item.data
    return _converted(item.data, kind)


def _converted(data: Any, kind: str) -> Any:
    try:
        match kind:
            case "Boolean" if isinstance(data, bool):
                return data
            case "Integer" if isinstance(data, int) and not isinstance(data, bool):
                return data
            case "Decimal" if isinstance(data, int | float | Decimal) and not isinstance(data, bool):
                return Decimal(str(data))
            case "Date":
                return parse_date(data)
            case "DateTime":
                return parse_date_time(data)
            case "Time":
                return parse_time(data)
            case "Quantity":
                return _quantity(data)
    except (TypeError, ValueError, InvalidOperation):
        pass
    raise PathEvaluationError(f"an element of the resource is not a well-formed {kind}")


def _quantity(data: dict[str, Any]) -> FhirQuantity | None:
    """A FHIR Quantity as System.Quantity; None if it has no number or only a bound ('< 5')."""
    value = data.get("value")
    if value is None or "comparator" in data:
        return None
    coded = data.get("code") if data.get("system", _UCUM_SYSTEM) == _UCUM_SYSTEM else None
    return FhirQuantity(Decimal(str(value)), coded or data.get("unit") or "1")


def kind_of(item: Any) -> str | None:
    """'String', 'Integer' ... of an item; None for an element that stands for no System value."""
    return item.type.kind if type(item) is Element else _KINDS[type(item)]


def type_name(item: Any) -> str:
    """'Encounter.location', 'code'; 'System.Integer' for a value that is no element."""
    return item.type.name if type(item) is Element else f"System.{_KINDS[type(item)]}"


def singleton(items: list[Any], what: str) -> Any:
    """The only item, None if there is none. Raises PathEvaluationError for more (N1, section 4.5)."""
    if not items:
        return None
    if len(items) > 1:
        raise PathEvaluationError(f"{what} needs one item, but the record has {len(items)}")
    return items[0]


def as_truth(items: list[Any]) -> bool | None:
    """Singleton evaluation as Boolean: nothing is None, a lone item that is no Boolean is True (N1, section 4.5)."""
    item = singleton(items, "a condition")
    if item is None or type(item) is bool:
        return item
    if type(item) is Element and item.type.kind == "Boolean":
        truth: bool | None = system_value(item)
        return truth
    return True


def plain(item: Any) -> Any:
    """What callers get: the System value, or the JSON object of a complex element."""
    if type(item) is Element and not item.type.is_primitive:
        return item.data
    return system_value(item)


def from_caller(value: Any) -> list[Any]:
    """A %variable's Python value as items. Raises PathEvaluationError for a type that FHIRPath does not know."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [item for one in value for item in from_caller(one)]
    if isinstance(value, datetime):
        return [FhirDateTime(value)]
    if isinstance(value, date):
        return [FhirDate(value)]
    if isinstance(value, timedelta):
        return [FhirQuantity(Decimal(value // timedelta(milliseconds=1)) / 1000, "s")]
    if isinstance(value, dict):
        return [as_resource(value)]
    for known in _KINDS:
        if isinstance(value, known):
            return [known(value) if known is str else value]
    raise PathEvaluationError("a variable has a type that FHIRPath does not know")
