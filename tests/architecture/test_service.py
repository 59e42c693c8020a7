"""The rules of rules.py, applied to service/. Each test says why its rule exists and how to meet it."""

from collections.abc import Callable

import pytest

from scripts.function_length import LIMIT, lengths_under, summary
from tests.architecture import rules
from tests.architecture.source import ROOT, Source, python_files

SERVICE = python_files("service")

# Files that may be longer than the limit: path -> why splitting it would make it harder to read. Empty on purpose.
LONG_FILES_ALLOWED: dict[str, str] = {}


def findings(rule: Callable[[Source], list[str]], files: list[Source]) -> str:
    return "\n".join(finding for source in files for finding in rule(source))


def within(*prefixes: str) -> list[Source]:
    return [source for source in SERVICE if source.path.startswith(prefixes)]


def outside(*prefixes: str) -> list[Source]:
    return [source for source in SERVICE if not source.path.startswith(prefixes)]


def test_the_package_is_found() -> None:
    """Without this, a moved folder would let every rule below pass on nothing."""
    assert "service/domain/__init__.py" in {source.path for source in SERVICE}


def test_no_function_is_longer_than_a_screen() -> None:
    """A function that fits on a screen is one that a reviewer reads to its end.

    To fix: split it where it gets its second reason to change; a table often replaces a long if/elif.
    """
    measured = lengths_under(ROOT / "service")
    print(summary(measured))

    assert [str(m) for m in measured if m.lines > LIMIT] == []


def test_no_file_grows_without_end() -> None:
    """Good code bases lose first the one file to which everyone appends.

    To fix: give the second subject its own module. LONG_FILES_ALLOWED is for tables that read best in one piece.
    """
    assert findings(rules.too_long_file, [s for s in SERVICE if s.path not in LONG_FILES_ALLOWED]) == ""


def test_every_allowed_long_file_still_needs_it() -> None:
    """An exception that outlives its reason hides the next one. To fix: remove the entry."""
    unused = [
        p for p in LONG_FILES_ALLOWED if not any(s.path == p and rules.too_long_file(s) for s in SERVICE)
    ]

    assert unused == []


@pytest.mark.parametrize("folder", ["service", "tests", "scripts", "benchmarks"])
def test_modules_are_named_after_what_they_are_about(folder: str) -> None:
    """A module with a vague name attracts whatever has no home. To fix: name the noun or the step it holds."""
    assert findings(rules.vague_names, python_files(folder)) == ""


def test_time_ids_chance_and_environment_are_parameters() -> None:
    """A decision must replay to equality, and every test runs on a frozen clock.

    To fix: take `now` or an id as a parameter, or use a port; settings come from service/app/settings.py.
    """
    elsewhere = outside("service/adapters/", "service/app/settings.py", "service/app/settings/")

    assert findings(rules.hidden_inputs, elsewhere) == ""


def test_nothing_happens_at_import() -> None:
    """Importing a module must be safe in a test, a worker and a documentation build alike.

    To fix: put it into a function and let service/app wire it; declare constants from literals.
    """
    assert findings(rules.import_effects, SERVICE) == ""


def test_only_the_command_line_prints() -> None:
    """Printed text reaches nobody in a worker, and may carry what a record says about a person.

    To fix: return the text to service/app/cli, or log it with ids only.
    """
    assert findings(rules.prints, outside("service/app/cli", "service/app/demo", "service/app/doctor")) == ""


def test_whoever_catches_everything_says_why() -> None:
    """An exception must never turn into "nothing to do": someone's follow-up would vanish with it.

    To fix: catch the failure you mean; if it must be everything, say on that line or the one above where it goes.
    """
    assert findings(rules.catch_alls_without_reason, SERVICE) == ""


def test_the_domain_needs_nothing_but_python() -> None:
    """The rules of care outlive the libraries. To fix: parse one layer up and pass a frozen dataclass down."""
    assert findings(rules.beyond_the_standard_library, within("service/domain/")) == ""


def test_only_the_r4b_models_are_used() -> None:
    """The root of fhir.resources is R5 and refuses R4 Encounters. To fix: import from fhir.resources.R4B."""
    assert findings(rules.other_fhir_models, SERVICE) == ""


def test_every_celery_task_has_a_queue() -> None:
    """A task without a queue waits behind whatever else is in the default one, a sweep behind a backlog for example.

    To fix: an entry in `task_routes`, or in the table that it is made from.
    """
    workers = [
        s for s in within("service/app/") if any(name.split(".")[0] == "celery" for _, name in s.imports)
    ]
    tasks = {
        f"{s.path} {name}": queued
        for s in workers
        for name, queued in rules.celery_tasks(s, *SERVICE).items()
    }

    assert tasks, (
        "no Celery task was found: if tasks are declared in a new way, teach rules.celery_tasks to see it"
    )
    assert [name for name, queued in tasks.items() if not queued] == []
