"""Facts are everything read about the person that is not our own bookkeeping; what is left out leaves a trace."""

from __future__ import annotations

from itertools import permutations

from service.domain.vocabulary import Reference
from tests.builders import (
    a_condition,
    a_patient,
    a_practitioner,
    a_task,
    an_appointment,
    an_encounter,
    resource,
)
from tests.fhir.decisions import NOW
from tests.fhir.read.reading import read
from tests.fhir.render.stories import escalated

OTHER = {"reference": "Patient/grace"}


def references(record):
    return [fact.reference for fact in record.facts]


def test_a_fact_names_its_resource_version_and_time():
    fact = read(a_patient(), an_encounter()).facts[0]

    assert (fact.kind, fact.reference, fact.version) == ("Encounter", "Encounter/12", "1")
    assert fact.happened_at.isoformat() == "2026-03-06T14:00:00-07:00"
    assert not fact.time_assumed
    assert fact.content["class"]["code"] == "IMP"


def test_our_own_plans_tasks_notices_and_trails_are_no_facts():
    assert references(escalated().read(NOW)) == ["Encounter/12", "Patient/ada"]


def test_a_task_or_plan_of_another_system_is_a_fact():
    plan = resource("CarePlan", "theirs", {"status": "active", "subject": {"reference": "Patient/ada"}}, {})

    assert references(read(a_patient(), a_task(), plan)) == ["Task/foreign", "CarePlan/theirs", "Patient/ada"]


def test_the_directory_of_the_site_is_no_fact_about_the_person():
    assert references(read(a_patient(), a_practitioner("tess", "Tess", "Moreau"))) == ["Patient/ada"]


def test_somebody_elses_resource_is_left_out_and_told():
    record = read(a_patient(), an_encounter(subject=OTHER))

    assert references(record) == ["Patient/ada"]
    assert record.unreadable == (
        "Encounter/12: it came with the search but is about somebody else; it was left out",
    )


def test_a_group_appointment_is_about_each_of_its_patients():
    both = [
        {"actor": OTHER, "status": "accepted"},
        {"actor": {"reference": "Patient/ada"}, "status": "accepted"},
    ]

    assert "Appointment/first" in references(read(a_patient(), an_appointment(participant=both)))


def test_a_servers_warning_inside_a_search_result_is_told_without_its_words():
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "not-supported", "diagnostics": "name=Lovelace"}],
    }

    record = read(a_patient(), outcome)

    assert record.unreadable == (
        "The server's answer to a search: came with a warning (not-supported); parts may be missing",
    )


def test_what_the_record_says_did_not_happen_is_void():
    refuted = {"coding": [{"code": "refuted"}]}
    record = read(
        a_patient(),
        an_encounter(status="cancelled"),
        a_condition(verificationStatus=refuted),
        an_appointment(status="noshow"),
        a_task(status="entered-in-error"),
    )

    void = {fact.kind: fact.void for fact in record.facts}
    assert void == {
        "Encounter": True,
        "Condition": True,
        "Appointment": False,
        "Task": True,
        "Patient": False,
    }


def test_the_newest_of_several_versions_is_used_and_used_once():
    old = an_encounter(status="in-progress")
    new = an_encounter(meta={"versionId": "2", "lastUpdated": "2026-03-06T17:00:00-07:00"})

    for order in permutations([a_patient(), old, new, old]):
        facts = [fact for fact in read(*order).facts if fact.kind == "Encounter"]
        assert [(fact.version, fact.content["status"]) for fact in facts] == [("2", "finished")]


def test_the_order_of_what_was_read_does_not_matter():
    resources = [a_patient(), an_encounter(), a_condition(), an_appointment()]
    results = {tuple(references(read(*order))) for order in permutations(resources)}

    assert results == {("Condition/depression", "Encounter/12", "Appointment/first", "Patient/ada")}


def test_a_resource_without_any_time_counts_as_of_now_and_is_told():
    record = read(a_patient(), resource("Basic", "1", {}, {"meta": None}))

    assert record.facts[-1].happened_at == NOW
    assert record.facts[-1].time_assumed
    assert record.unreadable == ("Basic/1: it says nowhere when it happened; it counts as of now",)


def test_a_bad_date_is_told_with_the_reference():
    record = read(a_patient(), an_encounter(period={"start": "yesterday", "end": "today"}))

    assert record.unreadable == (
        "Encounter/12: a date in it is not a FHIR date; the next best time was taken",
    )


def test_the_person_is_read_with_death_merge_and_activity():
    link = {"type": "replaced-by", "other": {"reference": "Patient/grace"}}
    record = read(a_patient(active=False, deceasedDateTime="2026-03-05", link=[link]))

    assert str(record.deceased_at) == "2026-03-05 07:00:00+00:00"
    assert not record.person_active
    assert record.person_version == "1"
    assert record.unreadable == (
        "Patient/ada: it was merged into Patient/grace; look there for what happens next",
    )


def test_a_death_without_a_date_counts_from_the_servers_time():
    assert read(a_patient(deceasedBoolean=True)).deceased_at == NOW
    assert read(a_patient(deceasedBoolean=False)).deceased_at is None


def test_a_person_who_was_not_read_is_told():
    assert read(an_encounter()).unreadable == ("Patient/ada: the person was not among what was read",)


def test_anchors_that_were_deleted_are_passed_on():
    from service.fhir.read import read_person
    from tests.fhir.read.reading import a_catalogue

    gone = frozenset({Reference("Encounter/9")})
    record = read_person(
        [a_patient()], person=Reference("Patient/ada"), catalogue=a_catalogue(), now=NOW, gone=gone
    )

    assert record.gone == gone
