"""Tokens into a syntax tree, by precedence climbing (FHIRPath N1, section 6.8). Knows grammar only, no names."""

from __future__ import annotations

from decimal import Decimal

from service.fhir.paths.errors import PathProblem
from service.fhir.paths.lexer import Kind, Token, tokens_of
from service.fhir.paths.quantities import CALENDAR_WORDS, FhirQuantity
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
from service.fhir.paths.temporal import parse_temporal_literal

_BINDING = {
    "implies": 1,
    **dict.fromkeys(("or", "xor"), 2),
    "and": 3,
    **dict.fromkeys(("in", "contains"), 4),
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys(("<", "<=", ">", ">="), 6),
    "|": 7,
    **dict.fromkeys(("is", "as"), 8),
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
}
_OPERATOR_WORDS = frozenset(word for word in _BINDING if word.isalpha())
_NAMES_TOO = frozenset({"is", "as", "in", "contains"})
"""Operators that are also element or function names (grammar rule `identifier`)."""
_SPECIALS = {"$this": This, "$index": Index, "$total": Total}
_LOOKALIKES = {"==": "=", "&&": "and", "||": "or"}
MAX_NESTING = 50


def parse(text: str) -> Node:
    """The tree of a whole expression. Raises PathProblem; nothing may follow the expression."""
    parser = _Parser(tokens_of(text))
    node = parser.expression(0)
    parser.expect_end()
    return node


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._nesting = 0

    @property
    def _current(self) -> Token:
        return self._tokens[self._position]

    def _advance(self) -> Token:
        token = self._current
        self._position += 1
        return token

    def _at(self, symbol: str) -> bool:
        return self._current.kind is Kind.SYMBOL and self._current.text == symbol

    def _expect(self, symbol: str) -> None:
        if not self._at(symbol):
            raise PathProblem(f"expected '{symbol}' but found {self._current}", self._current.column)
        self._advance()

    def expect_end(self) -> None:
        if self._current.kind is not Kind.END:
            message = f"the expression should end before {self._current}"
            raise PathProblem(message, self._current.column, "join two conditions with 'and' or 'or'")

    def expression(self, at_least: int) -> Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise PathProblem("the expression is nested too deeply", self._current.column)
        left = self._signed()
        while (operator := self._operator()) is not None and _BINDING[operator] > at_least:
            left = self._operation(left, operator)
        self._nesting -= 1
        return left

    def _operator(self) -> str | None:
        token = self._current
        known = token.kind in (Kind.SYMBOL, Kind.NAME) and token.text in _BINDING
        return token.text if known else None

    def _operation(self, left: Node, operator: str) -> Node:
        column = self._advance().column
        if operator in ("is", "as"):
            return TypeTest(column=column, operator=operator, operand=left, type_name=self._type_name())
        following = self._tokens[self._position - 1].text + self._current.text
        if self._current.kind is Kind.SYMBOL and following in _LOOKALIKES:
            raise PathProblem(f"'{following}' is not an operator", column, f"write {_LOOKALIKES[following]}")
        right = self.expression(_BINDING[operator])
        return Operation(column=column, operator=operator, left=left, right=right)

    def _type_name(self) -> str:
        name = self._name("a type")
        while self._at("."):
            self._advance()
            name += "." + self._name("a type")
        return name

    def _name(self, wanted: str) -> str:
        token = self._current
        if token.kind is Kind.QUOTED_NAME or (
            token.kind is Kind.NAME and (token.text not in _OPERATOR_WORDS or token.text in _NAMES_TOO)
        ):
            return self._advance().text
        raise PathProblem(f"expected {wanted} but found {token}", token.column)

    def _signed(self) -> Node:
        if self._at("-") or self._at("+"):
            token = self._advance()
            self._nesting += 1
            if self._nesting > MAX_NESTING:
                raise PathProblem("the expression is nested too deeply", token.column)
            operand = self._signed()
            self._nesting -= 1
            return Sign(column=token.column, sign=token.text, operand=operand)
        return self._postfix(self._term())

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._at("."):
                self._advance()
                node = self._invocation(node)
            elif self._at("["):
                column = self._advance().column
                position = self.expression(0)
                self._expect("]")
                node = Item(column=column, target=node, position=position)
            else:
                return node

    def _invocation(self, target: Node | None) -> Node:
        token = self._current
        if target is not None and token.kind is Kind.SPECIAL:
            raise PathProblem(f"{token} cannot follow a dot", token.column)
        name = self._name("an element or function")
        if not self._at("("):
            return Member(column=token.column, target=target, name=name)
        self._advance()
        return Call(column=token.column, target=target, name=name, arguments=self._arguments())

    def _arguments(self) -> tuple[Node, ...]:
        found: list[Node] = []
        if not self._at(")"):
            found.append(self.expression(0))
            while self._at(","):
                self._advance()
                found.append(self.expression(0))
        self._expect(")")
        return tuple(found)

    def _term(self) -> Node:
        token = self._current
        if self._at("("):
            self._advance()
            inner = self.expression(0)
            self._expect(")")
            return inner
        if self._at("{"):
            self._advance()
            self._expect("}")
            return Empty(column=token.column)
        if token.kind is Kind.SPECIAL:
            return _SPECIALS[self._advance().text](column=token.column)
        if token.kind is Kind.VARIABLE:
            return Variable(column=token.column, name=self._advance().text)
        literal = self._literal()
        return self._invocation(None) if literal is None else literal

    def _literal(self) -> Literal | None:
        token = self._current
        if token.kind is Kind.STRING:
            return Literal(column=token.column, value=self._advance().text)
        if token.kind is Kind.NUMBER:
            return self._number()
        if token.kind is Kind.TEMPORAL:
            self._advance()
            try:
                return Literal(column=token.column, value=parse_temporal_literal(token.text))
            except ValueError:
                raise PathProblem(f"{token} is not a date or time of the calendar", token.column) from None
        if token.kind is Kind.NAME and token.text in ("true", "false"):
            return Literal(column=token.column, value=self._advance().text == "true")
        return None

    def _number(self) -> Literal:
        token = self._advance()
        value = Decimal(token.text) if "." in token.text else int(token.text)
        following = self._current
        if following.kind is Kind.STRING:
            unit = self._advance().text
        elif following.kind is Kind.NAME and following.text in CALENDAR_WORDS:
            unit = CALENDAR_WORDS[self._advance().text]
            return Literal(column=token.column, value=FhirQuantity(Decimal(value), unit, calendar=True))
        else:
            return Literal(column=token.column, value=value)
        calendar = unit in CALENDAR_WORDS
        return Literal(
            column=token.column,
            value=FhirQuantity(Decimal(value), CALENDAR_WORDS.get(unit, unit), calendar=calendar),
        )
