"""The searches that bring a person's record: bounded, in common parameters, understood by a real server."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import timedelta

from service.domain.vocabulary import PathwayId, Reference
from service.fhir.searches import (
    ENROLMENTS_PER_SEARCH,
    ROLES_PER_SEARCH,
    anchored_searches,
    anchors_of,
    directory_searches,
    enrolment_search,
    people_of,
    person_of,
    person_searches,
)
from service.fhir.systems import ENROLMENT, ROLE
from service.ports import Search
from tests.builders import (
    PERSON,
    a_care_team,
    a_patient,
    a_practitioner,
    a_practitioner_role,
    a_task,
    an_appointment,
    an_encounter,
)
from tests.fhir.decisions import NOW
from tests.fhir.render.stories import discharged, first_decision

ADA = Reference(PERSON)
SINCE = NOW - timedelta(days=30)


def searched(**changes):
    arguments = {"types": frozenset({"Encounter", "Appointment"}), "since": SINCE, **changes}
    return person_searches(ADA, **arguments)


def test_the_person_and_what_changed_about_them_is_asked_for():
    window = ("_lastUpdated", "ge2026-02-04T23:30:00Z")

    assert searched() == [
        Search(kind="Patient", params=(("_id", "ada"),)),
        Search(kind="Appointment", params=(("actor", "Patient/ada"), window)),
        Search(kind="CarePlan", params=(("patient", "Patient/ada"), window)),
        Search(kind="Communication", params=(("patient", "Patient/ada"), window)),
        Search(kind="Encounter", params=(("patient", "Patient/ada"), window)),
        Search(kind="Task", params=(("patient", "Patient/ada"), window)),
        Search(kind="CareTeam", params=(("patient", "Patient/ada"), ("_include", "CareTeam:participant"))),
    ]


def test_types_that_count_whenever_they_were_recorded_are_read_whole():
    consent = next(each for each in searched(ever=frozenset({"Consent"})) if each.kind == "Consent")

    assert consent.params == (("patient", "Patient/ada"),)


def test_the_directory_is_not_searched_by_person():
    kinds = [each.kind for each in searched(types=frozenset({"Practitioner", "PractitionerRole", "Patient"}))]

    assert kinds == ["Patient", "CarePlan", "Communication", "Task", "CareTeam"]


def test_single_resources_are_read_by_id():
    assert searched(also=[Reference("Practitioner/sam")])[-1] == Search(
        kind="Practitioner", params=(("_id", "sam"),)
    )


def test_role_codes_are_asked_for_in_bounded_portions_with_the_people_in_them():
    codes = [(ROLE, f"role-{number:03}") for number in range(ROLES_PER_SEARCH + 1)]

    first, second = directory_searches([*codes, *codes])

    assert first.params[0][1].count(",") == ROLES_PER_SEARCH - 1
    assert second.params == (("role", f"{ROLE}|role-040"), ("_include", "PractitionerRole:practitioner"))


def test_enrolments_that_something_began_are_asked_for_on_every_pathway_at_once():
    [search] = anchored_searches(
        [Reference("Encounter/12")], [PathwayId("post-discharge"), PathwayId("crisis")]
    )

    assert search == Search(
        kind="CarePlan",
        params=(("identifier", f"{ENROLMENT}|crisis/Encounter/12,{ENROLMENT}|post-discharge/Encounter/12"),),
    )
    assert anchored_searches([Reference("Encounter/12")], []) == []


def test_many_such_questions_are_asked_in_bounded_portions():
    anchors = [Reference(f"Encounter/{number}") for number in range(ENROLMENTS_PER_SEARCH + 1)]

    first, second = anchored_searches(anchors, [PathwayId("a")])

    assert first.params[0][1].count(",") == ENROLMENTS_PER_SEARCH - 1
    assert second.params == (("identifier", f"{ENROLMENT}|a/Encounter/{ENROLMENTS_PER_SEARCH}"),)


def test_what_an_enrolment_began_with_stands_in_its_identifier():
    def enrolment(*values, system=ENROLMENT):
        return {"resourceType": "CarePlan", "identifier": [{"system": system, "value": v} for v in values]}

    assert anchors_of(enrolment("post-discharge/Encounter/12")) == ["Encounter/12"]
    assert anchors_of(enrolment("post-discharge/Encounter/12", system="urn:other")) == []
    assert anchors_of(enrolment("post-discharge", "x/y", "post-discharge/Encounter/1/task/1")) == []
    assert anchors_of({"resourceType": "CarePlan"}) == []


def test_separators_inside_codes_are_escaped():
    assert directory_searches([(None, "a,b|c$d\\e")])[0].params[0] == ("role", r"a\,b\|c\$d\\e")


def test_whom_a_resource_is_about():
    other = {"reference": "Patient/grace"}
    group = an_appointment(participant=[{"actor": other}, {"actor": {"reference": PERSON}}, {"actor": other}])

    assert person_of(a_patient()) == ADA
    assert person_of(an_encounter()) == ADA
    assert person_of(a_task()) == ADA
    assert person_of(a_task(for_={"reference": "Organization/x"})) is None
    assert person_of(a_practitioner("tess", "Tess", "Moreau")) is None
    assert people_of(group) == ("Patient/grace", "Patient/ada")
    assert (
        person_of({"resourceType": "Coverage", "beneficiary": {"reference": "Patient/ada/_history/2"}}) == ADA
    )
    absolute = {"resourceType": "Observation", "subject": {"reference": "https://x.example/r4/Patient/ada"}}
    assert person_of(absolute, "https://x.example/r4") == ADA
    assert person_of(absolute) is None


def asked(base, method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(
        f"{base}/{path}", data=data, method=method, headers={"Content-Type": "application/fhir+json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def found(base, search):
    """(type, id) of all matches and includes of the first page."""
    bundle = asked(base, "GET", f"{search.kind}?{urllib.parse.urlencode(search.params)}")
    return {(each["resource"]["resourceType"], each["resource"]["id"]) for each in bundle.get("entry", [])}


def test_a_real_server_understands_every_search_and_keeps_what_is_rendered(sandbox):
    base = sandbox.base_url
    resources = [
        a_patient("searched"),
        a_practitioner("searched-tess", "Tess", "Moreau"),
        a_practitioner_role("searched-role", "Practitioner/searched-tess", "searched-coordinator"),
        {
            **a_care_team(("Practitioner/searched-tess", "x"), logical_id="searched-team"),
            "subject": {"reference": "Patient/searched"},
        },
        an_encounter("searched-stay", subject={"reference": "Patient/searched"}),
        an_appointment(
            "searched-visit", participant=[{"actor": {"reference": "Patient/searched"}, "status": "accepted"}]
        ),
    ]
    for each in resources:
        asked(
            base,
            "PUT",
            f"{each['resourceType']}/{each['id']}",
            {k: v for k, v in each.items() if k != "meta"},
        )
    shelf = discharged()
    shelf.write(first_decision())
    kept = {}
    for each in [*shelf.of("CarePlan"), *shelf.of("Task")]:
        text = json.dumps({k: v for k, v in each.items() if k != "id"}).replace(
            "Patient/ada", "Patient/searched"
        )
        created = asked(base, "POST", each["resourceType"], json.loads(text))
        kept[each["resourceType"]] = created["id"]

    person = Reference("Patient/searched")
    searches = person_searches(
        person,
        frozenset({"Encounter", "Appointment", "Condition", "Consent", "DocumentReference"}),
        SINCE.replace(year=2020),
        [(ROLE, "searched-coordinator")],
    )
    everything = set().union(*(found(base, search) for search in searches))

    expected = {(each["resourceType"], each["id"]) for each in resources} | set(kept.items())
    assert expected <= everything
    assert found(base, enrolment_search(person)) == {("CarePlan", kept["CarePlan"])}
