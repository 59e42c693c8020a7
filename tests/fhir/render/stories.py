"""The decisions whose rendering is kept as golden files; `python -m tests.fhir.render.stories` writes them anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from service.domain.enrolment import StageEntry
from service.domain.intents import Decision, TellHolder
from service.domain.vocabulary import FollowUpStatus, PlanStatus, Reference, StageId, Timeliness
from service.fhir.render import render
from service.ports import Write
from tests.builders import a_patient, an_encounter
from tests.fhir.decisions import (
    LATER,
    NOW,
    SAM,
    TESS,
    a_change,
    a_first_decision,
    a_pathway,
    a_rung,
    an_enrolment,
    an_escalating_decision,
    an_escalation,
)
from tests.fhir.shelf import Shelf

GOLDEN = Path(__file__).parent / "golden"
RESTRICTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
PART_2 = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "42CFRPart2"}


def writes_of(decision: Decision, shelf: Shelf, **changes: Any) -> list[Write]:
    """Render against what stands on the shelf."""
    arguments = {
        "pathway": a_pathway(),
        "record": shelf.read(),
        "labels": [],
        "existing": shelf.by_reference,
        "recorded_at": NOW,
        **changes,
    }
    return render(decision, **arguments)


def discharged() -> Shelf:
    return Shelf([a_patient(), an_encounter()])


def enrolled() -> Shelf:
    shelf = discharged()
    shelf.write(writes_of(a_first_decision(), shelf, labels=[RESTRICTED, PART_2]))
    return shelf


def escalated() -> Shelf:
    shelf = enrolled()
    shelf.write(writes_of(an_escalating_decision(), shelf, recorded_at=LATER), at=LATER)
    return shelf


def first_decision() -> list[Write]:
    return writes_of(a_first_decision(), discharged(), labels=[RESTRICTED, PART_2])


def missed_contact() -> list[Write]:
    return writes_of(an_escalating_decision(), enrolled(), recorded_at=LATER)


def second_rung() -> list[Write]:
    """The first rung went unanswered: a second one, and the plan lists both."""
    plan = an_escalation(
        reference=Reference("CarePlan/2"), version="1", rungs=2, support=("Send the mobile team",)
    )
    enrolment = an_enrolment(revision=3, reference=Reference("CarePlan/1"), version="2")
    decision = Decision(
        enrolment=enrolment,
        write_enrolment=True,
        escalations=(plan,),
        rungs=(a_rung(number=2),),
        rules=("second rung",),
    )
    return writes_of(decision, escalated(), recorded_at=LATER + timedelta(hours=4))


def all_done() -> list[Write]:
    """The person was reached: the follow-up and the escalation close, and the pathway ends."""
    done_at = LATER + timedelta(hours=1)
    enrolment = an_enrolment(
        revision=3,
        reference=Reference("CarePlan/1"),
        version="2",
        status=PlanStatus.COMPLETED,
        stage=StageId("stable"),
        reached=StageId("stable"),
        history=(*an_enrolment().history, StageEntry(stage=StageId("stable"), entered_at=done_at)),
        unmet_gates=(),
        missing=(),
        ended_reason="The final stage was reached",
    )
    plan = an_escalation(
        reference=Reference("CarePlan/2"),
        version="1",
        status=PlanStatus.COMPLETED,
        changed_at=done_at,
        because="It is done",
        support=(),
        addressed_to=(),
        respond_by=None,
    )
    found = a_change(
        "2", status=FollowUpStatus.COMPLETED, timeliness=Timeliness.ON_TRACK, found=Reference("Encounter/44")
    )
    stood_down = a_change(
        "1",
        reference=Reference("Task/2"),
        identifier=f"{plan.identifier}/1",
        status=FollowUpStatus.CANCELLED,
        because="The follow-up is done",
    )
    decision = Decision(
        enrolment=enrolment,
        write_enrolment=True,
        changes=(found, stood_down),
        escalations=(plan,),
        rules=("done",),
    )
    return writes_of(decision, escalated(), recorded_at=done_at)


def reassigned() -> list[Write]:
    change = a_change(owner=SAM, status=FollowUpStatus.REQUESTED, because="Moved to the clinical supervisor")
    enrolment = an_enrolment(revision=2, reference=Reference("CarePlan/1"), version="1")
    return writes_of(Decision(enrolment=enrolment, write_enrolment=True, changes=(change,)), enrolled())


def taken_back() -> list[Write]:
    """The discharge was cancelled: the follow-up is cancelled, and whoever held it is told."""
    because = "the pathway ended: the resource that began this pathway was cancelled or entered in error"
    enrolment = an_enrolment(
        revision=2,
        reference=Reference("CarePlan/1"),
        version="1",
        status=PlanStatus.REVOKED,
        ended_reason=because.removeprefix("the pathway ended: "),
    )
    change = a_change(status=FollowUpStatus.CANCELLED, because=because)
    told = TellHolder(
        about=change.identifier, title="Reach the person", holder=TESS, because=because, told_at=LATER
    )
    decision = Decision(
        enrolment=enrolment, write_enrolment=True, changes=(change,), told=(told,), rules=(because,)
    )
    return writes_of(decision, enrolled(), labels=[RESTRICTED], recorded_at=LATER)


STORIES: dict[str, Callable[[], list[Write]]] = {
    "first-decision": first_decision,
    "missed-contact": missed_contact,
    "second-rung": second_rung,
    "all-done": all_done,
    "reassigned": reassigned,
    "taken-back": taken_back,
}


def as_json(writes: list[Write]) -> str:
    rows = [
        {
            "fullUrl": write.full_url,
            "ifNoneExist": write.create_if_none,
            "ifMatch": write.if_match,
            "resource": write.resource,
        }
        for write in writes
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, story in STORIES.items():
        (GOLDEN / f"{name}.json").write_text(as_json(story()), encoding="utf-8")
