"""What `doctor` says about hearing the server and about coverage: plain words, each with what to do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.app.coverage import Counted, Covered, as_measure, counted, counted_mark
from service.app.doctor_listening import coverage_findings, listening_findings
from service.app.listening_report import Heard, Listening, as_details, listening, listening_mark
from service.app.subscription_servers import Server
from service.domain.vocabulary import PathwayId
from service.flow.listen import Hearing
from service.flow.population import Coverage
from service.flow.send_canary import CanaryState, Flight
from tests.fakes import HOUSE_NOW


def report(canary=None, **heard) -> Listening:
    subscriptions = {
        name: Heard(hearing=how, status=status, says=says) for name, (how, status, says) in heard.items()
    }
    return Listening(
        at=HOUSE_NOW, subscriptions=subscriptions, canary=canary or CanaryState(flight=Flight.OFF)
    )


def said(found):
    return [(each.outcome.value, each.sentence, each.remedy) for each in found]


WELL = {"encounters": (Hearing.HEARD, "active", ()), "tasks": (Hearing.NOT_YET, "active", ())}
BACK = CanaryState(flight=Flight.BACK, says="it came back after 0.4 seconds", seconds=0.4)
LOST = CanaryState(flight=Flight.LOST, says="none has come back for 7 minutes: the server's notifications do not arrive here")  # fmt: skip


def test_when_all_is_well_one_line_says_so_and_one_that_the_canary_came_back() -> None:
    assert said(listening_findings(report(BACK, **WELL), None)) == [
        ("good", "2 of 2 subscriptions are active on the FHIR server.", ""),
        ("good", "The canary: it came back after 0.4 seconds, so notifications arrive.", ""),
    ]


def test_each_one_that_does_not_tell_has_its_reason_and_its_remedy() -> None:
    findings = listening_findings(
        report(
            LOST,
            encounters=(Hearing.SILENT, "active", ("the record has changed since 10:00 and the server has told of nothing",)),
            tasks=(Hearing.NOT_ASKED, "missing", ("it is not on the server: apply the subscriptions",)),
        ),
        None,
    )  # fmt: skip

    assert said(findings) == [
        ("good", "1 of 2 subscriptions are active on the FHIR server.", ""),
        ("care", "Subscription encounters is silent: the record has changed since 10:00 and the server has told of nothing.",
         "Check that the server runs its notifications and reaches THROUGHLINE_PUBLIC_URL. Changes are found by catch-up meanwhile."),
        ("care", "Subscription tasks is not asked for: it is not on the server: apply the subscriptions.",
         "`throughline subscriptions apply` asks the server for what is missing."),
        ("care", "The canary: none has come back for 7 minutes: the server's notifications do not arrive here.",
         "Check that the server runs its notifications and reaches THROUGHLINE_PUBLIC_URL."),
    ]  # fmt: skip


@pytest.mark.parametrize("hearing", [each for each in Hearing if not each.is_well])
def test_every_way_of_being_deaf_has_a_remedy(hearing) -> None:
    [_, finding] = listening_findings(report(a=(hearing, "active", ())), None)

    assert finding.remedy.endswith(".")


def test_what_the_server_keeps_otherwise_is_said_though_it_tells() -> None:
    kept = (Hearing.HEARD, "active", ("filter: the server dropped what was asked for",))

    assert said(listening_findings(report(discharges=kept), None))[1] == (
        "care",
        "Subscription discharges is kept otherwise than asked: filter: the server dropped what was asked for.",
        (
            "`throughline subscriptions apply` asks for it anew. If the server keeps it so all the same, write it so in the"
            " subscriptions folder."
        ),
    )


def test_a_server_that_tells_nothing_is_no_fault() -> None:
    blaze = Server(name="blaze", title="Blaze", tells=False)

    assert said(listening_findings(report(), blaze)) == [
        ("care", "Blaze tells nothing by itself: changes are found by catch-up only.", "")
    ]


# --- the report between processes


def test_a_report_comes_through_its_mark_as_it_was() -> None:
    one = report(LOST, encounters=(Hearing.SILENT, "active", ("a", "b")))

    assert listening(listening_mark(one)) == one
    for mark in (None, "", "{}", "[]", '{"at": 1}'):
        assert listening(mark) is None


def test_readiness_shows_a_word_for_each_and_nothing_else() -> None:
    assert as_details(None) == {"state": "not looked at yet"}
    assert as_details(report(BACK, **WELL)) == {
        "state": "well",
        "as of": "2026-03-06T16:30:00-07:00",
        "subscriptions": {"encounters": "heard", "tasks": "not heard yet"},
        "canary": "back",
    }
    assert as_details(Listening(at=HOUSE_NOW, problem="no answer"))["problem"] == "no answer"


# --- coverage

FOUND = {PathwayId("after"): Coverage(enrolled=("a", "b"), missed=("c",), pending=("d",))}


def test_the_figure_comes_through_its_mark() -> None:
    kept = counted(counted_mark(FOUND, HOUSE_NOW, timedelta(days=30)))

    assert kept == Counted(
        at=HOUSE_NOW, days=30, pathways={"after": Covered(expected=4, enrolled=2, missed=1, pending=1)}
    )
    for mark in (None, "", "{}", '{"at": "x", "days": 1, "pathways": {"a": 1}}'):
        assert counted(mark) is None


def test_it_is_one_more_measure_with_the_cases_behind_it() -> None:
    measure = as_measure(FOUND[PathwayId("after")], timedelta(days=30))

    assert measure.title == "Enrolled, of everything that began this pathway in the last 30 days"
    assert (measure.rate, measure.numerator, measure.pending) == (0.5, ("a", "b"), ("d",))


def covered(missed: int, *, ago=timedelta(minutes=5)) -> Counted:
    return Counted(
        at=HOUSE_NOW - ago,
        days=30,
        pathways={"after": Covered(expected=10, enrolled=10 - missed, missed=missed, pending=0)},
    )


def test_doctor_says_the_figure_who_is_missing_and_when_nobody_counts() -> None:
    assert said(coverage_findings(covered(0), HOUSE_NOW)) == [
        (
            "good",
            "10 of 10 that should be on a pathway by the last 30 days are (counted 2026-03-06 16:25).",
            "",
        )
    ]
    [(how, _, remedy)] = said(coverage_findings(covered(2), HOUSE_NOW))
    assert (how, remedy) == (
        "care",
        "Those who were missed are looked at by the workers now; `throughline measures` names them.",
    )
    assert said(coverage_findings(covered(0, ago=timedelta(hours=3)), HOUSE_NOW))[1:] == [
        ("care", "Nobody has counted for more than two hours.", "Check that a worker and the scheduler run.")
    ]
    assert list(coverage_findings(None, HOUSE_NOW)) == []
