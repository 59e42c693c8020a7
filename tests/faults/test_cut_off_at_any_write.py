"""A worker that dies between any two writes: the next look finishes what it left, and nothing stands there twice."""

from __future__ import annotations

import pytest

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir_http import HttpFhirRecord
from service.adapters.memory_record import Faults
from service.ports import Capabilities
from tests.bent_server import BASE, BentServer
from tests.faults.standing import differences, told_of, wrong_with
from tests.faults.town import CutOff, Town, case, instants, shipped

STORIES = [
    ("post-discharge-coordination", "missed-contact-every-rung"),
    ("post-discharge-coordination", "rejected-goes-to-somebody-else"),
    ("post-discharge-coordination", "reached-in-time"),
    ("crisis-to-outpatient", "first-contact-missed"),
    ("crisis-to-outpatient", "acknowledgement-stops-the-ladder"),
]


def without_conditional_creates(record):
    """As workers see the record over HTTP on a server that ignores If-None-Exist and knows no transactions."""
    server = BentServer(ignores_if_none_exist=True, transactions=False)
    server.record = record
    return HttpFhirRecord(
        FhirClient(BASE, transport=server.transport), Capabilities(conditional_create=False, batch=False)
    )


TOWNS = {
    "atomic": lambda: Town(capabilities=Capabilities(atomic_transactions=True)),
    "several pathways": lambda: Town(library=shipped, capabilities=Capabilities(atomic_transactions=True)),
    "three entries at most": lambda: Town(
        capabilities=Capabilities(atomic_transactions=True, transaction_limit=3)
    ),
    "not atomic": lambda: Town(capabilities=Capabilities(atomic_transactions=False)),
    "no conditional creates": lambda: Town(
        seen_through=without_conditional_creates, capabilities=Capabilities(atomic_transactions=False)
    ),
}


RUNGS, REFUSAL, IN_TIME, NO_SHOW, ANSWERED = STORIES
LIVED = [("atomic", *story) for story in STORIES]
LIVED += [("not atomic", *story) for story in (REFUSAL, IN_TIME)]
LIVED += [("no conditional creates", *story) for story in (IN_TIME, NO_SHOW)]
LIVED += [("three entries at most", *REFUSAL)]
LIVED += [("several pathways", "crisis-step-down", "another-crisis-begins-anew")]


@pytest.mark.slow
@pytest.mark.parametrize(("server", "pathway", "name"), LIVED)
def test_a_worker_cut_off_at_any_write_leaves_nothing_undone_and_does_nothing_twice(server, pathway, name):
    """Every instant of the story is lived again for every write in it, cut off before it and after it."""
    town = TOWNS[server]()
    cuts = 0
    for before in moments(town, case(pathway, name)):
        # Without transactions the list of follow-ups in the enrolment's narrative may wait for its next change.
        shown = {"narratives": server == "atomic"}
        wanted, writes = told_of(town.record.everything(), **shown), town.record.writes
        after = town.kept()
        for number in range(1, writes + 1):
            for moment in ("before", "after"):
                cut_off(town, before, number, moment)
                cuts += 1
                here = f"{moment} write {number} of {writes} at {town.clock.at:%a %H:%M}"
                found = left_wrong(town, wanted, shown)
                if server != "no conditional creates":  # nothing there can tell a late copy from a first one
                    town.record.arrives_late()
                    town.settle()
                    found += left_wrong(town, wanted, shown)
                assert found == [], here
        town.rewind(after)
    assert cuts > 10


def test_the_stories_rise_every_rung_close_escalations_and_end_pathways():
    ends = {name: end_of(pathway, name) for pathway, name in STORIES}
    assert sum(name.startswith("Communication") for name in ends["missed-contact-every-rung"]) > 3
    statuses = [plan["status"] for end in ends.values() for key, plan in end.items() if key.count("/") > 3]
    assert {"requested", "completed", "cancelled"} <= set(statuses)
    assert any(plan["status"] == "completed" for plan in ends["first-contact-missed"].values())


def end_of(pathway, name):
    town = Town()
    for _ in moments(town, case(pathway, name)):
        pass
    return told_of(town.record.everything())


def moments(town, told):
    """How everything stood before each instant of the case; while the caller holds it, the instant has been lived."""
    for step in told.timeline:
        for at in instants(town, step.at):
            town.clock.at = at
            yield from lived(town)
        town.clock.at = step.at
        town.happens(step)
        yield from lived(town)


def lived(town):
    before = town.kept()
    town.rewind(before)
    town.settle()
    yield before


def cut_off(town, before, number, moment):
    """Live one instant with a worker that dies at that write, and with the one that follows it."""

    def dies(n):
        if n == number:
            raise CutOff

    town.rewind(before)
    town.record.faults = Faults(**{moment: dies})
    with pytest.raises(CutOff):
        town.settle()
    late = town.record.late if moment == "before" else None
    town.restart_worker()
    town.settle()
    town.record.late = late


def left_wrong(town, wanted, shown):
    everything = town.record.everything()
    return wrong_with(everything) + differences(told_of(everything, **shown), wanted)
