"""The stages of a pathway as an SVG drawing: who does what by when, what leads on, and what must be true first.

One file without anything from elsewhere, for a screen and for paper: shapes differ, not only colors. A screen reader
gets the title and the whole sequence as a description.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.domain.follow_up_task import FollowUpTask
from service.domain.pathway import Gate, IfUnmet, Pathway, Stage
from service.pathways.picture import Ways
from service.pathways.said import words
from service.pathways.svg_text import Lines, Style, broken, safe, together

WIDTH = 800
LEFT, BOX = 24, 600
"""Where boxes begin, and how wide they are; the rest of the page is for ways that skip stages."""
INNER = 16
LANE = 16
TITLE = Style(size=20, weight="bold", kind="title")
HEADING = Style(size=15, weight="bold", kind="heading")
TEXT = Style(size=12, kind="text")
SMALL = Style(size=11, kind="small")
_STYLE = """
svg{background:#fff} text{font-family:Helvetica,Arial,'Liberation Sans',sans-serif;fill:#14202b}
.title{font-size:20px;font-weight:bold} .heading{font-size:15px;font-weight:bold} .text{font-size:12px}
.small{font-size:11px;fill:#3b4a58} .gate{font-size:12px;fill:#4a3200}
.stage{fill:#f4f7fa;stroke:#14202b;stroke-width:1.5} .end{fill:#fff;stroke:#14202b;stroke-width:1.5}
.must{fill:#fff8e6;stroke:#7a5200;stroke-width:1.2;stroke-dasharray:5 3} .way{fill:none;stroke:#14202b;stroke-width:1.5}
.skip{fill:none;stroke:#46566a;stroke-width:1.3;stroke-dasharray:2 3} .head{fill:#14202b} .join{fill:#46566a}
"""


def stage_svg(pathway: Pathway) -> str:
    """A complete SVG document."""
    return _Drawing(pathway).document()


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """Where a stage stands."""

    top: float
    bottom: float


class _Drawing:
    def __init__(self, pathway: Pathway) -> None:
        self.pathway = pathway
        self.ways = Ways(pathway)
        self.y: float = 24
        """How far down the page is filled."""
        self.parts: list[str] = []
        self.stages: list[_Drawn] = []

    def document(self) -> str:
        self._head()
        for number, stage in enumerate(self.pathway.stages):
            self._entry(number, stage)
            self._stage(number, stage)
        self._lanes()
        self._legend()
        name = f"throughline-{self.pathway.id}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.y:g}" width="{WIDTH}" '
            f'height="{self.y:g}" role="img" aria-labelledby="{name}-title {name}-desc">\n'
            f'<title id="{name}-title">{safe(self.pathway.title)}: its stages</title>\n'
            f'<desc id="{name}-desc">{safe(self._description())}</desc>\n'
            f"<style>{_STYLE}</style>\n" + "\n".join(self.parts) + "\n</svg>\n"
        )

    # --- top and bottom

    def _head(self) -> None:
        p = self.pathway
        self._put(broken(p.title, BOX, TITLE), LEFT)
        lead = p.role_titles.get(p.lead, p.lead)
        self._put(
            broken(f"Version {p.version}, {p.status}. Led by: {lead}. Steward: {p.steward}.", BOX, SMALL),
            LEFT,
        )
        self.y += 18

    def _legend(self) -> None:
        self.y += 20
        rows = ("A dashed box with cut corners: must be true before the stage below is shown; care and clocks go on.",
                "A double border: the pathway ends here. A dotted line: a way that skips stages or goes back.")  # fmt: skip
        for row in rows:
            self._put(broken(row, WIDTH - 2 * LEFT, SMALL), LEFT)
        self.y += 16

    def _put(self, block: Lines, x: float) -> None:
        self.parts += block.at(x, self.y)
        self.y += block.height

    # --- what leads into a stage

    def _entry(self, number: int, stage: Stage) -> None:
        """The arrow from above, why somebody comes here, and the gates in between."""
        before = self.y
        self.y += 10
        for block in self._reasons(number, stage):
            self._put(block, LEFT + 56)
        for gate in self.pathway.gates:
            if gate.before == stage.id:
                self._gate(gate)
        self.y += 14
        if number == 0 or any(origin == number - 1 for origin, _ in self._ways(number, stage)):
            x = LEFT + 28
            start = before if number else before + 8
            if not number:
                self.parts.append(f'<circle class="head" cx="{x}" cy="{before + 4:g}" r="6"/>')
            self.parts.append(f'<path class="way" d="M{x} {start:g} V{self.y - 7:g}"/>')
            self.parts.append(_arrow_down(x, self.y))

    def _reasons(self, number: int, stage: Stage) -> Iterator[Lines]:
        width = BOX - 56
        if number == 0:
            for start in self.pathway.starts:
                yield broken(f"{start.title} (at most {words(start.within)} ago)", width, TEXT, bullet="• ")
            return
        ways = list(self._ways(number, stage))
        for origin, label in ways:
            where = "" if origin == number - 1 else f", from stage {origin + 1}"
            yield broken(f"{label}{where}", width, TEXT, bullet="• ")

    def _ways(self, number: int, stage: Stage) -> Iterator[tuple[int, str]]:
        yield from dict.fromkeys(self.ways.way(need, number) for need in stage.enter)

    def _gate(self, gate: Gate) -> None:
        effect = "" if gate.if_unmet is IfUnmet.HOLD else " (else a variance)"
        x, width = LEFT + 56, BOX - 56
        block = broken(f"First: {gate.title}{effect}", width - 44, Style(size=12, kind="gate"))
        self.y += 6
        height = block.height + 10
        corners = ((x, 12), (x + 12, 0), (x + width - 12, 0), (x + width, 12), (x + width, height - 12),
                   (x + width - 12, height), (x + 12, height), (x, height - 12))  # fmt: skip
        points = " ".join(f"{a:g},{self.y + b:g}" for a, b in corners)
        self.parts.append(f'<polygon class="must" points="{points}"/>')
        self.parts += block.at(x + 22, self.y + 4)
        self.y += height

    # --- stages

    def _stage(self, number: int, stage: Stage) -> None:
        inner = BOX - 2 * INNER
        again = ", may be entered again" if stage.repeats else ""
        blocks = [broken(f"{number + 1}. {stage.title}{again}", inner, HEADING)]
        blocks += [broken(self._task(task), inner, TEXT, bullet="• ") for task in stage.tasks]
        top, height = self.y, together(blocks) + 22
        corner = 18 if stage.final else 6
        kind = "end" if stage.final else "stage"
        self.parts.append(_rect(kind, LEFT, top, BOX, height, corner))
        if stage.final:
            self.parts.append(_rect(kind, LEFT + 4, top + 4, BOX - 8, height - 8, corner - 4))
        self.y = top + 9
        for block in blocks:
            self._put(block, LEFT + INNER)
        self.y = top + height
        self.stages.append(_Drawn(top=top, bottom=self.y))

    def _task(self, task: FollowUpTask) -> str:
        role_titles = self.pathway.role_titles
        who = "whoever sent the request" if task.asks_sender else role_titles.get(task.owner, task.owner)
        by_level = f" (by {task.due_in.criterion})" if task.due_in.criterion else ""
        return f"{task.title}: {who}, within {words(task.due_in.otherwise)}{by_level}"

    # --- ways that are not from the stage above

    def _lanes(self) -> None:
        """One lane for each stage that is reached from elsewhere; a dot where somebody joins it."""
        lane = 0
        for number, stage in enumerate(self.pathway.stages):
            origins = sorted({o for o, _ in self._ways(number, stage) if o != number - 1 and o != number})
            if not origins or number == 0:
                continue
            x = min(LEFT + BOX + 24 + lane * LANE, WIDTH - 12)
            self._lane(x, number, origins)
            lane += 1

    def _lane(self, x: float, number: int, origins: list[int]) -> None:
        right = LEFT + BOX
        into = self.stages[number].top + 14
        exits = [self.stages[origin].bottom - 12 for origin in origins]
        low, high = min(*exits, into), max(*exits, into)
        self.parts.append(f'<path class="skip" d="M{x:g} {low:g} V{high:g}"/>')
        for y in exits:
            self.parts.append(f'<path class="skip" d="M{right} {y:g} H{x:g}"/>')
            self.parts.append(f'<circle class="join" cx="{x:g}" cy="{y:g}" r="2.5"/>')
        self.parts.append(f'<path class="skip" d="M{x:g} {into:g} H{right + 8}"/>')
        self.parts.append(
            f'<polygon class="head" points="{right},{into:g} {right + 9},{into - 4:g} {right + 9},{into + 4:g}"/>'
        )

    # --- for those who do not see it

    def _description(self) -> str:
        said = [f"It begins with: {'; '.join(start.title for start in self.pathway.starts)}."]
        for number, stage in enumerate(self.pathway.stages):
            gates = [gate.title for gate in self.pathway.gates if gate.before == stage.id]
            reasons = [label for _, label in self._ways(number, stage)]
            part = f"Stage {number + 1}, {stage.title}"
            part += f", entered when {' or '.join(reasons)}" if reasons else ""
            part += f"; must be true first: {'; '.join(gates)}" if gates else ""
            part += f"; follow-ups: {'; '.join(map(self._task, stage.tasks))}" if stage.tasks else ""
            said.append(f"{part}{'; the pathway ends here' if stage.final else ''}.")
        return " ".join(said)


def _rect(kind: str, x: float, y: float, width: float, height: float, corner: float) -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{corner:g}"/>'


def _arrow_down(x: float, y: float) -> str:
    return f'<polygon class="head" points="{x},{y:g} {x - 5},{y - 9:g} {x + 5},{y - 9:g}"/>'
