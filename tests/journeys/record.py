"""What stands in the record, asked in the words of the pathways. Reads the JSON itself; shares nothing with the product.

Every question waits until everybody has finished their work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.builders import Json
from tests.fhir.r4 import check_r4, words
from tests.journeys.clinic import OPEN, identifier
from tests.journeys.fhir_server import ABOUT, FhirServer
from tests.journeys.views import (
    ENROLMENT,
    ESCALATION,
    NOTICE,
    OURS,
    Enrolment,
    Escalation,
    FollowUp,
    own_identifier,
)

POST_DISCHARGE = "post-discharge-coordination"
CRISIS = "crisis-to-outpatient"
STEP_DOWN_AFTER_CRISIS = "crisis-step-down"
WARM_HANDOFF = "post-ed-warm-handoff"
STABILIZATION = "crisis-stabilization-follow-up"
AFTER_A_CRISIS = frozenset({CRISIS, STEP_DOWN_AFTER_CRISIS, WARM_HANDOFF})
"""What an emergency visit that ended at home begins."""


class Record:
    """Questions about people's records."""

    def __init__(self, fhir: FhirServer, settle: Callable[[], None]) -> None:
        self._fhir = fhir
        self._settle = settle

    # --- enrolments

    def enrolments(self, person: str) -> list[Enrolment]:
        return [
            Enrolment(plan) for plan in self._about(person, "CarePlan") if own_identifier(plan, ENROLMENT)
        ]

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

    def every_follow_up(self, person: str) -> dict[str, FollowUp]:
        """By the whole identifier, `<pathway>/<anchor>/<task>/<occurrence>`; responses to escalations are not among them."""
        named = ((identifier(task), task) for task in self._about(person, "Task"))
        return {name: FollowUp(task) for name, task in named if len(name.split("/")) == 5}

    def follow_ups(self, person: str) -> dict[str, FollowUp]:
        """By `<task>/<occurrence>`, whichever pathway asks."""
        every = self.every_follow_up(person)
        found = {_below(name): follow_up for name, follow_up in every.items()}
        assert len(found) == len(every), f"several enrolments ask the same about {person}"
        return found

    def follow_up(self, person: str, task: str) -> FollowUp:
        """The newest occurrence."""
        found = [f for key, f in self.follow_ups(person).items() if key.startswith(f"{task}/")]
        assert found, f"there is no follow-up {task} about {person}"
        return max(found, key=lambda f: f.occurrence)

    def open_follow_ups(self, person: str) -> set[str]:
        return {key.split("/")[0] for key, f in self.follow_ups(person).items() if f.status in OPEN}

    def asked(self, person: str) -> dict[str, set[str]]:
        """What is open, as `<task>/<occurrence>`, by the pathway that asks."""
        found: dict[str, set[str]] = {}
        for name, follow_up in self.every_follow_up(person).items():
            if follow_up.status in OPEN:
                found.setdefault(name.split("/")[0], set()).add(_below(name))
        return found

    # --- escalations

    def escalations(self, person: str) -> dict[str, Escalation]:
        """By `<task>/<occurrence>/<cause>`."""
        notices = self._about(person, "Communication")
        found = {}
        for plan in self._about(person, "CarePlan"):
            if name := own_identifier(plan, ESCALATION):
                mine = {own_identifier(n, NOTICE): n for n in notices if _is_rung(n, name)}
                rungs = sorted(mine, key=lambda value: int(value.rpartition("/")[2]))
                found["/".join(name.split("/")[3:])] = Escalation(plan, [mine[rung] for rung in rungs])
        return found

    def escalation(self, person: str, about: str) -> Escalation:
        """`about` is `<task>/<occurrence>/<cause>`."""
        found = self.escalations(person)
        assert about in found, f"there is no escalation {about} about {person}, only {sorted(found)}"
        return found[about]

    def told_of_cancelling(self, person: str) -> dict[str, Json]:
        """Identifier of the cancelled Task, below the enrolment -> the Communication to whoever held it."""
        named = ((own_identifier(n, NOTICE).split("/"), n) for n in self._about(person, "Communication"))
        return {"/".join(parts[3:-1]): n for parts, n in named if parts[-1] == "cancelled"}

    def responses(self, person: str, about: str) -> list[FollowUp]:
        """The responses that the rungs of one escalation asked for, in order."""
        named = ((identifier(t).split("/"), t) for t in self._about(person, "Task"))
        found = [(int(p[6]), t) for p, t in named if len(p) == 7 and "/".join(p[3:6]) == about]
        return [FollowUp(t) for _, t in sorted(found, key=lambda each: each[0])]

    def versions(self, person: str) -> dict[str, int]:
        """How often each of Throughline's resources about the person was written, by anybody."""
        ours = (
            r for kind in ABOUT for r in self._about(person, kind) if any(own_identifier(r, s) for s in OURS)
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
        ours = [
            r for kind in ABOUT for r in self._fhir.search(kind) if any(own_identifier(r, s) for s in OURS)
        ]
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
            if own_identifier(resource, ENROLMENT):
                enrolment = Enrolment(resource)
                assert decided.count(f"CarePlan/{resource['id']}") == enrolment.revision, enrolment.identifier
        assert len({_only(r) for r in ours}) == len(ours), "something of Throughline's stands there twice"
        unexplained = {f"{r['resourceType']}/{r['id']}" for r in ours} - set(decided)
        assert not unexplained, f"nothing says why these stand there: {unexplained}"

    def _about(self, person: str, kind: str) -> list[Json]:
        self._settle()
        return self._fhir.search(kind, patient=f"Patient/{person}")


def _is_rung(notice: Json, escalation: str) -> bool:
    before, _, number = own_identifier(notice, NOTICE).rpartition("/")
    return before == escalation and number.isdigit()


def _below(name: str) -> str:
    """`<task>/<occurrence>` of a whole identifier."""
    return "/".join(name.split("/")[3:])


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


def _unversioned(reference: Mapping[str, Any]) -> str:
    return str(reference["reference"]).partition("/_history/")[0]
