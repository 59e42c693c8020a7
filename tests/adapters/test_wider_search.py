"""A server that cannot search a type by person: nobody's care depends on that."""

from typing import Any

import pytest

from service.adapters.wider_search import MOST, WiderSearch
from service.ports import RecordRefused, Search

MINE = {"resourceType": "CareTeam", "id": "1", "subject": {"reference": "Patient/ana"}}
THEIRS = {"resourceType": "CareTeam", "id": "2", "subject": {"reference": "Patient/ben"}}
MEMBER = {"resourceType": "Practitioner", "id": "tess"}
TEAMS = Search(kind="CareTeam", params=(("patient", "Patient/ana"), ("_include", "CareTeam:participant")))
TASKS = Search(kind="Task", params=(("patient", "Patient/ana"),))
STAFF = Search(kind="PractitionerRole", params=(("role", "x"),))


class Server:
    """Knows no CareTeam?patient; asked for several searches at once, refuses them all."""

    def __init__(self, *, status=400, has_teams=True, teams=(MINE, THEIRS, MEMBER)):
        self.status, self.has_teams, self.teams = status, has_teams, list(teams)
        self.asked = []

    def search(self, search):
        self.asked.append(search)
        if search.kind == "CareTeam":
            if not self.has_teams or any(name == "patient" for name, _ in search.params):
                raise RecordRefused("no", status=self.status)
            return iter(self.teams)
        return iter([{"resourceType": search.kind, "id": "1"}])

    def search_all(self, searches):
        self.asked.append(tuple(searches))
        return [list(self.search(search)) for search in searches]


def wide(server: Any) -> WiderSearch:
    return WiderSearch(server)


def test_what_is_about_the_person_is_found_with_what_was_included():
    assert list(wide(Server()).search(TEAMS)) == [MINE, MEMBER]


def test_the_order_of_answers_is_that_of_the_searches():
    answers = wide(Server()).search_all([TASKS, TEAMS, STAFF])
    assert [answer[0]["resourceType"] for answer in answers] == ["Task", "CareTeam", "PractitionerRole"]


def test_the_server_is_asked_in_vain_only_once():
    server = Server()
    record = wide(server)
    record.search_all([TASKS, TEAMS])
    server.asked.clear()
    record.search_all([TASKS, TEAMS])
    assert TEAMS not in server.asked
    assert (TASKS,) in server.asked


def test_a_type_the_server_does_not_have_holds_nothing():
    assert list(wide(Server(has_teams=False)).search(TEAMS)) == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_for_another_reason_is_a_refusal(status):
    with pytest.raises(RecordRefused):
        list(wide(Server(status=status)).search(TEAMS))
    with pytest.raises(RecordRefused):
        wide(Server(status=status)).search_all([TASKS, TEAMS])


def test_a_search_that_names_no_person_is_passed_on_as_it_is():
    server = Server()
    wide(server).search_all([STAFF])
    list(wide(server).search(STAFF))
    assert server.asked.count(STAFF) == 2


def test_too_many_to_read_are_refused_with_what_to_do():
    with pytest.raises(RecordRefused, match="Enable that search parameter"):
        list(wide(Server(teams=[THEIRS] * (MOST + 1))).search(TEAMS))
