"""Worked cases: dated examples of a pathway, read from cases/*.yaml and checked like every other definition.

Reading only; what a case expects is compared with what happens elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from service.domain.pathway import Pathway
from service.domain.vocabulary import (
    CapacityId,
    FieldId,
    FollowUpStatus,
    GateId,
    MeasureId,
    PathwayId,
    PlanStatus,
    Reference,
    RoleId,
    StageId,
    TaskId,
)
from service.pathways.case_checks import check_case
from service.pathways.case_schema import CaseFile, ExpectPart, StepPart, TaskActPart
from service.pathways.problems import Problem
from service.pathways.wording import read_grammar
from service.pathways.yaml_source import LARGEST, Source, read_source
from service.pathways.yaml_tree import Node, as_json
from service.ports import Resource


@dataclass(frozen=True, kw_only=True)
class TaskAct:
    """What an owner does to a follow-up. `status` None: only records or waives."""

    status: FollowUpStatus | None = None
    records: Mapping[FieldId, str] = field(default_factory=dict)
    waives: Mapping[GateId, str] = field(default_factory=dict)
    """Gate -> reason."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What must be so after a step; None: the case does not say. Instants are aware."""

    stage: StageId | None = None
    unmet: frozenset[GateId] | None = None
    missing: frozenset[FieldId] | None = None
    tasks: Mapping[TaskId, FollowUpStatus] | None = None
    owners: Mapping[TaskId, Reference] | None = None
    due: Mapping[TaskId, datetime] | None = None
    escalated: Mapping[TaskId, int] | None = None
    """How many rungs have been raised."""
    variances: tuple[str, ...] | None = None
    status: PlanStatus | None = None
    measures: Mapping[MeasureId, tuple[int, int]] | None = None
    """Numerator and denominator."""
    lead: Reference | None = None
    accountable: Reference | None = None
    """Whose lead answers for the person, over all pathways of the case."""
    queue: Mapping[CapacityId, int] | None = None
    """Position in the queue for a reserved place; 0 once a place is held."""
    earlier: tuple[StageId | None, PlanStatus | None] | None = None
    """Stage and status of the enrolment before the newest."""
    enrolled: Mapping[PathwayId, PlanStatus] | None = None
    """Status of the newest enrolment on each of the pathways of the case."""
    asked: Mapping[str, int] | None = None
    """Purpose -> how many open follow-ups serve it, over all pathways of the case."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One moment: first what arrives, then what owners do, then what is expected."""

    at: datetime
    line: int
    arrives: tuple[Resource, ...] = ()
    """Complete FHIR R4 resources with ids."""
    tasks: Mapping[TaskId, TaskAct] = field(default_factory=dict)
    respond: Mapping[TaskId, FollowUpStatus] = field(default_factory=dict)
    """Answer to the newest escalation about that follow-up."""
    expect: Expected | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """A worked case; `file` and each step's `line` say where it is written."""

    title: str
    pathway: PathwayId
    beside: tuple[PathwayId, ...] = ()
    """Other pathways that the site has as well; without any, the pathway is played alone."""
    file: str
    people: Mapping[RoleId, Reference]
    timeline: tuple[Step, ...]


def case_files(pathway_folder: Path) -> list[Path]:
    """The cases beside a pathway.yaml, by name."""
    return sorted((pathway_folder / "cases").glob("*.yaml"))


def read_case(path: Path, pathway: Pathway) -> tuple[Case | None, Source]:
    """The case, or None with every reason among the problems of the source. Times are local to the pathway."""
    source = read_source(path)
    read = read_grammar(source, CaseFile)
    if source.root is not None:
        check_case(source, source.root, pathway)
    if read is None or source.root is None:
        return None, source
    steps = tuple(
        _step(part, _row(source.root, n), source, path, pathway) for n, part in enumerate(read.timeline)
    )
    people = {RoleId(role): Reference(who) for role, who in read.people.items()}
    case = Case(
        title=read.case,
        pathway=pathway.id,
        beside=tuple(PathwayId(name) for name in read.beside),
        file=source.file,
        people=people,
        timeline=steps,
    )
    return (None if source.broken else case), source


