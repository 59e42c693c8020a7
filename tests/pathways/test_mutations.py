"""Whatever stands in a file, loading it tells problems and raises nothing; sound pathways only come from sound files.

A pathway that loads is decided with, whatever was changed in it: no mistake is left for a worker to find.
"""

import copy
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.decide import decide_all
from service.domain.evidence import Fact, Holder, PersonRecord, Roster
from service.domain.vocabulary import PathwayId, Reference
from service.pathways.describe import describe
from service.pathways.library import load_library
from service.pathways.problems import Severity, render_problem
from service.pathways.rows import ROWS
from service.pathways.schema import PathwayFile
from tests.pathways.conftest import MAPPINGS, SAMPLE, TODAY
from tests.pathways.fake_compiler import FakeCompiler

WIDE = PathwayId("sample-step-up")
"""Uses what the other sample does not: series, repeated stages, reserved places, rows inside rows."""
FILES = {name: (MAPPINGS / "pathways" / name / "pathway.yaml").read_text() for name in (SAMPLE, WIDE)}
GOOD = FILES[SAMPLE]
NOW = datetime(2026, 3, 6, 23, 30, tzinfo=UTC)
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


def load(folder: Path, text: bytes, name: PathwayId = SAMPLE):
    (folder / "pathways" / name / "pathway.yaml").write_bytes(text)
    library = load_library(folder, FakeCompiler(), today=TODAY)
    for problem in library.problems:
        assert render_problem(problem)
        assert problem.line >= 1
        assert problem.column >= 1
    about_it = (p for p in library.problems if Path(p.file).parent.name == name)
    wrong = any(p.severity is Severity.ERROR for p in about_it)
    assert (name in library.pathways) is not wrong
    if not wrong:
        decide_with(library.pathways[name])
        assert describe(library.pathways[name], library)
    return library


def a_fact(kind, id_, **content):
    reference = Reference(f"{kind}/{id_}")
    content = {"resourceType": kind, "id": id_, **content}
    return Fact(
        kind=kind, reference=reference, version="1", happened_at=NOW - timedelta(days=1), content=content
    )


def a_code(system, code):
    return {"coding": [{"system": f"https://sample.example/{system}", "code": code}]}


FACTS = (
    a_fact(
        "Encounter",
        "stay",
        status="finished",
        serviceProvider={"reference": "Organization/psychiatry"},
        period={"start": "2026-03-01", "end": "2026-03-05"},
    ),
    a_fact("ServiceRequest", "asked", status="active", performer=[{"reference": "Practitioner/anna"}]),
    a_fact("Appointment", "1", status="noshow", serviceType=[a_code("contact", "reached")]),
    a_fact("Appointment", "2", status="noshow", serviceType=[a_code("contact", "reached")]),
    a_fact(
        "Observation",
        "risk",
        status="final",
        code=a_code("risk-assessment", "assessed"),
        value=a_code("risk", "high"),
    ),
    a_fact("Communication", "call", status="completed", category=[a_code("contact", "reached")]),
)
ANNA = Holder(
    reference=Reference("Practitioner/anna"), practitioner=Reference("Practitioner/anna"), display="Anna"
)


def decide_with(pathway):
    """Begin, and decide again a few days later: whatever the file says, neither raises."""
    record = PersonRecord(person=Reference("Patient/ada"), facts=FACTS, roster=Roster(accountable=ANNA))
    begun = decide_all([pathway], record, NOW)
    written = [replace(d.enrolment, reference=Reference(f"CarePlan/{n}")) for n, d in enumerate(begun)]
    opened = [
        replace(o.follow_up, reference=Reference(f"Task/{o.identifier}")) for d in begun for o in d.open
    ]
    later = replace(record, enrolments=tuple(written), follow_ups=tuple(opened))
    decide_all([pathway], later, NOW + timedelta(days=4))
    return begun


def places(value, path=()):
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        yield from places(below, (*path, key))


