"""Whoever works with a pathway whose file has errors is told so: not that it is missing, nor of an earlier version."""

from __future__ import annotations

import os
import shutil

import pytest
from typer.testing import CliRunner

from service.app.cli import make_cli
from service.app.exits import Exit
from tests.mappings.shipped import MAPPINGS


def throughline(*arguments):
    cleared = {name: None for name in os.environ if name.startswith("THROUGHLINE_")}
    return CliRunner().invoke(make_cli(), [str(each) for each in arguments], env=cleared)


@pytest.fixture
def mappings(tmp_path):
    """A published pathway, edited since with a role that nobody has heard of."""
    shutil.copytree(MAPPINGS, tmp_path / "mappings")
    file = tmp_path / "mappings" / "pathways" / "step-down" / "pathway.yaml"
    published = throughline("pathways", "publish", "step-down", "--mappings", tmp_path / "mappings")
    assert published.exit_code == Exit.OK
    text = file.read_text()
    assert "owner: monitoring-clinician" in text
    file.write_text(text.replace("owner: monitoring-clinician", "owner: nobody-known", 1))
    return tmp_path / "mappings"


@pytest.mark.parametrize("command", ["describe", "simulate", "export"])
def test_it_is_told_how_many_and_the_first(command, mappings):
    said = throughline("pathways", command, "step-down", "--mappings", mappings)

    assert said.exit_code == Exit.MAPPINGS
    assert "pathway 'step-down' cannot be used, its file has " in said.stderr
    assert "throughline pathways check" in said.stderr
    assert said.stdout == ""


def test_an_earlier_version_is_described_when_it_is_asked_for(mappings):
    said = throughline("pathways", "describe", "step-down", "--version", "2026.1.0", "--mappings", mappings)

    assert said.exit_code == Exit.OK
    assert "nobody-known" not in said.stdout
