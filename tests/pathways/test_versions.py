"""A published version is kept beside the current file, is never edited, and goes on being readable."""

import shutil
import subprocess

import pytest

from service.pathways.library import check_all_published, check_folder, load_library
from service.pathways.problems import Severity, errors, render_problem
from service.pathways.publish import CannotPublish, publish
from tests.pathways.conftest import SAMPLE, TODAY
from tests.pathways.fake_compiler import FakeCompiler


def load(mappings):
    return load_library(mappings, FakeCompiler(), today=TODAY)


def publish_sample(mappings):
    return publish(mappings, load(mappings).pathways[SAMPLE])


def raised(pathway_file, version="2026.2.0", *, was="2026.1.0"):
    """The author changes the pathway and gives it a new version."""
    text = pathway_file.read_text("utf-8").replace(f"version: {was}", f"version: {version}")
    pathway_file.write_text(text.replace("Discharge to first contact", f"As of {version}"), "utf-8")


@pytest.fixture
def folder(pathway_file):
    return pathway_file.parent / "versions"


def told(mappings):
    return [(p.severity.value, p.code) for p in load(mappings).problems]


def test_publishing_keeps_the_file_word_for_word_with_its_digest(mappings, pathway_file, folder):
    done = publish_sample(mappings)

    assert (done.version, done.is_new, done.file) == ("2026.1.0", True, folder / "2026.1.0.yaml")
    assert done.file.read_bytes() == pathway_file.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["2026.1.0.yaml", "SHA256SUMS"]
    assert told(mappings) == []


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed here")
def test_the_digests_can_be_checked_without_throughline(mappings, pathway_file, folder):
    publish_sample(mappings)
    raised(pathway_file)
    publish_sample(mappings)

    checked = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert checked.stdout == "2026.1.0.yaml: OK\n2026.2.0.yaml: OK\n"


def test_publishing_twice_changes_nothing(mappings, folder):
    publish_sample(mappings)
    before = (folder / "SHA256SUMS").read_bytes()

    assert publish_sample(mappings).is_new is False
    assert (folder / "SHA256SUMS").read_bytes() == before


def test_a_new_version_is_current_and_the_former_stays_readable(mappings, pathway_file):
    publish_sample(mappings)
    raised(pathway_file)
    library = load(mappings)

    assert library.problems == ()
    assert [(p.version, p.current, p.title) for p in library.versions(SAMPLE)] == [
        ("2026.2.0", True, "As of 2026.2.0"),
        ("2026.1.0", False, "Discharge to first contact"),
    ]


def test_versions_are_ordered_as_numbers(mappings, pathway_file):
    for was, version in (("2026.1.0", "2026.9.0"), ("2026.9.0", "2026.10.0")):
        raised(pathway_file, version, was=was)
        publish_sample(mappings)
    raised(pathway_file, "2026.11.0", was="2026.10.0")

    assert [p.version for p in load(mappings).versions(SAMPLE)] == ["2026.11.0", "2026.10.0", "2026.9.0"]


def test_a_former_version_can_be_made_current_again(mappings, pathway_file, folder):
    publish_sample(mappings)
    raised(pathway_file)
    publish_sample(mappings)
    shutil.copyfile(folder / "2026.1.0.yaml", pathway_file)
    library = load(mappings)

    assert library.problems == ()
    assert [(p.version, p.current) for p in library.versions(SAMPLE)] == [
        ("2026.1.0", True),
        ("2026.2.0", False),
    ]


def test_a_change_without_a_new_version_is_an_error_that_says_what_to_do(mappings, pathway_file):
    publish_sample(mappings)
    pathway_file.write_text(
        pathway_file.read_text("utf-8").replace("Quality committee", "Somebody else"), "utf-8"
    )
    library = load(mappings)
    [problem] = library.problems

    assert SAMPLE not in library.pathways
    assert render_problem(problem) == (
        f"{pathway_file.as_posix()}:3:10: version 2026.1.0 is published, and this is not what was published as 2026.1.0"
        "  [published-version-changed]\n"
        "  3 | version: 2026.1.0\n"
        "    |          ^\n"
        "    = help: give the changed file a new version, or restore it from versions/2026.1.0.yaml"
    )


