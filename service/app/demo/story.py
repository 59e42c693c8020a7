"""Three people are discharged on the same day. One is looked after in time, one falls silent, one is handed on.
A fourth comes out of a crisis, which begins several pathways at once.

Each scene sets the time, lets people act, waits until the record has settled, and tells what appeared in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.app.demo import cast
from service.app.demo.cast import AVA, BEN, CHO, DEE, EVERYBODY, PEOPLE, Person
from service.app.demo.timeline import Timeline
from service.app.demo.together import pathways_of
from service.app.demo.world import World
from service.ports import Resource, Write

PATHWAY = "post-discharge-coordination"
PAPERWORK: Mapping[str, Mapping[str, str]] = {
    "confirm-receipt": {"accountable-pathway-lead": "Lena Hofstad"},
    "review-discharge-plan": {
        "current-risk-level": "moderate",
        "medication-plan": "sertraline 100 mg, 14 days supplied",
        "safety-plan-status": "made with the person, copy at home",
    },
    "confirm-appointments": {"follow-up-appointments": "Thursday 10:00 with Omar Lindqvist"},
    "check-medication-access": {"medication-plan": "in hand; refill arranged"},
    "review-clinical-needs": {"current-risk-level": "moderate", "safety-plan-status": "reviewed"},
    "arrange-practical-support": {"community-support-needs": "bus pass; benefits appointment"},
}
"""What the staff find and write down for everybody, per follow-up."""
CONTACT = "contact-person"
HANDED_OVER = {
    "current-risk-level": "moderate",
    "safety-plan-status": "made with her, copy at home",
    "medication-plan": "unchanged",
    "contact-preference": "text message, then a call",
    "safeguarding-indicators": "no",
    "named-community-lead": "Mona Vasquez",
    "named-follow-up-owner": "Omar Lindqvist",
    "barriers-to-attendance": "works nights",
}
REACHED = {"contact-attempts": "1", "community-support-needs": "transport"}
REFUSED = "On leave from tomorrow; cannot make the call in time."
MINUTE = timedelta(minutes=1)


@dataclass
class Story:
    """Plays the scenes in order on one world."""

    world: World
    timeline: Timeline
    meanwhile: Callable[[str], None] = lambda _scene: None
    """Called before each scene; tests kill processes here."""
    patients: dict[str, str] = field(default_factory=dict)
    encounters: dict[str, str] = field(default_factory=dict)

    def play(self) -> None:
        for scene in (
            self.discharges,
            self.the_first_hour,
            self.nobody_rings,
            self.still_nobody,
            self.somebody_answers,
            self.stable,
            self.a_crisis,
        ):
            self.meanwhile(scene.__name__)
            scene()

    # --- scenes

    def discharges(self) -> None:
        self.timeline.chapter("Discharge: the hospital's own workflow sends three people home")
        self._seed()
        for person in PEOPLE:
            encounter = self.encounters[person.key]
            self.world.hospital.discharge(encounter)
            self._says("hospital", f"{person.name} is discharged home", f"in this story, {person.story}")
        self.world.set_time(self.world.now().replace(microsecond=0) + timedelta(seconds=1))
        self._settle("the notifications arrive")
        self._tell(AVA)
        for person in (BEN, CHO):
            self._tell_in_short(person)

    def the_first_hour(self) -> None:
        self.timeline.chapter("The first hour: most steps are taken on; one is refused; one is overlooked")
        self._pass(timedelta(minutes=20), "the clinic opens its worklist")
        for person in PEOPLE:
            for task in PAPERWORK:
                self._does(person, task, "accepted", quietly=True)
        self._says("clinic", "The team takes on every step for all three, except two calls")
        self._does(AVA, CONTACT, "accepted")
        self._does(CHO, CONTACT, "rejected", reason=REFUSED)
        self._says("clinic", f"Nobody has seen the call to {BEN.name} on the list")
        self._settle("a refusal escalates at once, and somebody else is asked")
        self._tell(CHO)
        self._pass(timedelta(minutes=20), "the second coordinator and the lead read their lists")
        self._does(CHO, CONTACT, "accepted")
        self._settle("the escalation about the refusal is over")
        self._tell(CHO)
        self._pass(timedelta(minutes=10), "paperwork and calls")
        for person in PEOPLE:
            for task, found in PAPERWORK.items():
                self._does(person, task, "completed", found=found, quietly=True)
        self._does(AVA, CONTACT, "completed", found=REACHED)
        self._does(CHO, CONTACT, "completed", found=REACHED)
        for person in (AVA, CHO, BEN):
            self._does(person, "first-appointment", "accepted", quietly=True)
        self._settle("gates open where the evidence is there")
        self._tell(AVA, CHO)

    def nobody_rings(self) -> None:
        self.timeline.chapter(f"Silence: nobody accepts the call to {BEN.name}")
        self._until(self._accept_by(BEN, CONTACT) + MINUTE, "the accept-by time passes")
        self._tell(BEN)

    def still_nobody(self) -> None:
        self.timeline.chapter("Still nobody: the ladder rises")
        self._until(
            self._accept_by(BEN, CONTACT) + timedelta(hours=4) + MINUTE, "four hours without an answer"
        )
        self._tell(BEN)

    def somebody_answers(self) -> None:
        self.timeline.chapter("The supervisor acknowledges: the ladder stops")
        self._pass(timedelta(minutes=30), "the supervisor reads the Communication")
        response = self.world.staff.response(self.patients[BEN.key], CONTACT)
        self.world.watch.knows(self.world.staff.answer(response, "accepted", self.world.now()))
        self._says("clinic", f"{response['owner'].get('display')} takes on the escalation about {BEN.name}")
        self._settle("the acknowledgement is seen")
        self._tell(BEN)
        self._pass(timedelta(hours=2), "no further rung: it is acknowledged and its time is not over")
        self._settle("nothing is due")
        self._tell(BEN)

    def stable(self) -> None:
        self.timeline.chapter(f"{AVA.name} has been seen, and her pathway ends")
        self._does(AVA, "first-appointment", "completed", found={"follow-up-appointments": "attended"})
        self._settle("the lead is asked to decide")
        self._tell(AVA)
        self._does(AVA, "decide-stable", "accepted", quietly=True)
        self._does(AVA, "decide-stable", "completed")
        self._settle("the pathway ends")
        self._tell(AVA)

    def a_crisis(self) -> None:
        self.timeline.chapter(
            "A crisis: several pathways begin at once, one lead answers, nothing is asked twice"
        )
        self._pass(timedelta(minutes=5), "the emergency department has seen somebody else")
        patient = self.patients[DEE.key]
        visit = self.world.hospital.emergency_visit_ends(patient, DEE, self.world.now())
        self.encounters[DEE.key] = visit
        self._says(
            "hospital", f"{DEE.name} goes home from the emergency department", f"in this story, {DEE.story}"
        )
        self._settle("the notification arrives")
        self._tell_together(DEE)
        self._says(
            "Throughline", "What several of them need is asked for once: handover, booking, first contact"
        )
        self._tell_who_answers(DEE)
        self._pass(timedelta(minutes=10), "one handover is written, and the community lead accepts")
        self._does(DEE, "hand-over", "completed", found=HANDED_OVER)
        self._does(DEE, "accept-responsibility", "completed")
        self._settle("the lead is handed over")
        self._tell(DEE)
        self._tell_who_answers(DEE)

    # --- people act

    def _seed(self) -> None:
        record = self.world.record
        clinic = self._put(cast.clinic(), "clinic")
        staff = {who.key: self._put(cast.practitioner(who), who.key) for who in cast.STAFF}
        for who in cast.STAFF:
            self._put(cast.practitioner_role(who, staff, clinic), f"{who.key}-role")
        for person in EVERYBODY:
            self.patients[person.key] = self.world.hospital.register(person)
            team = cast.care_team(self.patients[person.key], person, staff)
            self._put(team, f"{person.key}-team", once=False)
        for person in PEOPLE:
            patient = self.patients[person.key]
            self.encounters[person.key] = self.world.hospital.admit(patient)
            diagnosis = cast.diagnosis(patient, self.encounters[person.key])
            record.create(
                Write(
                    resource=diagnosis,
                    full_url=f"urn:uuid:{person.key}",
                    create_if_none=cast.seeded(diagnosis["identifier"][0]["value"]),
                )
            )
        self._says(
            "hospital",
            f"{len(PEOPLE)} people are on the ward; {len(cast.STAFF)} staff of {cast.CLINIC} are named",
        )

    def _put(self, resource: Resource, key: str, *, once: bool = True) -> str:
        """`once` False: the sandbox cannot search the type, and the record is empty when the story begins."""
        condition = cast.seeded(key) if once else None
        write = Write(resource=resource, full_url=f"urn:uuid:{key}", create_if_none=condition)
        return self.world.record.create(write).reference

    def _does(
        self,
        person: Person,
        task: str,
        status: str,
        *,
        found: Mapping[str, str] | None = None,
        reason: str = "",
        quietly: bool = False,
    ) -> None:
        resource = self.world.staff.newest(self.patients[person.key], task)
        done = self.world.staff.answer(resource, status, self.world.now(), found=found, reason=reason)
        self.world.watch.knows(done)
        if not quietly:
            owner = resource.get("owner", {}).get("display", "?")
            self._says(
                "clinic", f"{owner}: “{resource['code']['text']}” for {person.name} is {status}", reason
            )

    def _accept_by(self, person: Person, task: str) -> datetime:
        resource = self.world.staff.newest(self.patients[person.key], task)
        value = next(e["valueDateTime"] for e in resource["extension"] if e["url"].endswith("/accept-by"))
        return datetime.fromisoformat(value)

    # --- time and telling

    def _pass(self, length: timedelta, why: str) -> None:
        before = self.world.now()
        self.world.set_time(before + length)
        self.timeline.passes(before, before + length, why)

    def _until(self, at: datetime, why: str, *watched: Person) -> None:
        before = self.world.now()
        if at > before:
            self.world.set_time(at)
            self.timeline.passes(before, at, why)
        self._settle(why)
        self._tell(*watched)

    def _settle(self, _what: str) -> None:
        self.world.settle()

    def _tell(self, *people: Person) -> None:
        for person in people:
            for what, detail in self.world.watch.news(self.patients[person.key]):
                self._says("Throughline", f"{person.given}: {what}", detail)

    def _tell_in_short(self, person: Person) -> None:
        news = list(self.world.watch.news(self.patients[person.key]))
        tasks = sum(what.startswith("Task for") for what, _ in news)
        self._says(
            "Throughline",
            f"{person.given}: enrolled, with {tasks} Tasks for named owners, as for {AVA.given}",
        )

    def _tell_together(self, person: Person) -> None:
        """What each of the person's pathways asks for itself."""
        patient = self.patients[person.key]
        list(self.world.watch.news(patient))
        for each in pathways_of(self.world.watch.resources(patient)):
            asks = f"asks {len(each.asks)} times: {'; '.join(each.asks)}"
            self._says("Throughline", f"{person.given}: enrolled on “{each.title}”", asks)

    def _tell_who_answers(self, person: Person) -> None:
        on = pathways_of(self.world.watch.resources(self.patients[person.key]))
        who = " and ".join(sorted({each.answers for each in on}))
        self._says("Throughline", f"{person.given}: {who} answers for the person, on all {len(on)} pathways")

    def _says(self, who: str, what: str, detail: str = "") -> None:
        self.timeline.says(self.world.now().astimezone(self.world.zone), who, what, detail)
