"""What an author is told, word for word: message, caret, help."""

from __future__ import annotations

import pytest

from service.fhir.paths import PathProblem, compile_path

PROBLEMS: list[tuple[str, str, str | None]] = [
    # expression, then the same with a caret line, then the help
    ("status =", "        ^ expected an element or function but found the end", None),
    ("status == 'x'", "       ^ '==' is not an operator", "write ="),
    ("status = 'x' class", "             ^ the expression should end before 'class'", "join two conditions with 'and' or 'or'"),
    ("Encounter..status", "          ^ expected an element or function but found '.'", None),
    ("(status = 'x'", "             ^ expected ')' but found the end", None),
    ("status = 'x", "         ^ the quote is not closed", "end it with '"),
    ('status = "x"', "         ^ FHIRPath strings have single quotes", "write '...'"),
    ("!status.exists()", "^ '!' is not an operator", "write != or .not()"),
    ("status = 'a\\d'", "           ^ '\\d' is not an escape in FHIRPath", "write \\\\ for one backslash"),
    ("status /* why", "       ^ the comment is not closed", "end it with */"),
    ("period.start > @2026-02-30", "               ^ '@2026-02-30' is not a date or time of the calendar", None),
    ("statuss = 'x'", "^ Encounter has no element 'statuss'", "did you mean 'status'?"),
    ("period.finish.exists()", "       ^ Period has no element 'finish'", None),
    ("location.period.strat", "                ^ Period has no element 'strat'", "did you mean 'start'?"),
    ("status.code = 'x'", "       ^ code has no element 'code'", "this is a plain value, it has no elements"),
    ("Patient.active", "^ this looks at Encounter, not at Patient", None),
    ("contained.status = 'x'", "          ^ Resource has no element 'status'", "say which resource it is: .ofType(Organization)"),
    ("extension.valueString = 'x'", "          ^ Extension has no element 'valueString'", "write value.ofType(string)"),
    ("status.exist()", "       ^ there is no function exist()", "did you mean 'exists'?"),
    ("status.startsWith()", "       ^ startsWith() takes 1 argument, not 0", None),
    ("status.count(1)", "       ^ count() takes no argument, not 1", None),
    ("type.where(coding)", "           ^ where() needs a condition that is true or false", "compare it with a value, or ask .exists()"),
    ("status = 5", "       ^ string and number can never be compared with =", None),
    ("period.start > '2026-03-06'", "             ^ date and string can never be compared with >", "dates are written @2026-03-06"),
    ("period.start > @2026-03-06T10:00", "               ^ a time without a time zone cannot be compared with the record", "add Z or an offset such as -07:00"),
    ("class > class", "      ^ Coding has no order for >", None),
    ("period.start + 4 < now()", "             ^ date + number has no meaning", "say how long: 4 hours, 7 days"),
    ("period.start + 1 'mo' < now()", "               ^ 'mo' is no calendar month", "write 1 month"),
    ("period.start + 1 'cm' < now()", "               ^ 'cm' is not a length of time", "write 4 hours, 7 days"),
    ("status as Period", "       ^ this is code, so it is never Period", None),
    ("length is Quantiti", "       ^ there is no type 'Quantiti'", "did you mean 'Quantity'?"),
    ("%person.active", "^ %person is not known here", None),
    ("$index = 0", "^ $index stands only inside where(), select(), all() and their kin", None),
    ("status.matches('(')", "               ^ the pattern is not a regular expression: missing ), unterminated subpattern", None),
    ("children().first()", "           ^ these items have no order to count in", None),
    ("subject.resolve().active", "        ^ resolve() is not available in a pathway file: a predicate sees one resource only; name the other one as a requirement of its own", None),
    ("class.memberOf('x')", "      ^ memberOf() is not available in a pathway file: codes are compared in `coded: {element: value-set}`, not in a predicate", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown", "helped"), PROBLEMS, ids=[text for text, _, _ in PROBLEMS])
def test_a_mistake_is_shown_where_it_is_with_what_to_write_instead(
    text: str, shown: str, helped: str | None
) -> None:
    with pytest.raises(PathProblem) as raised:
        compile_path(text, "Encounter")

    assert " " * raised.value.column + "^ " + raised.value.message == shown
    assert raised.value.help == helped


def test_a_resource_type_that_does_not_exist_is_a_problem() -> None:
    with pytest.raises(PathProblem) as raised:
        compile_path("status = 'x'", "Encouter")

    assert raised.value.message == "'Encouter' is not a FHIR resource type"
    assert raised.value.help == "did you mean 'Encounter'?"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 500 + "true" + ")" * 500,
        "-" * 500 + "1 = 1",
        "not()." * 300 + "not()",
        "type.where(" * 200 + "true" + ")" * 200,
    ],
    ids=["brackets", "signs", "steps", "loops"],
)
def test_an_expression_of_absurd_size_is_refused_not_a_crash(text: str) -> None:
    with pytest.raises(PathProblem):
        compile_path(text, "Encounter")
