"""Every kind of mistake an author can make, and the exact words they are told. Adding bad/x.yaml adds a test."""

from pathlib import Path

import pytest

from service.pathways.library import check_file, load_library
from service.pathways.problems import Problem, Severity, render_problem
from tests.pathways.conftest import HERE, MAPPINGS, SAMPLE, TODAY
from tests.pathways.fake_compiler import FakeCompiler

BAD = sorted((HERE / "bad").glob("*.yaml"))
PYTHON_WORDS = (
    "None",
    "dict",
    "str ",
    "int ",
    "Input should",
    "pydantic",
    "NoneType",
    "Traceback",
    "list[",
    "tuple",
)


def told(folder: Path) -> str:
    problems = load_library(folder, FakeCompiler(), today=TODAY).problems
    return "\n\n".join(render_problem(p) for p in problems).replace(f"{folder.parent.as_posix()}/", "") + "\n"


@pytest.mark.parametrize("bad", BAD, ids=lambda path: path.stem)
def test_a_mistake_is_told_in_exactly_these_words(bad, mappings, pathway_file, request):
    """To accept new wording: pytest tests/pathways --update-problems, then read the difference as an author would."""
    pathway_file.write_bytes(bad.read_bytes())
    golden = bad.with_suffix(".txt")
    said = told(mappings)
    if request.config.getoption("--update-problems", default=False):
        golden.write_text(said)

    assert said == golden.read_text()


@pytest.mark.parametrize("bad", BAD, ids=lambda path: path.stem)
def test_messages_speak_no_python(bad):
    said = "\n".join(line for line in bad.with_suffix(".txt").read_text().splitlines() if " | " not in line)

    assert [word for word in PYTHON_WORDS if word in said] == []


@pytest.mark.parametrize("bad", BAD, ids=lambda path: path.stem)
def test_only_warnings_and_advice_leave_a_pathway_in_use(bad, mappings, pathway_file):
    pathway_file.write_bytes(bad.read_bytes())
    library = load_library(mappings, FakeCompiler(), today=TODAY)
    wrong = any(p.severity is Severity.ERROR for p in library.problems)

    assert (SAMPLE in library.pathways) == (not wrong)


def test_every_bad_file_is_told_something():
    assert [bad.stem for bad in BAD if not bad.with_suffix(".txt").read_text().strip()] == []
    assert len(BAD) >= 150


WIDE = (MAPPINGS / "pathways" / "sample-step-up" / "pathway.yaml").read_text()


@pytest.mark.parametrize(
    ("as_it_was", "as_it_may_be"),
    [
        ("        records: [outcome]\n", "        records: [outcome]\n        purpose: contact\n"),
        ("        series: [7 days, 14 days]\n        attempts: {count: 2, every: 24 hours}\n", "        series: [7 days]\n"),
        ("  until: [{task: take-lead, is: accepted}]\n", ""),
        ("  role: {by: risk, high: supervisor, otherwise: lead}\n", "  role: lead\n"),
        ("until: [{recorded: outcome, says: [settled]}]", "until: [{task: contact, is: series-completed}]"),
        ("excludes: [sample-review]\nsupersedes: [sample-follow-up]\nprecedence: 20\n", ""),
    ],
    ids=["one purpose, two tasks", "a series without attempts", "the lead changes with the acceptance alone",
         "one role leads", "a series until another one is over", "beside no other pathway"],
)  # fmt: skip
def test_what_may_be_written_is_no_problem(as_it_was, as_it_may_be, mappings):
    file = mappings / "pathways" / "sample-step-up" / "pathway.yaml"
    assert as_it_was in WIDE
    file.write_text(WIDE.replace(as_it_was, as_it_may_be))
    library = load_library(mappings, FakeCompiler(), today=TODAY)

    assert ("sample-step-up" in library.pathways, library.problems) == (True, ())


def test_whom_asks_names_needs_a_title_among_the_roles(mappings):
    roles = mappings / "roles.yaml"
    roles.write_text(roles.read_text().replace("  sender:\n    title: Whoever sent the request\n", ""))

    assert told(mappings) == (
        "mappings/pathways/sample-step-up/pathway.yaml:72:15: roles.yaml has no role 'sender', by whose title people are asked  [unknown-role]\n"
        "  72 |         asks: sender\n"
        "     |               ^\n"
        "     = help: add 'sender: {title: Whoever sent the request}' there\n"
    )


def test_ten_mistakes_are_told_at_once(mappings, pathway_file):
    pathway_file.write_bytes((HERE / "bad" / "ten-mistakes.yaml").read_bytes())
    problems = load_library(mappings, FakeCompiler(), today=TODAY).problems
    expected = {
        "unknown-key", "missing-key", "unknown-calendar", "unknown-value-set", "unknown-role", "bad-unit",
        "bad-expression", "unknown-stage", "ladder-not-rising", "no-final-stage",
    }  # fmt: skip

    assert {p.code for p in problems} == expected
    assert len(problems) == 10


def test_a_broken_pathway_leaves_the_others_in_use(mappings, pathway_file):
    other = mappings / "pathways" / "other-follow-up" / "pathway.yaml"
    other.parent.mkdir()
    other.write_text(
        pathway_file.read_text().replace("pathway: sample-follow-up", "pathway: other-follow-up")
    )
    pathway_file.write_text("pathway: [")
    library = load_library(mappings, FakeCompiler(), today=TODAY)

    assert set(library.pathways) == {"other-follow-up", "sample-review", "sample-step-up"}
    assert {Path(p.file).parent.name for p in library.problems} == {SAMPLE}


def test_problems_of_one_file_are_told_without_those_of_the_others(mappings, pathway_file):
    pathway_file.write_text(pathway_file.read_text().replace("lead: lead", "lead: nobody"))
    (mappings / "site.yaml").write_text("site: {name: Here, extra: x}\n")

    assert [p.code for p in check_file(pathway_file, FakeCompiler(), today=TODAY)] == ["unknown-role"]
    assert [p.code for p in check_file(mappings / "site.yaml", FakeCompiler(), today=TODAY)] == [
        "unknown-key"
    ]


def test_a_problem_is_shown_with_place_line_caret_and_help():
    problem = Problem(
        severity=Severity.ERROR, code="unknown-role", file="pathway.yaml", line=69, column=16,
        message="role 'schedular' is not defined", help="did you mean 'scheduler'?", source="        owner: schedular",
    )  # fmt: skip

    expected = (
        "pathway.yaml:69:16: role 'schedular' is not defined  [unknown-role]\n"
        "  69 |         owner: schedular\n"
        "     |                ^\n"
        "     = help: did you mean 'scheduler'?"
    )
    assert render_problem(problem) == expected


def test_a_very_long_line_is_cut_around_its_caret():
    problem = Problem(
        severity=Severity.ADVICE,
        code="x",
        file="f",
        line=1,
        column=1001,
        message="m",
        source="a" * 1000 + "b" * 1000,
    )
    _, line, caret = render_problem(problem).splitlines()

    assert len(line) < 250
    assert line[caret.index("^")] == "b"
    assert line[caret.index("^") - 1] == "a"


def test_no_pathway_is_used_while_a_shared_file_is_broken(mappings, pathway_file):
    """Roles that cannot be read would leave every task without an owner, file by file, without anybody noticing."""
    (mappings / "roles.yaml").write_text("roles: {coordinator: {titel: Coordinator}}\n")
    library = load_library(mappings, FakeCompiler(), today=TODAY)

    assert library.pathways == {}
    assert [p.code for p in library.problems if p.file == pathway_file.as_posix()] == ["shared-file-broken"]
