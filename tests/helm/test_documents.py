"""What the pages say about the chart is so: every value that they name is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, ROOT

VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    CHART / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "image").glob("*.md")),
    *sorted((ROOT / "mappings").glob("*.md")),
    *sorted((ROOT / "subscriptions").glob("*.md")),
]
OPEN = {"podSecurityContext", "securityContext", "annotations", "labels", "matchLabels"}
"""What stands below these is Kubernetes' own."""


def named(page: Path) -> Iterator[str]:
    """Paths of values: in backticks, where the first word is a value of the chart, and after --set."""
    text = page.read_text("utf-8")
    for found in re.findall(r"`([a-z][A-Za-z]*(?:\.[A-Za-z0-9]+)+)(?:=[^`]*)?`", text):
        if found.split(".")[0] in VALUES:
            yield found
    yield from re.findall(r"--set ([A-Za-z][A-Za-z0-9.]*)", text)


def is_value(path: str) -> bool:
    at: Any = VALUES
    for part in path.split("."):
        if not isinstance(at, dict) or part not in at:
            return False
        if part in OPEN:
            return True
        at = at[part]
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_value_that_a_page_names_is_one(page):
    assert [path for path in named(page) if not is_value(path)] == []


def test_pages_name_values_and_a_wrong_one_would_be_noticed():
    assert len({path for page in PAGES for path in named(page)}) > 40
    assert not is_value("fhir.auth.methods")
    assert not is_value("worker.autoscaling.keda.address")
