"""The predicates that pathways are made of, with answers worked out by hand (house instant: Friday, clocks change on Sunday)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.fhir.paths import FhirDate, PathEvaluationError, compile_path

NOW = datetime(2026, 3, 6, 16, 30, tzinfo=ZoneInfo("America/Denver"))
TRANSLATED = {"extension": [{"url": "http://example.org/original", "valueString": "IN"}]}
ENCOUNTER: dict[str, Any] = {
    "resourceType": "Encounter",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "type": [
        {"coding": [{"system": "http://example.org/visit", "code": "intake"}]},
        {"coding": [{"system": "http://example.org/visit", "code": "crisis"}, {"code": "50849002"}]},
    ],
    "period": {"start": "2026-03-06T12:30:00-07:00"},
    "location": [
        {"location": {"reference": "Location/1"}, "status": "completed"},
        {"location": {"reference": "Location/2"}, "status": "active"},
    ],
    "length": {"value": 90, "system": "http://unitsofmeasure.org", "code": "min", "unit": "minutes"},
}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "birthDate": "1980-02-29",
    "deceasedBoolean": False,
    "telecom": [
        {"system": "phone", "value": "555-0100", "use": "old"},
        {"system": "email", "value": "someone@example.org"},
    ],
    "name": [{"given": ["Ana", None], "_given": [None, TRANSLATED], "family": "Example"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "effectiveDateTime": "2026-03-06",
    "valueQuantity": {
        "value": 17.0,
        "unit": "{score}",
        "system": "http://unitsofmeasure.org",
        "code": "{score}",
    },
    "component": [{"valueInteger": 2}, {"valueInteger": 0}, {"valueString": "declined"}],
}


def holds(text: str, resource: dict[str, Any], now: datetime = NOW, **variables: Any) -> bool:
    path = compile_path(text, resource["resourceType"], variables=frozenset(variables))
    return path.is_true(resource, now=now, variables=variables)


def values(text: str, resource: dict[str, Any], now: datetime = NOW) -> list[Any]:
    return compile_path(text, resource["resourceType"]).values(resource, now=now)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status = 'in-progress'", True),
        ("Encounter.status = 'in-progress'", True),
        ("status != 'in-progress'", False),
        ("status = 'finished'", False),
        ("status = 'finished' or class.code = 'IMP'", True),
        ("status in ('planned' | 'arrived')", False),
        ("('planned' | 'in-progress') contains status", True),
        ("status ~ 'IN-PROGRESS'", True),
        ("class.code = 'IMP' and status = 'in-progress'", True),
        ("class.code = 'IMP' implies period.start.exists()", True),
        ("period.end.exists()", False),
        ("period.end.empty()", True),
        ("period.end.exists().not()", True),
        ("priority.exists()", False),
        ("priority.coding.code = 'EM'", False),
        ("priority.coding.code != 'EM'", False),  # nothing is not different: it is nothing
        ("type.coding.where(system = 'http://example.org/visit' and code = 'crisis').exists()", True),
        ("type.coding.where(system = 'http://example.org/visit' and code = '50849002').exists()", False),
        ("type.coding.exists(code = '50849002')", True),
        ("type.coding.code contains 'crisis'", True),
        ("type.all(coding.exists())", True),
        ("type.count() = 2 and type[1].coding.count() = 2", True),
        ("location.where(status = 'active').location.reference = 'Location/2'", True),
        ("location.where($index = 0).status = 'active'", False),
        ("location.last().location.reference.endsWith('/2')", True),
        ("location.select(status).distinct().count() = 2", True),
        ("length > 1 'h'", True),
        ("length >= 1.5 hours", True),
        ("length < 2 hours", True),
        ("length > 24 'kg'", False),
        ("period", True),  # one item that is no Boolean counts as true
    ],
)
def test_everyday_predicates_about_an_encounter(text: str, expected: bool) -> None:
    assert holds(text, ENCOUNTER) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("telecom.where(system = 'phone' and use != 'old').exists()", False),
        ("telecom.where(system = 'email').value = 'someone@example.org'", True),
        ("telecom.all(value.exists())", True),
        ("active", True),
        ("active = true and deceased != true", True),
        ("deceased.ofType(boolean)", False),
        ("deceased.ofType(dateTime).exists()", False),
        ("birthDate <= today() - 18 years", True),
        ("birthDate + 46 years = @2026-02-28", True),  # 29 February in a year that has none
        ("birthDate = @1980", False),  # open, not different
        ("birthDate != @1980", False),
        ("name.given.count() = 2", True),
        ("name.given.first().hasValue() and name.given.last().hasValue().not()", True),
        ("name.given.last().extension('http://example.org/original').value = 'IN'", True),
        ("name.exists(family.startsWith('Ex') and given.exists($this.matches('^A.a$')))", True),
    ],
)
def test_everyday_predicates_about_a_patient(text: str, expected: bool) -> None:
    assert holds(text, PATIENT) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("value >= 15 '{score}'", True),
        ("value.ofType(Quantity).value >= 15", True),
        ("(value as Quantity).value < 15", False),
        ("value.value = 17", True),
        ("value is Quantity and (value is string).not()", True),
        ("component.value.ofType(integer).exists($this > 1)", True),
        ("component.value.ofType(integer).aggregate($this + $total, 0) = 2", True),
        ("component.value.ofType(string) = 'declined'", True),
        ("effective <= now()", False),  # today, to the day: open whether it is over
        ("effective.ofType(dateTime).toDate() = today()", True),
        ("iif(status = 'final', value.value, 0) = 17.0", True),
    ],
)
def test_everyday_predicates_about_an_observation(text: str, expected: bool) -> None:
    assert holds(text, OBSERVATION) is expected


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("period.start <= now() - 4 hours", NOW, True),  # exactly four hours
        ("period.start < now() - 4 hours", NOW, False),
        ("period.start <= now() - 241 minutes", NOW, False),
        ("period.start + 4 hours <= now()", NOW.astimezone(UTC), True),  # the zone of now changes nothing
        ("period.start + 1 day <= now()", datetime(2026, 3, 7, 19, 30, tzinfo=UTC), True),
        ("period.start + 1 day <= now()", datetime(2026, 3, 7, 19, 29, tzinfo=UTC), False),
        ("today() = @2026-03-06", NOW, True),
        ("today() = @2026-03-06", datetime(2026, 3, 7, 0, 30, tzinfo=UTC), False),
        ("timeOfDay() >= @T16:30", NOW, False),  # equal to the minute, open beyond it
        ("timeOfDay() > @T16:00", NOW, True),
    ],
)
def test_time_is_what_the_caller_says(text: str, now: datetime, expected: bool) -> None:
    assert holds(text, ENCOUNTER, now) is expected


def test_a_day_is_a_calendar_day_and_hours_are_elapsed_when_the_clocks_go_forward() -> None:
    saturday = datetime(2026, 3, 7, 16, 30, tzinfo=ZoneInfo("America/Denver"))

    [next_day] = values("now() + 1 day", ENCOUNTER, saturday)
    [hours_later] = values("now() + 24 hours", ENCOUNTER, saturday)

    assert str(next_day) == "2026-03-08T16:30:00-06:00"
    assert str(hours_later) == "2026-03-08T17:30:00-06:00"


def test_a_wall_clock_time_that_the_spring_change_skips_is_the_hour_after() -> None:
    saturday = datetime(2026, 3, 7, 2, 30, tzinfo=ZoneInfo("America/Denver"))

    [found] = values("now() + 1 day", ENCOUNTER, saturday)

    assert str(found) == "2026-03-08T03:30:00-06:00"


def test_moments_are_compared_as_instants_across_the_clock_change_in_autumn() -> None:
    first = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/Denver"))
    encounter = {"resourceType": "Encounter", "period": {"start": "2026-11-01T01:15:00-07:00"}}

    assert holds("period.start > now()", encounter, first)
    assert not holds("period.start > now()", encounter, first.replace(fold=1))


@pytest.mark.parametrize(
    "text", ["status = 'in-progress'", "status in ('in-progress' | 'arrived')", "status.exists()"]
)
def test_an_extension_on_a_code_does_not_change_what_the_code_is(text: str) -> None:
    assert holds(text, ENCOUNTER)
    assert holds(text, {**ENCOUNTER, "_status": TRANSLATED})


def test_an_element_with_only_an_extension_exists_without_a_value() -> None:
    encounter = {"resourceType": "Encounter", "_status": TRANSLATED}

    assert holds("status.exists() and status.hasValue().not()", encounter)
    assert holds("status.extension('http://example.org/original').exists()", encounter)
    assert values("status = 'in-progress'", encounter) == []
    assert values("status != 'in-progress'", encounter) == []
    assert values("status", encounter) == []


def test_the_same_element_without_a_value_is_one_and_ends_a_repeat() -> None:
    encounter = {"resourceType": "Encounter", "_status": TRANSLATED, "length": {"unit": "minutes"}}

    assert holds("(status | status).count() = 1", encounter)
    assert holds("(length | length).count() = 1", encounter)
    assert holds("status.repeat($this).count() = 1", encounter)


def test_values_are_plain_python() -> None:
    assert values("component.value", OBSERVATION) == [2, 0, "declined"]
    assert values("value.value", OBSERVATION) == [Decimal(17)]
    assert values("effective", OBSERVATION)[0].as_instant(ZoneInfo("America/Denver")) == datetime(
        2026, 3, 6, tzinfo=ZoneInfo("America/Denver")
    )
    assert values("birthDate", PATIENT) == [FhirDate(datetime(1980, 2, 29, tzinfo=UTC).date())]
    assert values("type.first()", ENCOUNTER) == [ENCOUNTER["type"][0]]


def test_variables_are_what_the_caller_gives() -> None:
    assert holds("period.start >= %since", ENCOUNTER, since=datetime(2026, 3, 6, 19, 30, tzinfo=UTC))
    assert not holds("period.start > %since", ENCOUNTER, since=datetime(2026, 3, 6, 19, 30, tzinfo=UTC))
    assert holds("status in %states", ENCOUNTER, states=["arrived", "in-progress"])
    assert holds("%patient.telecom.exists(system = 'email')", ENCOUNTER, patient=PATIENT)
    assert not holds("%patient.active", ENCOUNTER, patient=None)
    assert holds("type.exists(%resource.status = 'in-progress')", ENCOUNTER)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type.coding.code", "a condition needs one item, but the record has 3"),
        ("location.status.startsWith('a')", "startsWith() needs one item, but the record has 2"),
        ("location.single().exists()", "single() needs one item, but the record has 2"),
    ],
)
def test_more_items_than_a_predicate_can_judge_is_an_error_not_a_no(text: str, message: str) -> None:
    with pytest.raises(PathEvaluationError) as raised:
        holds(text, ENCOUNTER)

    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ("status = 'x'", PATIENT),
        ("status = 'x'", {"status": "x"}),
        ("class.code = 'IMP'", {"resourceType": "Encounter", "class": "IMP"}),
        ("period.start < now()", {"resourceType": "Encounter", "period": {"start": "last Friday"}}),
        ("period.start < now()", {"resourceType": "Encounter", "period": {"start": 20260306}}),
        ("status = 'x'", {"resourceType": "Encounter", "status": 5}),
        ("status = 'x'", {"resourceType": "Encounter", "status": {"value": "x"}}),
        ("status.exists()", {"resourceType": "Encounter", "_status": "x"}),
        ("length > 1 'h'", {"resourceType": "Encounter", "length": {"value": "many"}}),
        ("contained.id = 'x'", {"resourceType": "Encounter", "contained": [{"id": "x"}]}),
    ],
)
def test_a_resource_that_is_not_what_it_should_be_is_an_error_not_a_no(
    text: str, resource: dict[str, Any]
) -> None:
    path = compile_path(text, "Encounter")

    with pytest.raises(PathEvaluationError):
        path.is_true(resource, now=NOW)


def test_an_element_in_an_array_where_r4_has_one_is_read_all_the_same() -> None:
    """R5 made Encounter.class a list; a sender that mixes versions must not change the stage."""
    assert holds("class.code = 'IMP'", {"resourceType": "Encounter", "class": [{"code": "IMP"}]})


def test_a_time_without_a_zone_is_no_now() -> None:
    with pytest.raises(PathEvaluationError, match="now must have a time zone"):
        holds("status = 'x'", ENCOUNTER, NOW.replace(tzinfo=None))


def test_a_variable_that_was_promised_but_not_given_is_an_error() -> None:
    path = compile_path("status = %state", "Encounter", variables=frozenset({"state"}))

    with pytest.raises(PathEvaluationError, match="%state was declared but not given"):
        path.is_true(ENCOUNTER, now=NOW)
