"""Where criteria decide about a follow-up: each combination of their levels, with who, how soon and how urgently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from service.domain.due import Within
from service.domain.follow_up_task import Choice, FollowUpTask
from service.domain.vocabulary import Priority, RoleId


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is asked at one combination of levels."""

    words: str
    """`risk is high`; empty where nothing decides."""
    fhirpath: str
    owner: RoleId
    accept_within: Within
    due_in: Within
    priority: Priority


def options_of(task: FollowUpTask) -> list[Option]:
    """One for each combination, the one without any level last; a single one where no criterion decides."""
    owner = task.owner_by or Choice(otherwise=task.owner)
    accept = task.accept_within_by or Choice(otherwise=task.accept_within)
    priority = task.priority_by or Choice(otherwise=task.priority)
    levels = _levels([owner, accept, task.due_in, priority])
    return [
        Option(
            words=" and ".join(_words(name, level, levels[name]) for name, level in at.items()),
            fhirpath=" and ".join(_path(name, level, levels[name]) for name, level in at.items()),
            owner=owner.at(at.get(owner.criterion or "")),
            accept_within=accept.at(at.get(accept.criterion or "")),
            due_in=task.due_in.at(at.get(task.due_in.criterion or "")),
            priority=priority.at(at.get(priority.criterion or "")),
        )
        for at in _combinations(levels)
    ]


def _levels(choices: list[Choice[RoleId] | Choice[Within] | Choice[Priority]]) -> dict[str, list[str]]:
    """Criterion -> the levels that make a difference to any of these, in the order of the file."""
    found: dict[str, list[str]] = {}
    for choice in choices:
        if choice.criterion:
            known = found.setdefault(choice.criterion, [])
            known += [level for level in choice.by_level if level not in known]
    return found


def _combinations(levels: dict[str, list[str]]) -> Iterator[dict[str, str | None]]:
    for chosen in product(*([*each, None] for each in levels.values())):
        yield dict(zip(levels, chosen, strict=True))


def _words(criterion: str, level: str | None, levels: list[str]) -> str:
    return f"{criterion} is {level}" if level else f"{criterion} is none of {', '.join(levels)}"


def _path(criterion: str, level: str | None, levels: list[str]) -> str:
    variable = f"%`level of {criterion}`"
    if level:
        return f"({variable} = '{level}')"
    known = " | ".join(f"'{each}'" for each in levels)
    return f"({variable} in ({known})).not()"
