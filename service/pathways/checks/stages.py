"""Can a person get through? First stage, entering, reachability, a final stage, and gates before real steps."""

from __future__ import annotations

from service.pathways.checks import outline
from service.pathways.problems import Severity
from service.pathways.scalars import shown
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node


def check_stages(source: Source, root: Node) -> None:
    """Adds what keeps stages from being entered or left."""
    found = outline.stages(root)
    if not found:
        return
    _check_entering(source, found)
    _check_reachable(source, found)
    _check_final(source, root, found)
    _check_repeats(source, found)
    _check_gates(source, root, found)


def _check_entering(source: Source, found: list[Node]) -> None:
    first_enter = found[0].get("enter")
    if first_enter is not None:
        source.report(first_enter.head, "first-stage-enters", "the first stage is entered at enrolment and has no 'enter'",
                      "describe what begins the pathway under 'starts'")  # fmt: skip
    for stage in found[1:]:
        if stage.get("enter") is None and "enter" not in stage.emptied and isinstance(stage.value, dict):
            source.report(stage.place, "missing-enter", f"stage {shown(_id(stage))} says nowhere how it is entered",
                          "add 'enter: [...]'")  # fmt: skip


def _id(stage: Node) -> str:
    return outline.text_of(stage, "id") or ""


def reachable(found: list[Node]) -> set[str]:
    """Ids of stages that evidence, or tasks of stages that can be reached, may lead to."""
    homes: dict[str, set[str]] = {}
    for stage in found:
        for name in outline.ids(outline.rows_of(stage, "tasks")):
            homes.setdefault(name, set()).add(_id(stage))
    stages = {_id(stage) for stage in found}
    # A stage without rows to enter by has been reported for that; it takes nobody else down with it.
    reached = {_id(stage) for stage in found[1:] if not outline.rows_of(stage, "enter")} | {_id(found[0])}
    for _ in found:
        for stage in found[1:]:
            if any(_can_hold(row, homes, stages, reached) for row in outline.rows_of(stage, "enter")):
                reached.add(_id(stage))
    return reached


def _can_hold(row: Node, homes: dict[str, set[str]], stages: set[str], reached: set[str]) -> bool:
    """Whatever is misspelt counts as possible: it has been reported under its own name."""
    for key, enough in (("all", all), ("of", any)):
        inner = outline.rows_of(row, key)
        if inner:
            return enough(_can_hold(each, homes, stages, reached) for each in inner)
    stage = outline.text_of(row, "stage")
    if stage is not None:
        return stage in reached or stage not in stages
    task = outline.text_of(row, "task") or outline.text_of(row, "escalation")
    return task is None or task not in homes or bool(homes[task] & reached)


def _check_reachable(source: Source, found: list[Node]) -> None:
    reached = reachable(found)
    for stage in found[1:]:
        if _id(stage) and _id(stage) not in reached:
            place = (stage.get("id") or stage).place
            source.report(place, "unreachable-stage", f"stage {shown(_id(stage))} can never be entered",
                          "its 'enter' waits only for stages or tasks that come after it")  # fmt: skip


# A final stage that nothing leads to is told as unreachable-stage, so here it is enough that there is one.
def _check_final(source: Source, root: Node, found: list[Node]) -> None:
    final = [stage for stage in found if _is_final(stage)]
    if not final:
        place = (root.get("stages") or root).head
        source.report(place, "no-final-stage", "no stage is final, so nobody ever leaves this pathway",
                      "add 'final: true' to the stage that ends it")  # fmt: skip
    elif final[0] is found[0]:
        source.report((final[0].get("final") or final[0]).head, "no-final-stage",
                      "the first stage is final, so the pathway ends as it begins", "make a later stage final")  # fmt: skip


def _check_repeats(source: Source, found: list[Node]) -> None:
    """Somebody comes back from a later stage, and of repeating stages in a row to the first of them."""
    for number, stage in enumerate(found):
        repeats = stage.get("repeats")
        if repeats is None or repeats.text != "true":
            continue
        after = found[number + 1 :]
        if number == 0:
            source.report(repeats.head, "never-again", "the first stage is entered at enrolment only, so it does not repeat",
                          "let a later stage repeat")  # fmt: skip
        elif _is_final(stage):
            source.report(repeats.head, "never-again", "a final stage ends the pathway, so nobody enters it again",
                          "let the stages before it repeat")  # fmt: skip
        elif not _repeats(found[number - 1]) and all(_is_final(each) for each in after):
            source.report(repeats.head, "never-again", "only final stages come after this one, so nobody comes back to it",
                          "remove 'repeats', or add the stage from which people come back")  # fmt: skip


def _is_final(stage: Node) -> bool:
    return outline.text_of(stage, "final") == "true"


def _repeats(stage: Node) -> bool:
    return outline.text_of(stage, "repeats") == "true"


def _check_gates(source: Source, root: Node, found: list[Node]) -> None:
    for gate in outline.rows_of(root, "gates"):
        before = gate.get("before")
        if before is not None and before.text is not None and before.text == _id(found[0]):
            source.report(before.place, "gate-before-first-stage", "a gate cannot stand before the first stage",
                          "the first stage is entered at enrolment; name the stage that must wait")  # fmt: skip
        holds = outline.text_of(gate, "if-unmet") in {None, "hold"}
        if holds and not outline.rows_of(gate, "waived-by"):
            source.report((gate.get("id") or gate).place, "unwaivable-gate", "this gate holds people and nobody may waive it",
                          "add 'waived-by: [role]', or 'if-unmet: proceed-with-variance'", Severity.WARNING)  # fmt: skip
