"""Somebody's past from a server: everything with all its versions, and what to say where the server keeps none."""

import pytest

from service.app.past import Past
from service.app.past_reading import read_past
from service.app.replay import replay
from service.domain.vocabulary import PathwayId, Reference
from service.ports import NotInRecord, RecordRefused, RecordUnavailable
from tests.app.pasts import DENVER, fullest_case, played, site_of

PATHWAY = PathwayId("post-discharge-coordination")
RUN = played(fullest_case(PATHWAY).with_stem("readmitted"))
PERSON = Reference("Patient/riley")
NOW = RUN.case.timeline[-1].at


def history_of(reference):
    """As a server hands it out: a history Bundle, the newest version first."""
    versions = [{"resource": each} for each in reversed(RUN.record.versions(reference))]
    yield {"resourceType": "Bundle", "type": "history", "entry": versions[:1]}
    if versions[1:]:
        yield {"resourceType": "Bundle", "type": "history", "entry": versions[1:]}


def read(history=history_of):
    return read_past(PERSON, RUN.record, history, site_of(PATHWAY), NOW)


def replayed(found):
    return replay(PERSON, Past(found.history, DENVER), site_of(PATHWAY))


def test_every_version_of_everything_that_decisions_saw_and_wrote_is_read():
    found = read()
    decisions = replayed(found)

    assert found.notes == ()
    assert [(d.differences, d.lost, d.unchecked) for d in decisions] == [((), (), ())] * len(decisions)
    assert len(decisions) > 5
    for each in decisions:
        assert {reference for reference, _ in each.recorded.seen} | each.recorded.targets <= set(
            found.history
        )


def test_nothing_is_written_while_looking_back():
    before = RUN.record.writes
    read()

    assert RUN.record.writes == before


def none_for(kind, failure):
    def history(reference):
        if reference.startswith(kind):
            raise failure
        yield from history_of(reference)

    return history


def test_a_server_that_keeps_no_history_of_a_type_is_told_and_its_decisions_cannot_be_decided_again():
    found = read(none_for("Task/", RecordRefused("not supported", status=405)))
    decisions = replayed(found)

    assert found.notes == ("the FHIR server tells no history of Task: each is taken as it is now",)
    assert decisions[0].lost == ()
    assert any(lost.startswith("Task/") for each in decisions for lost in each.lost)
    assert not all(each.is_same for each in decisions)


def test_a_history_that_is_no_bundle_is_told_too():
    found = read(lambda _: iter([{"resourceType": "Bundle", "entry": [{"resource": {"id": "x"}}]}]))

    assert "the FHIR server tells no history of CarePlan: each is taken as it is now" in found.notes


def test_what_the_server_hides_is_passed_over_and_shows_as_lost_where_it_is_needed():
    found = read(none_for("CarePlan/", NotInRecord("hidden", status=404)))

    assert found.notes == ()
    assert any(lost.startswith("CarePlan/") for each in replayed(found) for lost in each.lost)


def test_a_server_that_does_not_answer_is_no_past():
    with pytest.raises(RecordUnavailable):
        read(none_for("Task/", RecordUnavailable("no answer")))