def at(tree, path):
    for step in path:
        tree = tree[step]
    return tree


def mutate(tree, path, change, rng):
    if not path:
        return rng.choice(ODD)
    elsewhere = at(tree, rng.choice(list(places(tree))))
    parent = tree
    for step in path[:-1]:
        parent = parent[step]
    last = path[-1]
    if change == "drop":
        del parent[last]
    elif change == "rename" and isinstance(parent, dict):
        parent[str(last)[::-1]] = parent.pop(last)
    elif change == "transplant":
        parent[last] = copy.deepcopy(elsewhere)
    else:
        parent[last] = rng.choice(ODD)
    return tree


@pytest.mark.parametrize("name", FILES)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 10**9),
    changes=st.lists(st.sampled_from(["drop", "rename", "retype", "transplant"]), min_size=1, max_size=4),
)
def test_dropped_renamed_retyped_and_misplaced_parts_become_problems(folder, name, seed, changes):
    rng = random.Random(seed)
    tree = yaml.load(FILES[name], Loader=yaml.BaseLoader)
    for change in changes:
        if isinstance(tree, dict) and tree:
            tree = mutate(tree, rng.choice(list(places(tree))), change, rng)

    load(folder, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode(), name)


def rows_in(tree):
    """Where a row of needs stands, also inside another."""
    rows = (path for path in places(tree) if path and isinstance(path[-1], int))
    return [path for path in rows if isinstance(at(tree, path), dict) and ROWS.keys() & at(tree, path).keys()]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**9), around=st.sampled_from([None, "all", "none"]))
def test_a_row_may_stand_anywhere_or_is_a_problem_there(folder, seed, around):
    """Most of these are sound files: whatever a row asks for, wherever it stands, it can be decided with."""
    rng = random.Random(seed)
    tree = yaml.load(FILES[WIDE], Loader=yaml.BaseLoader)
    *parent, last = rng.choice(rows_in(tree))
    row = copy.deepcopy(at(tree, rng.choice(rows_in(tree))))
    at(tree, parent)[last] = row if around is None else {around: [row]}

    load(folder, yaml.safe_dump(tree, sort_keys=False).encode(), WIDE)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(where=st.floats(0, 1), cut=st.integers(0, 40), put=st.text(max_size=6))
def test_any_damage_to_the_text_becomes_problems(folder, name, where, cut, put):
    good = FILES[name]
    here = int(where * len(good))
    load(folder, (good[:here] + put + good[here + cut :]).encode(errors="surrogatepass"), name)


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe\x00", b"\x00", b"a: " + b"[" * 100_000, b"a: " + b"{b: " * 5_000, b"- " * 5_000, b"x" * 600_000,
     b"a: &x [*x, *x]\n", b"? [a]\n: b\n", b"%YAML 9.9\n---\na: b\n", b"a: !!python/object:os.system x\n", b"\xef\xbb\xbf",
     b"a: \"\\ud800\"\n", b"&a : b\n", b"a: |\n  \x85\n", b"<<: {a: b}\n", b"--- >\n", "pathway: \u2028\n".encode()],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_hostile_files_are_refused_with_a_problem(folder, text):
    assert SAMPLE not in load(folder, text).pathways


@pytest.mark.parametrize("name", FILES)
def test_a_sound_file_stays_sound_and_begins(folder, name):
    library = load(folder, FILES[name].encode(), name)

    assert decide_with(library.pathways[name])


def test_every_key_of_the_grammar_is_among_what_is_changed():
    def keys(value):
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return set(value if isinstance(value, dict) else ()).union(*(keys(each) for each in inside))

    def known(schema):
        parts = [schema, *schema.get("$defs", {}).values()]
        return {key for part in parts for key in part.get("properties", {})}

    used = set().union(*(keys(yaml.load(text, Loader=yaml.BaseLoader)) for text in FILES.values()))
    assert known(PathwayFile.model_json_schema(by_alias=True)) - used == set()