def check_case_file(path: Path, pathway: Pathway | None) -> list[Problem]:
    """Problems of a case; beside a pathway that is broken itself, only whether the case is well-formed."""
    if pathway is not None:
        return read_case(path, pathway)[1].problems
    source = read_source(path)
    read_grammar(source, CaseFile)
    return source.problems


def _row(root: Node, number: int) -> Node:
    return root.follow(("timeline", number))[0]


def _step(part: StepPart, node: Node, source: Source, path: Path, pathway: Pathway) -> Step:
    files = node.get("arrives")
    arrived = [
        _resource(path.parent / "resources", file, source) for file in (files.items() if files else ())
    ]
    inline = node.get("resource")
    if inline is not None:
        arrived.append(_checked(as_json(inline), inline, source))
    return Step(
        at=_local(part.at, pathway),
        line=node.place[0],
        arrives=tuple(resource for resource in arrived if resource is not None),
        tasks={TaskId(task): _act(act) for task, act in part.task.items()},
        respond={TaskId(task): FollowUpStatus(status) for task, status in part.respond.items()},
        expect=_expected(part.expect, pathway) if part.expect else None,
    )


def _local(at: datetime, pathway: Pathway) -> datetime:
    return at.replace(tzinfo=pathway.calendar.timezone)


def _resource(folder: Path, name: Node, source: Source) -> Resource | None:
    path = folder / (name.text or "")
    try:
        if path.stat().st_size > LARGEST:
            source.report(name.place, "too-large", f"this resource is larger than {LARGEST // 1024} KB")
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        source.report(
            name.place, "unknown-file", f"there is no readable resources/{name.text}", "check its name"
        )
        return None
    except (ValueError, RecursionError):
        source.report(name.place, "bad-json", f"resources/{name.text} is not well-formed JSON")
        return None
    return _checked(content, name, source)


def _checked(content: Any, node: Node, source: Source) -> Resource | None:
    said = (content.get("resourceType"), content.get("id")) if isinstance(content, dict) else (None, None)
    if not all(isinstance(word, str) and word for word in said):
        source.report(node.place, "not-a-resource", "a resource needs its resourceType and an id")
        return None
    assert isinstance(content, dict)
    return content


def _act(part: TaskActPart) -> TaskAct:
    return TaskAct(
        status=FollowUpStatus(part.status) if part.status else None,
        records={FieldId(name): value for name, value in part.records.items()},
        waives={GateId(name): reason for name, reason in part.waives.items()},
    )


def _expected(part: ExpectPart, pathway: Pathway) -> Expected:
    def each(values: Mapping[str, Any] | None, meaning: Any) -> Any:
        return None if values is None else {TaskId(name): meaning(value) for name, value in values.items()}

    return Expected(
        stage=None if part.stage is None else StageId(part.stage),
        unmet=None if part.unmet is None else frozenset(GateId(name) for name in part.unmet),
        missing=None if part.missing is None else frozenset(FieldId(name) for name in part.missing),
        tasks=each(part.tasks, FollowUpStatus),
        owners=each(part.owners, Reference),
        due=each(part.due, lambda at: _local(at, pathway)),
        escalated=each(part.escalated, int),
        variances=None if part.variances is None else tuple(part.variances),
        status=None if part.status is None else PlanStatus(part.status),
        measures=None
        if part.measures is None
        else {MeasureId(m): (v[0], v[1]) for m, v in part.measures.items()},
        **_beside(part),
    )


def _beside(part: ExpectPart) -> dict[str, Any]:
    """What a case expects over all its pathways."""
    earlier, enrolled = part.earlier, part.enrolled
    return {
        "lead": Reference(part.lead) if part.lead else None,
        "accountable": Reference(part.accountable) if part.accountable else None,
        "queue": None if part.queue is None else {CapacityId(name): n for name, n in part.queue.items()},
        "earlier": earlier
        and (
            StageId(earlier.stage) if earlier.stage else None,
            PlanStatus(earlier.status) if earlier.status else None,
        ),
        "enrolled": enrolled and {PathwayId(name): PlanStatus(status) for name, status in enrolled.items()},
        "asked": part.asked,
    }
