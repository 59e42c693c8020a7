"""A pathway as a page that a clinician reads to check it: stages, who, by when, what happens otherwise, and why.

Markdown with one Mermaid picture. Says only what the pathway says; no file, no record is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from service.domain.follow_up_task import Choice, FollowUpTask, Option
from service.domain.needs import Needs
from service.domain.pathway import Gate, IfUnmet, Ladder, Once, Pathway, Stage, Start
from service.domain.vocabulary import RoleId
from service.pathways.library import Library
from service.pathways.picture import stage_picture
from service.pathways.said import SaidNeeds, words

CLOCKS = {
    "start": "the start of the pathway",
    "stage": "the start of this stage",
    "opened": "when it is opened",
}


def describe(pathway: Pathway, library: Library) -> str:
    """The page as Markdown."""
    page = _Page(pathway, library)
    return "\n".join(page.lines()).rstrip() + "\n"


class _Page:
    def __init__(self, pathway: Pathway, library: Library) -> None:
        self.pathway = pathway
        self.said = SaidNeeds(pathway, {name: m.title for name, m in library.value_sets.items()})
        self.fields = {one.id: one.title for one in pathway.required}

    def lines(self) -> Iterator[str]:
        p = self.pathway
        yield f"# {p.title}"
        yield ""
        yield f"`{p.id}` version {p.version}, {p.status}. Steward: {p.steward}. Led by: {self._lead()}."
        yield ""
        yield from ("```mermaid", *stage_picture(p), "```", "")
        yield from ("## How it begins", "")
        for start in p.starts:
            yield from self._start(start)
        yield from self._beside_others()
        yield ""
        for number, stage in enumerate(p.stages, start=1):
            yield from self._stage(number, stage)
        yield from self._capacities()
        yield from self._required()
        yield from self._ladders()
        yield from self._measures()
        yield from self._sources()

    def _lead(self) -> str:
        p = self.pathway
        lead = self._chosen(p.lead_by, self._role) if p.lead_by else self._role(p.lead)
        if p.handover is None:
            return lead
        task = self.said.tasks.get(p.handover.then, p.handover.then)
        until = f"{self._any(p.handover.until)}, and " if p.handover.until else ""
        return f"{lead}, until {until}whoever is asked for '{task}' has accepted it"

    def _beside_others(self) -> Iterator[str]:
        p = self.pathway
        if p.once is Once.PERSON:
            yield "- One enrolment for each person at a time; after its end only newer evidence begins another."
        if p.excludes:
            yield f"- Does not begin while the person is on {_named(p.excludes)}."
        if p.supersedes:
            yield f"- Takes over from {_named(p.supersedes)}, which ends."

    def _capacities(self) -> Iterator[str]:
        for capacity in self.pathway.capacities.values():
            asked = self.said.tasks.get(capacity.request, capacity.request)
            yield f"## Reserved: {capacity.title}"
            yield ""
            yield (
                f"Whoever has '{asked}' open waits in one queue: by priority, then in the order of asking. The places are the "
                f"free Slots of the site's schedules; without such a schedule there are {capacity.count}. {self._why(capacity.why)}"
            )
            yield ""

    def _chosen(self, choice: Choice[Option], said: Callable[[Option], str]) -> str:
        if choice.criterion is None:
            return said(choice.otherwise)
        levels = ", ".join(f"{level}: {said(option)}" for level, option in choice.by_level.items())
        return f"by {choice.criterion}: {levels}, otherwise {said(choice.otherwise)}"

    def _start(self, start: Start) -> Iterator[str]:
        what = self.said.record(start.condition.text) if start.condition else self._any(start.rule)
        yield f"- **{start.title}**, at most {words(start.within)} ago: {what}"
        for also in start.also:
            yield f"  - together with {self.said.record(also.text)}"
        for unless in start.unless:
            yield f"  - unless {self.said.record(unless.text)}"

    def _stage(self, number: int, stage: Stage) -> Iterator[str]:
        yield f"## {number}. {stage.title}"
        yield ""
        if stage.enter:
            yield f"Entered when {self._any(stage.enter)}."
        else:
            yield "Entered at the start."
        if stage.repeats:
            yield "May be entered again by newer evidence."
        if stage.final:
            yield "The pathway ends here."
        yield ""
        for gate in self.pathway.gates:
            if gate.before == stage.id:
                yield from self._gate(gate)
        if stage.tasks:
            yield "| What | Who | Accepted within | Done within | Counted from | Priority | Why |"
            yield "|---|---|---|---|---|---|---|"
            yield from (self._task_row(task) for task in stage.tasks)
            yield ""
            for task in stage.tasks:
                yield from self._task_notes(task)
            yield ""

    def _gate(self, gate: Gate) -> Iterator[str]:
        effect = "holds the person" if gate.if_unmet is IfUnmet.HOLD else "is recorded as a variance"
        waived = " or ".join(self._role(role) for role in gate.waived_by)
        condition = f" Applies when {self._any(gate.applies_when)}." if gate.applies_when else ""
        yield f"- **Must be true first: {gate.title}.** {_sentence(self._any(gate.needs))}.{condition}"
        yield f"  While it is not, this {effect}; care and clocks go on." + (
            f" May be waived by: {waived}." if waived else ""
        )
        yield f"  Why: {self._why(gate.why)}"
        yield ""

    def _task_row(self, task: FollowUpTask) -> str:
        cells = [
            f"**{task.title}**: {task.ask}",
            self._owner(task),
            self._chosen(task.accept_within_by or Choice(otherwise=task.accept_within), words),
            self._chosen(task.due_in, words),
            CLOCKS.get(task.clock, task.clock),
            self._chosen(task.priority_by or Choice(otherwise=task.priority), str),
            self._why(task.why),
        ]
        return "| " + " | ".join(_cell(cell) for cell in cells) + " |"

    def _owner(self, task: FollowUpTask) -> str:
        if task.asks_sender:
            return "Whoever sent the request"
        return self._chosen(task.owner_by or Choice(otherwise=task.owner), self._role)

    def _again(self, task: FollowUpTask) -> Iterator[str]:
        if task.series is not None and task.series.every is not None:
            until = f" until {self._any(task.series.until)}" if task.series.until else ""
            yield f"comes again {words(task.series.every)} after each completed one{until}"
        elif task.series is not None:
            steps = ", then ".join(words(step) for step in task.series.steps)
            yield f"comes again after {steps}, each counted from the last completed one"
        if task.again_while:
            yield f"is asked again while {self._any(task.again_while)}"
        if task.not_needed_when:
            yield f"is not needed while {self._any(task.not_needed_when)}"
        if task.purpose:
            yield f"is asked for once for all pathways that need it ({task.purpose})"

    def _task_notes(self, task: FollowUpTask) -> Iterator[str]:
        notes = []
        if task.opens_when:
            notes.append(f"opens when {self._any(task.opens_when)}")
        if task.opens_after:
            notes.append(f"opens {words(task.opens_after)} after its clock starts")
        if task.records:
            notes.append("records " + ", ".join(self.fields.get(field, field) for field in task.records))
        if task.done_when:
            notes.append(f"is done as well when {self._any(task.done_when)}")
        notes.extend(self._again(task))
        if task.attempts > 1 and task.attempt_every:
            notes.append(f"is tried up to {task.attempts} times, {words(task.attempt_every)} apart")
        ladder = self.pathway.ladders.get(task.escalation) if task.escalation else None
        notes.append(f"when missed: {ladder.title}" if ladder else "nobody is told when it is missed")
        yield f"- {task.title}: {'; '.join(notes)}."

    def _required(self) -> Iterator[str]:
        if not self.pathway.required:
            return
        yield from (
            "## What must be known",
            "",
            "| What | Who is asked | Found in the record when | Why |",
            "|---|---|---|---|",
        )
        for one in self.pathway.required:
            title = one.title + (" (where available)" if one.where_available else "")
            found = self._any(one.needs) if one.needs else "recorded on a follow-up"
            yield (
                "| "
                + " | ".join(_cell(c) for c in (title, self._role(one.ask), found, self._why(one.why)))
                + " |"
            )
        yield ""

    def _ladders(self) -> Iterator[str]:
        yield from ("## When something is missed", "")
        for ladder in self.pathway.ladders.values():
            yield from self._ladder(ladder)

    def _ladder(self, ladder: Ladder) -> Iterator[str]:
        yield f"**{ladder.title}** ({self._why(ladder.why)})"
        yield ""
        for number, rung in enumerate(ladder.rungs, start=1):
            when = "at once" if rung.after.count == 0 else f"after {words(rung.after)}"
            verb = "takes over" if rung.reassign else "is told"
            plan = f" Meanwhile: {'; '.join(rung.plan)}." if rung.plan else ""
            yield (
                f"{number}. {_sentence(when)}: {self._role(rung.notify)} {verb}, {rung.priority.value}, "
                f"and responds within {words(rung.respond_within)}.{plan}"
            )
        yield ""

    def _measures(self) -> Iterator[str]:
        if not self.pathway.measures:
            return
        yield from (
            "## What is measured",
            "",
            "These are local measures, not certified quality measures.",
            "",
        )
        for measure in self.pathway.measures:
            window = f", within {words(measure.within)} of the start" if measure.within else ""
            whom = (
                f"everybody for whom {self._any(measure.denominator)}"
                if measure.denominator
                else "everybody enrolled"
            )
            leaving = (
                f", leaving out those for whom {self._any(measure.exclusion)}" if measure.exclusion else ""
            )
            day = "" if measure.same_day_counts else " The day of the start does not count."
            yield f"- **{measure.title}**: of {whom}{leaving}, those for whom {self._any(measure.numerator)}{window}.{day}"
        yield ""

    def _sources(self) -> Iterator[str]:
        yield from ("## Sources", "")
        yield from (f"- {name}: {text}" for name, text in self.pathway.sources.items())

    def _any(self, needs: Needs) -> str:
        return self.said.any(needs)

    def _role(self, role: RoleId) -> str:
        return self.pathway.role_titles.get(role, role)

    def _why(self, name: str) -> str:
        return self.pathway.sources.get(name, name)


def _named(pathways: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(pathways))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
