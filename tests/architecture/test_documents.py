"""Documents that safety and security rest upon: whatever they cite exists, whatever they link to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CITED = re.compile(r"`(tests/[\w/]+\.py)::(\w+|\*)`")
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([\w-]+))?\)")
CITING = ["docs/threat-model.md", "docs/hazard-log.md", "docs/operations.md"]
LINKING = [*CITING, "docs/runbooks.md", "SECURITY.md", "helm/throughline/README.md", "image/README.md"]


def text_of(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def named_in(path: Path) -> set[str]:
    return set(re.findall(r"^\s*(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("document", CITING)
def test_every_test_that_is_cited_exists(document: str) -> None:
    """To fix: a control whose test was renamed cites the new name; one whose test is gone needs another test."""
    cited = CITED.findall(text_of(document))
    missing = [
        f"{path}::{name}"
        for path, name in cited
        if not (ROOT / path).exists() or (name != "*" and name not in named_in(ROOT / path))
    ]
    assert missing == []
    assert cited


@pytest.mark.parametrize("document", ["docs/threat-model.md", "docs/hazard-log.md"])
def test_every_threat_and_every_hazard_has_a_control_and_a_test(document: str) -> None:
    rows = [
        line
        for line in text_of(document).splitlines()
        if re.match(r"\| (H\d+|[STRIDE](, [STRIDE])*) \|", line)
    ]
    assert len(rows) >= 15
    assert [row[:60] for row in rows if not CITED.search(row)] == []


def headings(path: Path) -> set[str]:
    found = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("document", LINKING)
def test_every_link_leads_somewhere(document: str) -> None:
    for target, anchor in LINK.findall(text_of(document)):
        if target.startswith("http"):
            continue
        path = (ROOT / document).parent / target if target else ROOT / document
        assert path.exists(), f"{document}: {target}"
        assert not anchor or anchor in headings(path), f"{document}: {target}#{anchor}"


def test_the_guide_gives_redis_the_rights_that_are_tested() -> None:
    tested = re.search(r'KEPT_BY_US = "(.*)"', text_of("tests/adapters/test_redis_ways.py"))
    assert tested
    assert f"user throughline {tested[1]}\n" in text_of("docs/operations.md")
