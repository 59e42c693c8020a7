"""A pathway that somebody adds by following the authoring guide runs on a real FHIR server, beside all shipped ones."""

from __future__ import annotations

from pathlib import Path

from tests.journeys import cast
from tests.journeys.worked_cases import cases_of, play
from tests.journeys.world import open_world
from tests.mappings.walk_through import FILES, follow

CASES = {path.stem for path in map(Path, FILES) if path.parent.name == "cases"}


def test_a_pathway_added_by_following_the_guide_with_no_code_change_works(tmp_path: Path) -> None:
    mappings = follow(tmp_path / "mappings")
    assert {"visited", "nobody-goes"} == CASES
    cases = cases_of(mappings, [("home-visit", case) for case in sorted(CASES)])
    env = {"THROUGHLINE_MAPPINGS_DIR": str(mappings)}
    with open_world(tmp_path, at=cases.begins_at, absent=frozenset(cast.STAFF), env=env) as world:
        assert play(world, cases) == []
        found = [world.record.pathways(told.person) for told in cases.told]
    assert found == [{"home-visit"}, {"home-visit"}]
