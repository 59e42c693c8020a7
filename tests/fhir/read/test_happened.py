"""When what a resource tells happened: from the resource itself, from the server only when it says nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fhir.read.happened import happened
from tests.builders import UPDATED, an_appointment, an_encounter, resource
from tests.fhir.decisions import DENVER


def when(each):
    """(local time, whether the server's)."""
    moment, assumed, _ = happened(each, DENVER)
    assert moment is not None
    return moment.astimezone(DENVER).strftime("%Y-%m-%d %H:%M"), assumed


@pytest.mark.parametrize(
    ("kind", "elements", "expected"),
    [
        ("Task", {"lastModified": "2026-02-01T10:00:00-07:00"}, "2026-02-01 10:00"),
        (
            "Communication",
            {"sent": "2026-02-01T10:00:00-07:00", "received": "2026-02-02"},
            "2026-02-01 10:00",
        ),
        ("Communication", {"received": "2026-02-02T11:00:00-07:00"}, "2026-02-02 11:00"),
        ("Observation", {"effectiveDateTime": "2026-02-01T17:00:00Z"}, "2026-02-01 10:00"),
        ("Observation", {"effectivePeriod": {"start": "2026-02-01"}}, "2026-02-01 00:00"),
        ("Observation", {"issued": "2026-02-01T10:00:00.000-07:00"}, "2026-02-01 10:00"),
        ("Condition", {"recordedDate": "2026-02", "onsetDateTime": "2020"}, "2026-02-01 00:00"),
        ("Condition", {"onsetDateTime": "2020"}, "2020-01-01 00:00"),
        ("DocumentReference", {"date": "2026-02-01T10:00:00-07:00"}, "2026-02-01 10:00"),
        ("Consent", {"dateTime": "2026-02-01"}, "2026-02-01 00:00"),
        ("ServiceRequest", {"authoredOn": "2026-02-01T10:00:00-07:00"}, "2026-02-01 10:00"),
        ("QuestionnaireResponse", {"authored": "2026-02-01T10:00:00-07:00"}, "2026-02-01 10:00"),
        ("Procedure", {"performedPeriod": {"start": "2026-02-01", "end": "2026-02-03"}}, "2026-02-03 00:00"),
        ("MedicationRequest", {"authoredOn": "2026-02-01"}, "2026-02-01 00:00"),
        ("Provenance", {"recorded": "2026-02-01T10:00:00-07:00"}, "2026-02-01 10:00"),
    ],
)
def test_each_type_has_its_own_clock(kind, elements, expected):
    assert when(resource(kind, "1", elements, {})) == (expected, False)


def test_a_finished_encounter_happened_at_its_end():
    assert when(an_encounter()) == ("2026-03-06 14:00", False)


def test_an_encounter_under_way_happened_at_its_start():
    assert when(an_encounter(status="in-progress")) == ("2026-03-01 09:00", False)


def test_a_finished_encounter_without_an_end_takes_when_it_came_to_that_status():
    history = [
        {"status": "finished", "period": {"start": "2026-03-06T13:30:00-07:00"}},
        {"status": "in-progress", "period": {"start": "2026-03-01", "end": "2026-03-06T13:00:00-07:00"}},
    ]
    encounter = an_encounter(period={"start": "2026-03-01"}, statusHistory=history)

    assert when(encounter) == ("2026-03-06 13:30", False)
    assert when({**encounter, "statusHistory": history[1:]}) == ("2026-03-06 13:00", False)


def test_a_finished_encounter_never_takes_its_start_for_the_discharge():
    assert when(an_encounter(period={"start": "2026-03-01T09:00:00-07:00"})) == ("2026-03-06 16:30", True)


def test_a_planned_encounter_did_not_happen_at_the_hour_it_is_planned_for():
    assert when(an_encounter(status="planned", period={"start": "2026-06-01"})) == ("2026-03-06 16:30", True)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("booked", ("2026-03-06 15:00", False)),
        ("pending", ("2026-03-06 15:00", False)),
        ("arrived", ("2026-03-10 10:00", False)),
        ("fulfilled", ("2026-03-10 10:00", False)),
        ("noshow", ("2026-03-10 10:00", False)),
        ("cancelled", ("2026-03-06 16:30", True)),
    ],
)
def test_an_appointment_happens_when_it_is_made_until_its_hour_has_come(status, expected):
    assert when(an_appointment(status=status)) == expected


def test_a_type_without_a_row_takes_the_servers_time_and_says_so():
    assert when(resource("Basic", "1", {}, {})) == ("2026-03-06 16:30", True)


def test_a_bad_date_falls_back_and_is_told():
    encounter = an_encounter(period={"start": "2026-03-01", "end": "06/03/2026"})

    moment, assumed, notes = happened(encounter, DENVER)

    assert (moment, assumed) == (datetime.fromisoformat(UPDATED), True)
    assert notes == ("a date in it is not a FHIR date; the next best time was taken",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.just("2026-13-45"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["start", "end", "period", "status", "event"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(["Encounter", "Appointment", "Observation", "Task", "Whatever"]),
    st.dictionaries(
        st.sampled_from(
            [
                "status",
                "period",
                "statusHistory",
                "start",
                "created",
                "effectiveTiming",
                "lastModified",
                "meta",
            ]
        ),
        JSON,
    ),
)
def test_no_content_makes_it_raise(kind, elements):
    moment, _, _ = happened({"resourceType": kind, **elements}, UTC)

    assert moment is None or moment.tzinfo is not None
