"""String functions that Python's own do not match (FHIRPath N1, section 5.6)."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(256)
def compiled(pattern: str) -> re.Pattern[str]:
    """Dot matches line ends too ('single line' mode, N1 section 5.6.9)."""
    return re.compile(pattern, re.DOTALL)


def matches(value: str, pattern: str) -> bool:
    return compiled(pattern).search(value) is not None


def matches_full(value: str, pattern: str) -> bool:
    return compiled(pattern).fullmatch(value) is not None


def replace_matches(value: str, pattern: str, substitution: str) -> str:
    """$1 and ${name} stand for groups; an empty pattern changes nothing."""
    if not pattern:
        return value
    template = substitution.replace("\\", r"\\")
    template = re.sub(r"\$(\d+)", r"\\g<\1>", template)
    return compiled(pattern).sub(re.sub(r"\$\{(\w+)\}", r"\\g<\1>", template), value)


def substring(value: str, start: int, length: int | None = None) -> str | None:
    if not 0 <= start < len(value):
        return None
    return value[start:] if length is None else value[start : start + max(length, 0)]


def split(value: str, separator: str) -> list[str]:
    return value.split(separator) if separator else list(value)