def test_an_edit_of_a_published_version_is_an_error(mappings, pathway_file, folder):
    publish_sample(mappings)
    raised(pathway_file)
    kept = folder / "2026.1.0.yaml"
    kept.write_text(kept.read_text("utf-8") + "# a word more\n", "utf-8")
    library = load(mappings)
    [problem] = library.problems

    assert library.versions(SAMPLE) == (library.pathways[SAMPLE],)
    assert (problem.severity, problem.code, problem.line) == (Severity.ERROR, "edited-after-publication", 3)
    assert (problem.message, problem.help) == (
        "version 2026.1.0 was edited after it was published",
        "people are on it: restore it, and make the change a new version of pathway.yaml",
    )


@pytest.mark.parametrize("edit_the_current_one_too", [False, True])
def test_an_edit_of_the_copy_of_the_current_version_is_an_error_too(
    mappings, pathway_file, folder, edit_the_current_one_too
):
    publish_sample(mappings)
    for path in (folder / "2026.1.0.yaml", *([pathway_file] if edit_the_current_one_too else [])):
        path.write_text(path.read_text("utf-8") + "# a word more\n", "utf-8")

    expected = {"edited-after-publication"} | (
        {"published-version-changed"} if edit_the_current_one_too else set()
    )
    assert {p.code for p in load(mappings).problems} == expected


def test_other_line_endings_are_no_edit(mappings, pathway_file, folder):
    publish_sample(mappings)
    for path in (folder / "2026.1.0.yaml", pathway_file):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert told(mappings) == []


def test_a_published_version_that_is_gone_is_told_where_it_is_listed(mappings, pathway_file, folder):
    publish_sample(mappings)
    raised(pathway_file)
    (folder / "2026.1.0.yaml").unlink()
    [problem] = load(mappings).problems

    assert (problem.severity, problem.code) == (Severity.WARNING, "version-lost")
    assert (problem.file, problem.line, problem.column) == ((folder / "SHA256SUMS").as_posix(), 1, 67)
    assert problem.message == "2026.1.0.yaml was published and is gone"


def test_of_the_current_version_the_file_itself_is_enough(mappings, folder):
    publish_sample(mappings)
    (folder / "2026.1.0.yaml").unlink()

    assert told(mappings) == []


def test_a_lost_copy_of_the_current_version_is_made_again(mappings, folder):
    publish_sample(mappings)
    digests = (folder / "SHA256SUMS").read_bytes()
    (folder / "2026.1.0.yaml").unlink()

    assert publish_sample(mappings).is_new
    assert (folder / "SHA256SUMS").read_bytes() == digests
    assert told(mappings) == []


def test_a_version_that_nothing_says_was_published_is_an_error(mappings, pathway_file, folder):
    folder.mkdir()
    shutil.copyfile(pathway_file, folder / "2025.4.0.yaml")
    (folder / "2025.4.0.yaml").write_text(
        (folder / "2025.4.0.yaml").read_text().replace("2026.1.0", "2025.4.0")
    )

    assert told(mappings) == [("error", "no-digest")]


def test_a_version_under_the_name_of_another_is_an_error(mappings, pathway_file, folder):
    publish_sample(mappings)
    raised(pathway_file)
    (folder / "2026.1.0.yaml").rename(folder / "2025.4.0.yaml")

    assert set(told(mappings)) == {("error", "version-and-file-differ"), ("warning", "version-lost")}


