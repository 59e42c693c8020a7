"""Whatever stands in a file, loading it tells problems and raises nothing; sound pathways only come from sound files."""

import random
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.pathways.library import load_library
from service.pathways.problems import Severity, render_problem
from tests.pathways.conftest import MAPPINGS, SAMPLE, TODAY
from tests.pathways.fake_compiler import FakeCompiler

GOOD = (MAPPINGS / "pathways" / SAMPLE / "pathway.yaml").read_text()
ODD: list[object] = [
    None,
    "",
    "x",
    "-1",
    "~",
    [],
    {},
    ["x"],
    {"x": "y"},
    [{}],
    [None],
    [["x"]],
    "é" * 70,
    "9999 weeks",
    "'",
    {"id": []},
]


@pytest.fixture(scope="module")
def folder(fresh_mappings):
    return fresh_mappings()


def load(folder: Path, text: bytes):
    (folder / "pathways" / SAMPLE / "pathway.yaml").write_bytes(text)
    library = load_library(folder, FakeCompiler(), today=TODAY)
    for problem in library.problems:
        assert render_problem(problem)
        assert problem.line >= 1
        assert problem.column >= 1
    wrong = any(p.severity is Severity.ERROR for p in library.problems)
    assert (SAMPLE in library.pathways) is not wrong
    return library


def places(value, path=()):
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        yield from places(below, (*path, key))


def mutate(tree, path, change, rng):
    if not path:
        return rng.choice(ODD)
    parent = tree
    for step in path[:-1]:
        parent = parent[step]
    last = path[-1]
    if change == "drop":
        del parent[last]
    elif change == "rename" and isinstance(parent, dict):
        parent[str(last)[::-1]] = parent.pop(last)
    else:
        parent[last] = rng.choice(ODD)
    return tree


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10**9),
    changes=st.lists(st.sampled_from(["drop", "rename", "retype"]), min_size=1, max_size=4),
)
def test_dropped_renamed_and_retyped_keys_become_problems(folder, seed, changes):
    rng = random.Random(seed)
    tree = yaml.load(GOOD, Loader=yaml.BaseLoader)
    for change in changes:
        if isinstance(tree, dict) and tree:
            tree = mutate(tree, rng.choice(list(places(tree))), change, rng)

    load(folder, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(at=st.integers(0, len(GOOD)), cut=st.integers(0, 40), put=st.text(max_size=6))
def test_any_damage_to_the_text_becomes_problems(folder, at, cut, put):
    load(folder, (GOOD[:at] + put + GOOD[at + cut :]).encode(errors="surrogatepass"))


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe\x00", b"\x00", b"a: " + b"[" * 100_000, b"a: " + b"{b: " * 5_000, b"- " * 5_000, b"x" * 600_000,
     b"a: &x [*x, *x]\n", b"? [a]\n: b\n", b"%YAML 9.9\n---\na: b\n", b"a: !!python/object:os.system x\n", b"\xef\xbb\xbf",
     b"a: \"\\ud800\"\n", b"&a : b\n", b"a: |\n  \x85\n", b"<<: {a: b}\n", b"--- >\n", "pathway: \u2028\n".encode()],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_hostile_files_are_refused_with_a_problem(folder, text):
    assert SAMPLE not in load(folder, text).pathways


def test_a_sound_file_stays_sound(folder):
    assert SAMPLE in load(folder, GOOD.encode()).pathways
