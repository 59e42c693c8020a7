"""How many cases are tried: a few in every test run, many by `make fuzz`. Counted, so that nobody has to believe it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

FEW = 400
"""All fuzz tests together, in `make test`."""
tried: Counter[str] = Counter()
"""By test, in this process."""


def asked_for() -> int:
    """Cases of all fuzz tests together."""
    return int(os.environ.get("THROUGHLINE_FUZZ_CASES", FEW))


def is_long() -> bool:
    return "THROUGHLINE_FUZZ_CASES" in os.environ


def share(percent: float) -> Callable[[Any], Any]:
    """Hypothesis' settings for a test that tries so many of a hundred cases that are asked for (all together try more).

    In a test run the same ones every time; by `make fuzz` new ones. No deadline: a loaded machine is no fault.
    """
    many = max(10, -(-int(asked_for() * percent) // 100))
    return settings(
        max_examples=many,
        deadline=None,
        derandomize=not is_long(),
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
