"""The subscriptions folder: what is read, and how each mistake is told."""

from pathlib import Path

import pytest

from service.app.practice import practice_of, watched
from service.app.subscription_files import SubscriptionsProblem, read_subscriptions
from service.fhir.path_compiler import StrictPathCompiler
from service.fhir.subscription_wanted import Flavour, Wanted
from service.pathways.library import load_library
from tests.sandbox import HOUSE_NOW

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "subscriptions"


def read(tmp_path: Path, text: str) -> tuple[Wanted, ...]:
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    return read_subscriptions(tmp_path)


def test_what_is_shipped_is_read_and_asks_for_whole_types() -> None:
    wanted = read_subscriptions(SHIPPED)

    assert all(w.criteria.endswith("?") or w.canary for w in wanted)
    assert all(w.flavour is Flavour.R4_REST_HOOK for w in wanted)
    assert [w.name for w in wanted if w.canary] == ["canary"]


def test_what_is_shipped_asks_for_everything_that_a_shipped_pathway_reads() -> None:
    """Otherwise a safeguarding concern would wait for the next catch-up. To fix: add the type to default.yaml."""
    zone = HOUSE_NOW.tzinfo
    assert zone is not None
    library = load_library(ROOT / "mappings", StrictPathCompiler(zone=zone), today=HOUSE_NOW.date())

    wanted = {kind for each in read_subscriptions(SHIPPED) if not each.canary for kind in each.types}

    assert wanted == watched(practice_of(library, zone=zone, base_url=""))


def test_every_key_of_the_readme_is_read(tmp_path) -> None:
    [wanted] = read(
        tmp_path,
        """subscriptions:
  discharges:
    why: Discharges begin follow-up.
    flavour: r4-backport
    topic: http://example.org/FHIR/SubscriptionTopic/encounter-complete
    types: [Encounter]
    filters:
      - Encounter?patient=Patient/1
    content: empty
    payload: none
    auth: address
    header: X-Key
    status: active
    deletions: yes
    heartbeat-seconds: 300
""",
    )

    assert wanted == Wanted(
        name="discharges",
        flavour=Flavour.R4_BACKPORT,
        topic="http://example.org/FHIR/SubscriptionTopic/encounter-complete",
        watched=("Encounter",),
        filters=("Encounter?patient=Patient/1",),
        content="empty",
        payload="none",
        auth="address",
        header="X-Key",
        status="active",
        deletions=True,
        heartbeat_seconds=300,
    )
    readme = (SHIPPED / "README.md").read_text("utf-8")
    for key in ("flavour", "topic", "types", "filters", "content", "auth", "deletions", "heartbeat-seconds"):
        assert f"| `{key}` |" in readme


def test_all_mistakes_are_told_at_once_with_their_places(tmp_path) -> None:
    with pytest.raises(SubscriptionsProblem) as problem:
        read(
            tmp_path,
            """subscriptions:
  encounters:
    criteria: /Encounter
    paylod: none
  Tasks:
    criteria: Task?
  topics:
    flavour: r4-backport
    topic: http://example.org/t
""",
        )

    assert str(problem.value) == GOLDEN


GOLDEN = """\
site.yaml:3:15: '/Encounter' cannot stand for 'criteria'  [bad-value]
  3 |     criteria: /Encounter
    |               ^
    = help: write a resource type, a question mark and search parameters: Encounter?class=IMP

site.yaml:4:5: 'paylod' is no key here  [unknown-key]
  4 |     paylod: none
    |     ^
    = help: one of auth, canary, channel-coding, content, criteria, deletions, end-days, filters, flavour, header, heartbeat-seconds, most-events, payload, status, timeout-seconds, topic, types, why

site.yaml:5:3: 'Tasks' is no name  [bad-name]
  5 |   Tasks:
    |   ^
    = help: use lower-case letters, digits and hyphens

site.yaml:7:3: 'topics' lacks 'types'  [missing-key]
  7 |   topics:
    |   ^
    = help: a resource type such as Encounter"""


def test_an_empty_folder_is_told(tmp_path) -> None:
    with pytest.raises(SubscriptionsProblem, match=r"no \*.yaml file is here"):
        read_subscriptions(tmp_path)


def test_names_are_unique_across_files(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text("subscriptions:\n  tasks:\n    criteria: Task?\n")
    (tmp_path / "b.yaml").write_text("subscriptions:\n  tasks:\n    criteria: Task?status=ready\n")

    with pytest.raises(SubscriptionsProblem, match="'tasks' is already asked for"):
        read_subscriptions(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "subscriptions:\n", "subscriptions: []\n", "[]\n", "subscriptions:\n  a: b\n", "a: {"]
)
def test_a_file_of_another_shape_is_a_problem_and_no_crash(tmp_path, text) -> None:
    with pytest.raises(SubscriptionsProblem):
        read(tmp_path, text)
