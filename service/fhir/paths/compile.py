"""A syntax tree into closures: each node by its kind, checked against the FHIR element tables on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from service.fhir.paths.code import EMPTY, NOTHING, UNKNOWN, Code, Env, Shape, constant_code, system
from service.fhir.paths.compile_members import compile_first, step, this_code
from service.fhir.paths.compile_operators import compile_operation, compile_sign
from service.fhir.paths.elements import Element, ElementType, element_type, is_resource_type, type_names
from service.fhir.paths.errors import PathEvaluationError, PathProblem
from service.fhir.paths.functions import build_call
from service.fhir.paths.functions_of_types import as_type, is_type
from service.fhir.paths.items import from_caller, kind_of, plain, singleton, system_value
from service.fhir.paths.parser import parse
from service.fhir.paths.scope import Scope, did_you_mean
from service.fhir.paths.syntax import (
    Call,
    Empty,
    Index,
    Item,
    Literal,
    Member,
    Node,
    Operation,
    Sign,
    This,
    Total,
    TypeTest,
    Variable,
)

_NAMED_SYSTEMS = {
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "ucum": "http://unitsofmeasure.org",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPath:
    """An expression ready to look at resources of one type. Thread-safe: an evaluation keeps its state to itself."""

    text: str
    resource_type: str
    _type: ElementType = field(repr=False, compare=False)
    _code: Code = field(repr=False, compare=False)

    @property
    def result_types(self) -> frozenset[str] | None:
        """Names of the types that may come out (`code`, `Reference`, `System.Boolean`); None: not known before."""
        return self._code.shape.types

    def values(
        self, resource: Mapping[str, Any], *, now: datetime, variables: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Every result as str, bool, int, Decimal, FhirDate, FhirDateTime, FhirTime, FhirQuantity or JSON object.

        Elements that have extensions but no value are left out. `now` is aware and in the zone of the site: its
        calendar date is today(). Raises PathEvaluationError.
        """
        focus, env = self._begin(resource, now, variables or {})
        found = [plain(item) for item in self._code.run(focus, env)]
        return [value for value in found if value is not None]

    def is_true(
        self, resource: Mapping[str, Any], *, now: datetime, variables: Mapping[str, Any] | None = None
    ) -> bool:
        """Does the predicate hold? Nothing is false; one item that is no Boolean is true (N1, section 4.5).

        Raises PathEvaluationError, also for more than one item.
        """
        focus, env = self._begin(resource, now, variables or {})
        return self._code.truth(focus, env) is True

    def _begin(
        self, resource: Mapping[str, Any], now: datetime, variables: Mapping[str, Any]
    ) -> tuple[Element, Env]:
        if now.tzinfo is None:
            raise PathEvaluationError("now must have a time zone")
        if resource.get("resourceType") != self.resource_type:
            raise PathEvaluationError(
                f"the predicate is about {self.resource_type}, not about another resource"
            )
        focus = Element(resource, self._type, resource)
        return focus, Env(focus, now, variables)


def compile_path(text: str, resource_type: str, *, variables: frozenset[str] = frozenset()) -> CompiledPath:
    """Compile an expression for resources of one type; `variables` are the %names that the caller will give.

    Raises PathProblem for whatever is malformed, outside the subset, or not an element of the type.
    """
    if not is_resource_type(resource_type):
        known = [name for name in type_names() if is_resource_type(name)]
        raise PathProblem(
            f"'{resource_type}' is not a FHIR resource type", 0, did_you_mean(resource_type, known)
        )
    focus = Shape(frozenset({resource_type}))
    scope = Scope(resource_type=resource_type, variables=variables, focus=focus)
    return CompiledPath(
        text=text,
        resource_type=resource_type,
        _type=element_type(resource_type),
        _code=_compile(parse(text), scope),
    )


def _compile(node: Node, scope: Scope) -> Code:
    match node:
        case Literal(value=value):
            return constant_code(value, system(str(kind_of(value))))
        case Empty():
            return Code(lambda _focus, _env: EMPTY, NOTHING)
        case Member(target=None):
            return compile_first(node, scope)
        case Member(target=Node() as target):
            return step(_compile(target, scope), node)
        case Call(target=target):
            receiver = this_code(scope.focus) if target is None else _compile(target, scope)
            return build_call(node, receiver, scope, _compile)
        case Item():
            return _item(node, scope)
        case Operation(left=left, right=right):
            return compile_operation(node, _compile(left, scope), _compile(right, scope))
        case Sign(sign=sign, operand=operand):
            return compile_sign(sign, _compile(operand, scope), node.column)
        case TypeTest(operator=operator, operand=operand, type_name=type_name):
            test = is_type if operator == "is" else as_type
            return test(_compile(operand, scope), type_name, node.column)
    return _compile_special(node, scope)


def _compile_special(node: Node, scope: Scope) -> Code:
    match node:
        case This():
            return this_code(scope.focus)
        case Index():
            if not scope.in_loop:
                raise PathProblem(
                    "$index stands only inside where(), select(), all() and their kin", node.column
                )
            return Code(lambda _focus, env: [env.index], system("Integer"))
        case Total():
            if not scope.in_aggregate:
                raise PathProblem("$total stands only inside aggregate()", node.column)
            return Code(lambda _focus, env: env.total, UNKNOWN)
        case Variable(name=name):
            return _variable(name, node.column, scope)
    raise AssertionError(node)


def _variable(name: str, column: int, scope: Scope) -> Code:
    if name in scope.variables:
        return Code(lambda _focus, env: _given(name, env), UNKNOWN)
    if name in ("resource", "context", "rootResource"):
        return Code(lambda _focus, env: [env.resource], Shape(frozenset({scope.resource_type})))
    if name in _NAMED_SYSTEMS:
        return constant_code(_NAMED_SYSTEMS[name], system("String"))
    for prefix, url in (
        ("vs-", "http://hl7.org/fhir/ValueSet/"),
        ("ext-", "http://hl7.org/fhir/StructureDefinition/"),
    ):
        if name.startswith(prefix):
            return constant_code(url + name.removeprefix(prefix), system("String"))
    known = {"resource", "context", *_NAMED_SYSTEMS, *scope.variables}
    raise PathProblem(f"%{name} is not known here", column, did_you_mean(name, known))


def _given(name: str, env: Env) -> list[Any]:
    if name not in env.variables:
        raise PathEvaluationError(f"%{name} was declared but not given")
    return from_caller(env.variables[name])


def _item(node: Item, scope: Scope) -> Code:
    target, position = _compile(node.target, scope), _compile(node.position, scope)
    if not target.shape.ordered:
        raise PathProblem("these items have no order to count in", node.column)
    kinds = position.shape.kinds
    if kinds and "Integer" not in kinds:
        raise PathProblem("a position is a whole number, from 0", node.position.column)
    items, wanted = target.run, position.run

    def run(focus: Any, env: Env) -> list[Any]:
        index = system_value(singleton(wanted(focus, env), "a position"))
        return EMPTY if index is None or index < 0 else items(focus, env)[index : index + 1]

    return Code(run, replace(target.shape, many=False))
