"""Each rule against the mistake it exists for, and against the lawful neighbour of that mistake."""

from pathlib import Path

import pytest

from scripts.function_length import lengths_in
from tests.architecture import rules
from tests.architecture.source import Source


def source(text: str, path: str = "service/flow/sweep.py") -> Source:
    return Source(path=path, text=text)


@pytest.mark.parametrize(
    "text",
    [
        "from datetime import datetime\ndef f(): return datetime.now()",
        "import datetime as dt\ndef f(): return dt.datetime.utcnow()",
        "from datetime import date as day\ndef f(): return day.today()",
        "import time\ndef f(): return time.time()",
        "from time import time as now",
        "import uuid\ndef f(new=uuid.uuid4): return new()",
        "from uuid import uuid4",
        "import random",
        "from random import choice",
        "import os\ndef f(): return os.environ['HOME']",
        "from os import getenv",
        "from time import sleep",
    ],
)
def test_a_hidden_input_is_caught_however_it_is_imported(text: str) -> None:
    assert rules.hidden_inputs(source(text))


@pytest.mark.parametrize(
    "text",
    [
        "from datetime import datetime\ndef f(now: datetime): return now.isoformat()",
        "import uuid\ndef f(name): return uuid.uuid5(uuid.NAMESPACE_URL, name)",
        "def f(clock): return clock.now()",
        "def f(random): return random.choice",
        "import os\ndef f(a): return os.path.join(a)",
    ],
)
def test_parameters_and_pure_functions_are_no_hidden_input(text: str) -> None:
    assert rules.hidden_inputs(source(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "import logging\nlogging.basicConfig()",
        "import redis\nclient = redis.Redis()",
        "from redis import Redis as R\nclient = R.from_url('redis://x')",
        "import httpx\nclient: httpx.Client = httpx.Client()",
        "import httpx\ndef f(client=httpx.AsyncClient()): ...",
        "class A:\n    text = open('x')",
        "try:\n    import x\nexcept ImportError:\n    x.connect()",
        "with open('x') as file:\n    text = file",
        "from pathlib import Path\nTABLE = Path('t.json').read_text()",
        "register('x')",
        "from service.app.settings import Settings\nsettings = Settings()",
    ],
)
def test_work_at_import_is_caught(text: str) -> None:
    assert rules.import_effects(source(text))


@pytest.mark.parametrize(
    "text",
    [
        '"""A docstring."""',
        "import re\nPATTERN = re.compile('a')",
        "import logging\nlog = logging.getLogger(__name__)",
        "import typer\napp = typer.Typer()\nother = typer.Typer()\napp.add_typer(other)",
        "import httpx\ndef f(): return httpx.Client()",
        "import httpx\nmake = lambda: httpx.Client()",
        "def main(): ...\nif __name__ == '__main__':\n    main()",
        "from dataclasses import dataclass, field\n@dataclass\nclass A:\n    b: list = field(default_factory=list)",
    ],
)
def test_declarations_are_no_work_at_import(text: str) -> None:
    assert rules.import_effects(source(text)) == []


@pytest.mark.parametrize(
    "handler",
    [
        "except Exception:",
        "except:",
        "except BaseException as error:",
        "except (ValueError, Exception):",
        "except Exception:  # noqa: BLE001",
        "except Exception:  # sorry",
    ],
)
def test_catching_everything_without_a_reason_is_caught(handler: str) -> None:
    assert rules.catch_alls_without_reason(source(f"try:\n    pass\n{handler}\n    pass"))


@pytest.mark.parametrize(
    "handler",
    [
        "except Exception:  # parked with its bytes, where a person sees it",
        "# Whatever it is, it is parked and counted.\nexcept Exception:",
        "except ValueError:",
    ],
)
def test_a_narrow_catch_or_a_stated_reason_is_fine(handler: str) -> None:
    assert rules.catch_alls_without_reason(source(f"try:\n    pass\n{handler}\n    pass")) == []


def test_a_print_is_caught() -> None:
    assert rules.prints(source("def f(): print('x')"))
    assert rules.prints(source("def f(console): console.print('x')")) == []


def test_a_vague_module_name_is_caught_at_any_depth() -> None:
    assert rules.vague_names(source("", "service/fhir/utils.py"))
    assert rules.vague_names(source("", "service/common/dates.py"))
    assert rules.vague_names(source("", "service/fhir/_helpers.py"))
    assert rules.vague_names(source("", "service/fhir/reading.py")) == []


def test_a_long_file_is_caught() -> None:
    assert rules.too_long_file(source("a = 1\n" * 301))
    assert rules.too_long_file(source("a = 1\n" * 300)) == []


def test_a_long_docstring_does_not_make_a_function_long() -> None:
    text = 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n'

    assert [m.lines for m in lengths_in(Path("a.py"), text)] == [2]


def test_a_third_party_import_in_the_domain_is_caught() -> None:
    assert rules.beyond_the_standard_library(source("import pydantic"))
    assert rules.beyond_the_standard_library(source("from service.fhir import reading"))
    lawful = "from datetime import datetime\nfrom service.domain.due import due"
    assert rules.beyond_the_standard_library(source(lawful)) == []


def test_an_r5_model_is_caught() -> None:
    assert rules.other_fhir_models(source("from fhir.resources.task import Task"))
    assert rules.other_fhir_models(source("from fhir.resources import get_fhir_model_class"))
    assert rules.other_fhir_models(source("from fhir.resources.R4B.task import Task")) == []


def test_a_task_counts_as_queued_by_decorator_or_by_route() -> None:
    text = """
ROUTES = 0
app.conf.update(task_routes={"care.sweep": {"queue": "clock"}, "trail.*": {"queue": "trail"}})
def build(app):
    @app.task(name="care.drain", queue="inbox")
    def drain(): ...
    @app.task(name="care.sweep")
    def sweep(): ...
    @app.task(name="trail.write")
    def write(): ...
    @app.task
    def lost(): ...
    @other.tasks
    def unrelated(): ...
"""
    assert rules.celery_tasks(source(text)) == {"drain": True, "sweep": True, "write": True, "lost": False}


def test_a_task_counts_as_queued_by_a_table_that_another_file_makes_routes_from() -> None:
    tasks = """
def build(app):
    @app.task(name=Job.DRAIN.value)
    def drain(): ...
    @app.task(name=Job.LOST.value)
    def lost(): ...
"""
    table = source("QUEUE_OF = {Job.DRAIN: Queue.INBOX}")
    routes = source(
        'app.conf.update(task_routes={job.value: {"queue": queue.value} for job, queue in QUEUE_OF.items()})'
    )
    assert rules.celery_tasks(source(tasks), table, routes) == {"drain": True, "lost": False}
    assert rules.celery_tasks(source(tasks), table) == {"drain": False, "lost": False}
