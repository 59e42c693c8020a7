"""What stands in the record, asked in the words of the pathways. Reads the JSON itself; shares nothing with the product.

Every question waits until everybody has finished their work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.builders import Json
from tests.fhir.r4 import check_r4, words
from tests.journeys.clinic import FOLLOW_UP, OPEN, identifier
from tests.journeys.fhir_server import ABOUT, FhirServer

BASE = "https://throughline.example/fhir"
ENROLMENT = f"{BASE}/identifier/enrolment"
ESCALATION = f"{BASE}/identifier/escalation"
NOTICE = f"{BASE}/identifier/notice"
OURS = (ENROLMENT, ESCALATION, NOTICE, FOLLOW_UP)
POST_DISCHARGE = "post-discharge-coordination"
CRISIS = "crisis-to-outpatient"
DENVER = ZoneInfo("America/Denver")


@dataclass(frozen=True)
class Enrolment:
    """An enrolment CarePlan."""

    plan: Json

    @property
    def identifier(self) -> str:
        return _identifier(self.plan, ENROLMENT)

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


class Record:
    """Questions about people's records."""

    def __init__(self, fhir: FhirServer, settle: Callable[[], None]) -> None:
        self._fhir = fhir
        self._settle = settle

    # --- enrolments

    def enrolments(self, person: str) -> list[Enrolment]:
        return [Enrolment(plan) for plan in self._about(person, "CarePlan") if _identifier(plan, ENROLMENT)]

    def enrolment(self, person: str, pathway: str | None = None) -> Enrolment:
        """The only one; of several, the one on `pathway`."""
        found = [
            e for e in self.enrolments(person) if pathway is None or e.identifier.startswith(f"{pathway}/")
        ]
        assert len(found) == 1, f"{person} has enrolments {[e.identifier for e in found]}"
        return found[0]

    def pathways(self, person: str) -> set[str]:
        """On which pathways the person is or was."""
        return {enrolment.identifier.split("/")[0] for enrolment in self.enrolments(person)}

    # --- follow-ups

    def follow_ups(self, person: str) -> dict[str, FollowUp]:
        """By `<task>/<occurrence>`; responses to escalations are not among them."""
        named = ((identifier(t).split("/"), t) for t in self._about(person, "Task"))
        return {"/".join(p[3:]): FollowUp(t) for p, t in named if len(p) == 5}

    def follow_up(self, person: str, task: str) -> FollowUp:
        """The newest occurrence."""
        found = [f for key, f in self.follow_ups(person).items() if key.startswith(f"{task}/")]
        assert found, f"there is no follow-up {task} about {person}"
        return max(found, key=lambda f: f.occurrence)

    def open_follow_ups(self, person: str) -> set[str]:
        return {key.split("/")[0] for key, f in self.follow_ups(person).items() if f.status in OPEN}

    # --- escalations

    def escalations(self, person: str) -> dict[str, Escalation]:
        """By `<task>/<occurrence>/<cause>`."""
        notices = self._about(person, "Communication")
        found = {}
        for plan in self._about(person, "CarePlan"):
            if name := _identifier(plan, ESCALATION):
                mine = {
                    _identifier(n, NOTICE): n
                    for n in notices
                    if _identifier(n, NOTICE).startswith(f"{name}/")
                }
                rungs = sorted(mine, key=lambda value: int(value.rpartition("/")[2]))
                found["/".join(name.split("/")[3:])] = Escalation(plan, [mine[rung] for rung in rungs])
        return found

    def escalation(self, person: str, about: str) -> Escalation:
        """`about` is `<task>/<occurrence>/<cause>`."""
        found = self.escalations(person)
        assert about in found, f"there is no escalation {about} about {person}, only {sorted(found)}"
        return found[about]

    def responses(self, person: str, about: str) -> list[FollowUp]:
        """The responses that the rungs of one escalation asked for, in order."""
        named = ((identifier(t).split("/"), t) for t in self._about(person, "Task"))
        found = [(int(p[6]), t) for p, t in named if len(p) == 7 and "/".join(p[3:6]) == about]
        return [FollowUp(t) for _, t in sorted(found, key=lambda each: each[0])]

    def versions(self, person: str) -> dict[str, int]:
        """How often each of Throughline's resources about the person was written, by anybody."""
        ours = (
            r for kind in ABOUT for r in self._about(person, kind) if any(_identifier(r, s) for s in OURS)
        )
        return {f"{r['resourceType']}/{r['id']}": int(r["meta"]["versionId"]) for r in ours}

    # --- the trail

    def provenance(self, person: str) -> list[Json]:
        """Of everything Throughline decided about the person."""
        self._settle()
        mine = {f"CarePlan/{e.plan['id']}" for e in self.enrolments(person)}
        return [p for p in self._fhir.search("Provenance") if mine & {_unversioned(t) for t in p["target"]}]

    def is_in_order(self) -> None:
        """Holds of everything Throughline wrote: valid R4 with words, named owners, one Provenance per decision."""
        self._settle()
        ours = [r for kind in ABOUT for r in self._fhir.search(kind) if any(_identifier(r, s) for s in OURS)]
        trail = self._fhir.search("Provenance")
        for resource in ours:
            check_r4(resource)
            assert words(resource).strip()
        for provenance in trail:
            check_r4(provenance)
        decided = [_unversioned(t) for p in trail for t in p["target"]]
        people = {
            r["id"]: r for kind in ("Practitioner", "PractitionerRole") for r in self._fhir.search(kind)
        }
        for resource in ours:
            if resource["resourceType"] == "Task":
                _check_owner(resource, people)
            if _identifier(resource, ENROLMENT):
                enrolment = Enrolment(resource)
                assert decided.count(f"CarePlan/{resource['id']}") == enrolment.revision, enrolment.identifier
        assert len({_only(r) for r in ours}) == len(ours), "something of Throughline's stands there twice"
        unexplained = {f"{r['resourceType']}/{r['id']}" for r in ours} - set(decided)
        assert not unexplained, f"nothing says why these stand there: {unexplained}"

    def _about(self, person: str, kind: str) -> list[Json]:
        self._settle()
        return self._fhir.search(kind, patient=f"Patient/{person}")


def _check_owner(task: Json, people: Mapping[str, Json]) -> None:
    """A follow-up is owned by a person: a Practitioner, or a PractitionerRole that names its practitioner."""
    kind, _, logical_id = task["owner"]["reference"].partition("/")
    owner = people[logical_id]
    assert owner["resourceType"] == kind
    assert kind == "Practitioner" or owner["practitioner"]["reference"].startswith("Practitioner/")


def _only(resource: Json) -> tuple[str, str]:
    """Exactly one identifier of Throughline's stands on each resource of its own."""
    values = [(s, i["value"]) for i in resource["identifier"] for s in OURS if i.get("system") == s]
    assert len(values) == 1
    return values[0]


def _identifier(resource: Mapping[str, Any], system: str) -> str:
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


def _unversioned(reference: Mapping[str, Any]) -> str:
    return str(reference["reference"]).partition("/_history/")[0]
