"""Resources that Throughline wrote, as a reader of the record sees them: plain words over the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.builders import Json
from tests.fhir.r4 import words
from tests.journeys.clinic import FOLLOW_UP, identifier

BASE = "https://throughline.example/fhir"
ENROLMENT = f"{BASE}/identifier/enrolment"
ESCALATION = f"{BASE}/identifier/escalation"
NOTICE = f"{BASE}/identifier/notice"
OURS = (ENROLMENT, ESCALATION, NOTICE, FOLLOW_UP)
DENVER = ZoneInfo("America/Denver")


@dataclass(frozen=True)
class Enrolment:
    """An enrolment CarePlan."""

    plan: Json

    @property
    def identifier(self) -> str:
        return own_identifier(self.plan, ENROLMENT)

    @property
    def status(self) -> str:
        return str(self.plan["status"])

    @property
    def stage(self) -> str:
        return str(_values(self.plan, "stage")[0])

    @property
    def stages(self) -> list[str]:
        """Every stage come to, in order."""
        return [_part(entry, "stage") for entry in _extensions(self.plan, "stage-entry")]

    @property
    def reached(self) -> str:
        return str(_values(self.plan, "stage-reached")[0])

    @property
    def unmet(self) -> set[str]:
        return set(_values(self.plan, "unmet-gate"))

    @property
    def missing(self) -> set[str]:
        return set(_values(self.plan, "missing-field"))

    @property
    def variances(self) -> dict[str, str]:
        """`<kind> <subject>` -> reason."""
        return {
            f"{_part(v, 'kind')} {_part(v, 'subject')}": _part(v, "reason")
            for v in _extensions(self.plan, "variance")
        }

    @property
    def ended_because(self) -> str:
        return str(next(iter(_values(self.plan, "ended-reason")), ""))

    @property
    def lead(self) -> str:
        """Who leads this pathway."""
        return str(self.plan["author"]["display"])

    @property
    def accountable(self) -> str:
        """Who answers for the person as a whole: the lead of this pathway, unless it names another's."""
        [named] = _values(self.plan, "accountable-lead") or [{"display": self.lead}]
        return str(named["display"])

    @property
    def revision(self) -> int:
        return int(_values(self.plan, "revision")[0])

    @property
    def started_at(self) -> datetime:
        return _time(self.plan["period"]["start"])

    @property
    def words(self) -> str:
        """The narrative, one line per element."""
        return words(self.plan)


@dataclass(frozen=True)
class FollowUp:
    """A follow-up Task, or the response that a rung asks for."""

    task: Json

    @property
    def status(self) -> str:
        return str(self.task["status"])

    @property
    def owner(self) -> str:
        return str(self.task["owner"]["display"])

    @property
    def due(self) -> str:
        return _local(self.task["restriction"]["period"]["end"])

    @property
    def accept_by(self) -> str:
        return _local(_values(self.task, "accept-by")[0])

    @property
    def priority(self) -> str:
        return str(self.task["priority"])

    @property
    def occurrence(self) -> int:
        return int(identifier(self.task).rpartition("/")[2])

    @property
    def standing(self) -> str:
        """Where it stands against its clocks."""
        return str(self.task["businessStatus"]["coding"][0]["code"])

    @property
    def why_closed(self) -> str:
        return str(self.task.get("statusReason", {}).get("text", ""))


@dataclass(frozen=True)
class Escalation:
    """An escalation CarePlan with its notices, in the order of the rungs."""

    plan: Json
    notices: list[Json]

    @property
    def status(self) -> str:
        return str(self.plan["status"])

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """(when, who, how urgent) of each rung."""
        return [(_local(n["sent"]), n["recipient"][0]["display"], n["priority"]) for n in self.notices]

    @property
    def support(self) -> list[str]:
        """The interim support actions."""
        details = (activity.get("detail") for activity in self.plan["activity"])
        return [detail["description"] for detail in details if detail]


def own_identifier(resource: Mapping[str, Any], system: str) -> str:
    return next((str(i["value"]) for i in resource.get("identifier", []) if i.get("system") == system), "")


def _extensions(resource: Mapping[str, Any], name: str) -> list[Json]:
    url = f"{BASE}/StructureDefinition/{name}"
    return [extension for extension in resource.get("extension", []) if extension["url"] == url]


def _values(resource: Mapping[str, Any], name: str) -> list[Any]:
    return [_value(extension) for extension in _extensions(resource, name)]


def _value(extension: Mapping[str, Any]) -> Any:
    return next(value for key, value in extension.items() if key.startswith("value"))


def _part(extension: Mapping[str, Any], name: str) -> str:
    return next(str(_value(part)) for part in extension["extension"] if part["url"] == name)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _local(text: str) -> str:
    """`Mon 09 12:00`: weekday, day of the month and time in Denver."""
    return f"{_time(text).astimezone(DENVER):%a %d %H:%M}"
