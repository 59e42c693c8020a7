"""What the author may have meant: the nearest known name, and lists of names as prose."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The known name that looks most like `word`, if any looks like it at all (1: the same)."""
    names = {name.lower(): name for name in sorted(known)}
    found = get_close_matches(word[:80].lower(), names, n=1, cutoff=likeness)
    return names[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or nothing when nothing is near."""
    found = nearest(word, known)
    return f"did you mean '{found}'?" if found else ""


def suggest(word: str, known: Iterable[str], noun: str) -> str:
    """`did you mean`, else what there is to choose from."""
    names = sorted(known)
    return did_you_mean(word, names) or (
        f"known {noun}: {listed(names, limit=8)}" if names else f"there are no {noun}"
    )


def listed(names: Iterable[str], *, limit: int = 12) -> str:
    """`a, b or c`; longer lists are cut."""
    every = list(names)
    if len(every) > limit:
        return ", ".join(every[:limit]) + f" and {len(every) - limit} more"
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} or {every[-1]}" if every else ""