@pytest.mark.parametrize("line", ["not a digest", "ABC  2026.1.0.yaml", "0" * 64 + "  ../../roles.yaml", ""])
def test_a_line_that_is_no_digest_is_an_error_at_its_place(mappings, folder, line):
    publish_sample(mappings)
    with (folder / "SHA256SUMS").open("a") as file:
        file.write(f"{line}\n")
    [problem] = load(mappings).problems

    assert (problem.code, problem.line, problem.severity) == ("bad-digest", 2, Severity.ERROR)


def test_digests_that_are_no_text_are_an_error(mappings, folder):
    publish_sample(mappings)
    (folder / "SHA256SUMS").write_bytes(b"\xff\xfe")

    assert ("error", "unreadable-file") in told(mappings)


def test_what_an_earlier_version_refers_to_must_stay(mappings, pathway_file):
    publish_sample(mappings)
    raised(pathway_file)
    sets = mappings / "valuesets"
    text = pathway_file.read_text("utf-8")
    shutil.copyfile(sets / "risk-high.json", sets / "risk-raised.json")
    (sets / "risk-raised.json").write_text(
        (sets / "risk-raised.json").read_text().replace("risk-high", "risk-raised")
    )
    pathway_file.write_text(text.replace("value: risk-high", "value: risk-raised"), "utf-8")
    (sets / "risk-high.json").unlink()
    library = load(mappings)
    [problem] = about_the_sample(errors(library.problems))

    assert [p.version for p in library.versions(SAMPLE)] == ["2026.2.0"]
    assert (problem.code, problem.file.rsplit("/", 1)[1]) == ("unknown-value-set", "2026.1.0.yaml")
    assert problem.help == "this version is published: bring back what it refers to, as it was"


def test_an_earlier_version_is_not_asked_for_review_any_more(mappings, pathway_file):
    pathway_file.write_text(pathway_file.read_text("utf-8").replace("2027-01-15", "2026-02-01"), "utf-8")
    publish_sample(mappings)
    raised(pathway_file)
    pathway_file.write_text(pathway_file.read_text("utf-8").replace("2026-02-01", "2027-02-01"), "utf-8")

    assert told(mappings) == []


def test_a_draft_is_not_published(mappings, pathway_file):
    pathway_file.write_text(
        pathway_file.read_text("utf-8").replace("status: active", "status: draft"), "utf-8"
    )

    with pytest.raises(
        CannotPublish, match="sample-follow-up is a draft, on which nobody can be: set 'status: active'"
    ):
        publish_sample(mappings)


def test_a_lower_version_than_one_that_is_published_is_not_published(mappings, pathway_file):
    raised(pathway_file)
    publish_sample(mappings)
    raised(pathway_file, "2026.1.9", was="2026.2.0")

    with pytest.raises(
        CannotPublish, match=r"version 2026\.1\.9 is lower than 2026\.2\.0, which is published"
    ):
        publish_sample(mappings)


def test_a_folder_that_cannot_be_written_is_told(mappings, folder):
    folder.write_text("a file in the way")

    with pytest.raises(CannotPublish, match=r"versions.* cannot be written"):
        publish_sample(mappings)


def about_the_sample(problems):
    return [problem for problem in problems if f"/{SAMPLE}/" in problem.file]


def test_people_who_begin_on_a_version_that_is_not_kept_are_a_warning(mappings, pathway_file):
    [warning] = about_the_sample(check_all_published(mappings, load(mappings)))

    assert (warning.severity, warning.code, warning.line) == (Severity.WARNING, "not-published", 3)
    assert warning.message == "people begin on version 2026.1.0, and no copy of it is kept"
    assert warning.help == "`throughline pathways publish sample-follow-up` keeps one"
    publish_sample(mappings)
    assert about_the_sample(check_all_published(mappings, load(mappings))) == []


def test_worked_cases_are_about_the_current_version(mappings, pathway_file):
    publish_sample(mappings)
    raised(pathway_file)

    assert errors(check_folder(mappings, FakeCompiler(), today=TODAY)) == []
