"""The demonstration's check fails when anything is missing or extra; its folder is nobody else's; Ctrl-C leaves nothing."""

import copy
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from service.adapters.memory_record import InMemoryRecord
from service.app.commands.failures import FAILURES
from service.app.demo.cast import AVA, EVERYBODY
from service.app.demo.ending import ENDINGS, check_ending
from service.app.demo.failing import StoryFailed
from service.app.demo.folder import MARKER, demo_folder
from service.app.demo.hospital import Hospital, HospitalDeclined
from service.app.demo.story import PATHWAY, Story
from service.app.exits import Exit
from service.app.state_folder import StateFolderProblem, held
from service.fhir import systems
from tests.processes import PATIENCE, eventually, free_port
from tests.sandbox import FrozenClock


@dataclass
class Told:
    """As much of a story as its ending asks about."""

    records: dict[str, list[dict[str, Any]]]
    patients: dict = field(default_factory=lambda: {p.key: f"Patient/{p.key}" for p in EVERYBODY})
    encounters: dict = field(default_factory=lambda: {p.key: f"Encounter/{p.key}" for p in EVERYBODY})

    @property
    def world(self):
        return self

    watch = world

    def resources(self, patient):
        return self.records[patient]


def the_story_as_told() -> Told:
    return Told({f"Patient/{person.key}": list(resources_of(person)) for person in EVERYBODY})


def resources_of(person):
    for pathway, ending in ENDINGS[person.key].items():
        yield from resources_about(f"{pathway}/Encounter/{person.key}", ending)


def resources_about(enrolment, ending):
    status, stage = ending.enrolment
    lead = {"author": {"display": ending.answers}}
    yield ours(
        "CarePlan",
        systems.ENROLMENT,
        enrolment,
        status=status,
        extension=[{"url": systems.STAGE, "valueCode": stage}],
        **lead,
    )
    for key, (status, owner) in ending.tasks.items():
        yield ours("Task", systems.FOLLOW_UP, f"{enrolment}/{key}", status=status, owner={"display": owner})
    for key, status in ending.escalations.items():
        yield ours("CarePlan", systems.ESCALATION, f"{enrolment}/{key}", status=status)
    for key, recipient in ending.notices.items():
        who = [{"display": recipient}]
        yield ours("Communication", systems.NOTICE, f"{enrolment}/{key}", status="completed", recipient=who)


def ours(kind, system, value, **rest):
    return {"resourceType": kind, "identifier": [{"system": system, "value": value}], **rest}


def wrong(told):
    return [what for right, what, _ in check_ending(cast("Story", told)) if not right]


EVERYTHING = [(p.key, n) for p in EVERYBODY for n, _ in enumerate(resources_of(p))]


def test_the_story_as_told_is_right():
    rows = list(check_ending(cast("Story", the_story_as_told())))
    assert wrong(the_story_as_told()) == []
    enrolments = sum(len(ENDINGS[person.key]) for person in EVERYBODY)
    assert len(rows) == len(EVERYTHING) + enrolments + len(EVERYBODY)


@pytest.mark.parametrize(("who", "number"), EVERYTHING)
def test_whatever_is_missing_is_wrong(who, number):
    told = the_story_as_told()
    del told.records[f"Patient/{who}"][number]
    assert wrong(told)


@pytest.mark.parametrize(("who", "number"), EVERYTHING)
def test_whatever_is_there_but_otherwise_is_wrong(who, number):
    told = the_story_as_told()
    resource = told.records[f"Patient/{who}"][number]
    nobody = {"display": "Nobody"}
    changes = {"status": "entered-in-error", "owner": nobody, "author": nobody, "recipient": []}
    for element, value in changes.items():
        if element in resource and not (element == "status" and resource["resourceType"] == "Communication"):
            before, resource[element] = resource[element], value
            assert wrong(told), element
            resource[element] = before


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda person: person.key)
@pytest.mark.parametrize("system", [systems.ENROLMENT, systems.FOLLOW_UP, systems.ESCALATION, systems.NOTICE])
def test_whatever_is_extra_is_wrong(who, system):
    told = the_story_as_told()
    extra = f"{PATHWAY}/Encounter/{who.key}/contact-person/9"
    told.records[f"Patient/{who.key}"].append(ours("Task", system, extra, status="requested"))
    assert len(wrong(told)) == 1


