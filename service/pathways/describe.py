"""A pathway as a page that a clinician reads to check it: stages, who, by when, what happens otherwise, and why.

Markdown with one Mermaid picture. Says only what the pathway says; no file, no record is read here.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.domain.due import Within
from service.domain.follow_up_task import DueIn, FollowUpTask
from service.domain.needs import InRecord, Need, Needs, OnEscalation, OnField, OnStage, OnTask
from service.domain.pathway import Gate, IfUnmet, Ladder, Pathway, Stage, Start
from service.domain.vocabulary import RoleId
from service.pathways.library import Library
from service.pathways.picture import stage_picture

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
        self.value_sets = {name: matcher.title for name, matcher in library.value_sets.items()}
        self.tasks = {task.id: task.title for stage in pathway.stages for task in stage.tasks}
        self.stages = {stage.id: stage.title for stage in pathway.stages}
        self.fields = {one.id: one.title for one in pathway.required}

    def lines(self) -> Iterator[str]:
        p = self.pathway
        yield f"# {p.title}"
        yield ""
        yield f"`{p.id}` version {p.version}, {p.status}. Steward: {p.steward}. Led by: {self._role(p.lead)}."
        yield ""
        yield from ("```mermaid", *stage_picture(p), "```", "")
        yield from ("## How it begins", "")
        for start in p.starts:
            yield from self._start(start)
        yield ""
        for number, stage in enumerate(p.stages, start=1):
            yield from self._stage(number, stage)
        yield from self._required()
        yield from self._ladders()
        yield from self._measures()
        yield from self._sources()

    def _start(self, start: Start) -> Iterator[str]:
        yield f"- **{start.title}**, at most {words(start.within)} ago: {self._text(start.condition.text)}"
        for also in start.also:
            yield f"  - together with {self._text(also.text)}"
        for unless in start.unless:
            yield f"  - unless {self._text(unless.text)}"

    def _stage(self, number: int, stage: Stage) -> Iterator[str]:
        yield f"## {number}. {stage.title}"
        yield ""
        if stage.enter:
            yield f"Entered when {self._any(stage.enter)}."
        else:
            yield "Entered at the start."
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
            self._role(task.owner),
            words(task.accept_within),
            _due(task.due_in),
            CLOCKS.get(task.clock, task.clock),
            task.priority.value,
            self._why(task.why),
        ]
        return "| " + " | ".join(_cell(cell) for cell in cells) + " |"

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
        return ", or ".join(self._need(need) for need in needs)

    def _need(self, need: Need) -> str:
        match need:
            case InRecord():
                return f"the record holds {self._text(need.condition.text)}"
            case OnTask():
                return f"'{self.tasks.get(need.task, need.task)}' is {need.state.value}"
            case OnField():
                said = f" as {' or '.join(need.says)}" if need.says else ""
                return f"{self.fields.get(need.field, need.field)} is recorded{said}"
            case OnStage():
                return f"stage '{self.stages.get(need.stage, need.stage)}' is entered"
            case OnEscalation():
                return f"an escalation of '{self.tasks.get(need.task, need.task)}' is {need.state.value}"

    def _role(self, role: RoleId) -> str:
        return self.pathway.role_titles.get(role, role)

    def _why(self, name: str) -> str:
        return self.pathway.sources.get(name, name)

    def _text(self, text: str) -> str:
        """The row of the file, its value sets by title."""
        kind, _, rest = text.partition(": ")
        return f"{kind} ({'; '.join(self._titled(part) for part in rest.split('; '))})"

    def _titled(self, part: str) -> str:
        element, found, name = part.partition(" in ")
        return f"{element} is {self.value_sets[name]}" if found and name in self.value_sets else f"`{part}`"


def words(within: Within) -> str:
    """`7 days`, `1 hour`, `the same working day`."""
    if within.count == 0 and str(within).startswith("same"):
        return "the same working day"
    unit = within.unit.value.replace("-", " ")
    return f"{within.count} {unit.removesuffix('s') if within.count == 1 else unit}"


def _due(due: DueIn) -> str:
    levels = [f"{level}: {words(within)}" for level, within in due.by_level.items()]
    return (
        f"by {due.criterion}: {', '.join(levels)}, otherwise {words(due.otherwise)}"
        if levels
        else words(due.otherwise)
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