def test_another_lead_who_answers_for_the_person_is_wrong():
    told = the_story_as_told()
    other = {"url": systems.ACCOUNTABLE_LEAD, "valueReference": {"display": "Somebody Else"}}
    told.records["Patient/dee"][0]["extension"].append(other)
    assert wrong(told) == ["Dee Fictley: Mona Vasquez answers for the person"]


def test_the_same_resource_twice_is_not_two_things():
    told = the_story_as_told()
    told.records["Patient/ava"] = told.records["Patient/ava"] + copy.deepcopy(told.records["Patient/ava"])
    assert wrong(told) == []


# --- its folder


def test_a_folder_with_other_things_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StateFolderProblem) as refused, demo_folder(tmp_path):
        pass
    assert str(refused.value) == (
        f"The folder {tmp_path} holds other things, and each demonstration clears its folder. Nothing was touched."
        " Name a new or empty folder with --state-dir."
    )
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_next_demonstration_removes_what_the_last_one_made_and_nothing_else(tmp_path):
    with demo_folder(tmp_path / "demo") as folder:
        (folder / "redis").mkdir()
        (folder / "redis" / "data").touch()
        (folder / "clock").touch()
        (folder / "notes.txt").touch()
    with demo_folder(tmp_path / "demo") as folder:
        assert {each.name for each in folder.iterdir()} == {MARKER, "lock", "notes.txt"}


def test_two_demonstrations_do_not_share_a_folder(tmp_path):
    with demo_folder(tmp_path) as folder:
        (folder / "clock").touch()
        with (
            pytest.raises(StateFolderProblem, match="Another Throughline runs on the folder"),
            demo_folder(tmp_path),
        ):
            pass
        assert (folder / "clock").exists()


def test_a_folder_that_only_held_a_lock_counts_as_empty(tmp_path):
    with held(tmp_path):
        pass
    with demo_folder(tmp_path) as folder:
        assert folder == tmp_path.resolve()


# --- failing


def test_a_sandbox_that_does_not_answer_fails_the_story_in_words():
    hospital = Hospital(root_url="http://127.0.0.1:1", record=InMemoryRecord(FrozenClock()))
    with pytest.raises(HospitalDeclined) as failed:
        hospital.register(AVA)
    assert (
        str(failed.value) == "the sandbox did not answer to its workflow adt.register_patient (ConnectError)"
    )
    assert (StoryFailed, Exit.NOT_AS_IT_SHOULD_BE) in FAILURES


# --- Ctrl-C


@pytest.mark.usefixtures("interrupts_arrive")
@pytest.mark.parametrize(
    ("moment", "how"),
    [("Starting the sandbox", signal.SIGINT), ("Starting web", signal.SIGTERM)],
)
def test_ctrl_c_at_any_moment_leaves_no_process_behind(moment, how, tmp_path):
    demo = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "service.app.cli",
            "demo",
            "--port",
            str(free_port()),
            "--state-dir",
            tmp_path / "demo",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("THROUGHLINE_")},
        start_new_session=True,
    )
    assert demo.stdout is not None
    shown = []
    while moment not in (line := demo.stdout.readline()):
        shown.append(line)
        assert line, "".join(shown)
    demo.send_signal(how)
    demo.send_signal(how)  # impatience must not leave anything behind
    rest, _ = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == Exit.INTERRUPTED, rest
    assert "Traceback" not in rest
    assert eventually(lambda: processes_about(tmp_path) == [])


def processes_about(folder):
    """Every process whose command line or environment names the folder."""
    shown = subprocess.run(
        ["ps", "axeww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    ).stdout
    mine = {os.getpid(), os.getppid()}
    return [line for line in shown.splitlines() if str(folder) in line and int(line.split()[0]) not in mine]
