"""The drawing of a pathway's stages: well-formed, complete, within its page, and for those who do not see it as well."""

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from service.pathways.library import load_library
from service.pathways.svg_picture import LEFT, WIDTH, stage_svg
from service.pathways.svg_text import Style, broken, safe
from tests.app.pasts import library
from tests.pathways.conftest import MAPPINGS, SAMPLE, TODAY
from tests.pathways.fake_compiler import FakeCompiler

SVG = "{http://www.w3.org/2000/svg}"
NARROWEST = 0.4
"""A character is hardly narrower than this on average; used to see that what is drawn says what it must."""


def drawn(pathway):
    return ET.fromstring(stage_svg(pathway))


@pytest.fixture(scope="module")
def sample():
    return load_library(MAPPINGS, FakeCompiler(), today=TODAY).pathways[SAMPLE]


@pytest.fixture(scope="module", params=sorted(library().pathways))
def shipped(request):
    return library().pathways[request.param]


def said(root):
    """All that is written, with line breaks taken out."""
    return " ".join(" ".join(text.text or "" for text in root.iter(f"{SVG}text")).split())


def test_everything_is_on_the_drawing(shipped):
    text = said(drawn(shipped))
    wanted = [
        shipped.title,
        *(start.title for start in shipped.starts),
        *(f"First: {gate.title}" for gate in shipped.gates),
    ]
    for number, stage in enumerate(shipped.stages, start=1):
        wanted += [f"{number}. {stage.title}", *(f"• {task.title}: " for task in stage.tasks)]

    assert [each for each in wanted if each not in text] == []


def test_nothing_is_drawn_outside_the_page(shipped):
    root = drawn(shipped)
    height = float(root.get("height"))
    for text in root.iter(f"{SVG}text"):
        size = {"title": 20, "heading": 15, "small": 11}.get(text.get("class"), 12)
        assert float(text.get("x")) >= LEFT
        assert float(text.get("x")) + len(text.text) * size * NARROWEST < WIDTH
        assert float(text.get("y")) < height
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.get("x")) + float(rect.get("width")) < WIDTH
        assert float(rect.get("y")) + float(rect.get("height")) < height
    for path in root.iter(f"{SVG}path"):
        assert all(
            0 <= float(number) <= max(WIDTH, height) for number in re.findall(r"[\d.]+", path.get("d"))
        )


def test_stages_follow_each_other_without_touching(shipped):
    boxes = [
        (float(r.get("y")), float(r.get("height")))
        for r in drawn(shipped).iter(f"{SVG}rect")
        if r.get("x") == "24"
    ]

    assert len(boxes) == len(shipped.stages)
    assert all(y + height + 10 < below for (y, height), (below, _) in pairwise(boxes))


def test_whoever_does_not_see_it_is_told_the_same(shipped):
    root = drawn(shipped)
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")

    assert root.get("role") == "img"
    assert root.get("aria-labelledby").split() == [title.get("id"), description.get("id")]
    assert title.text == f"{shipped.title}: its stages"
    for number, stage in enumerate(shipped.stages, start=1):
        assert f"Stage {number}, {stage.title}" in description.text
    assert description.text.count("the pathway ends here") == sum(stage.final for stage in shipped.stages)


def test_it_needs_nothing_from_elsewhere(shipped):
    text = stage_svg(shipped)

    assert not re.search(r"href|<script|<image|@import|url\(", text)
    assert text.count("http") == text.count('xmlns="http://www.w3.org/2000/svg"') == 1


def test_an_end_has_a_double_border_and_a_gate_has_cut_corners(sample):
    root = drawn(sample)
    kinds = [rect.get("class") for rect in root.iter(f"{SVG}rect")]

    assert kinds.count("stage") == 2
    assert kinds.count("end") == 2 * sum(stage.final for stage in sample.stages)
    assert [p.get("class") for p in root.iter(f"{SVG}polygon")].count("must") == len(sample.gates)


def test_a_way_that_skips_a_stage_has_a_lane_of_its_own(sample):
    first, second, last = sample.stages
    skipping = replace(sample, stages=(first, second, replace(last, enter=second.enter)))

    assert not [p for p in drawn(sample).iter(f"{SVG}path") if p.get("class") == "skip"]
    assert [p for p in drawn(skipping).iter(f"{SVG}path") if p.get("class") == "skip"]
    assert ", from stage 1" in said(drawn(skipping))


def test_words_of_the_file_cannot_break_the_drawing(sample):
    title = "</text><script>alert('x')</script> & \"\u0007"
    stages = (replace(sample.stages[0], title=title), *sample.stages[1:])
    root = drawn(replace(sample, title=title, stages=stages))

    assert not list(root.iter(f"{SVG}script"))
    assert "</text><script>alert('x')</script> & \"" in said(root)


def test_long_words_and_texts_are_broken_where_they_must():
    style = Style(size=12)
    block = broken("one two " + "x" * 300, 200, style, bullet="• ")

    assert block.lines[0].startswith("• one two")
    assert len(block.lines) > 5
    assert max(map(len, block.lines)) * 12 * 0.47 <= 200
    assert block.height == pytest.approx(len(block.lines) * style.line)
    assert broken("", 200, style).lines == ("",)
    assert safe("a\u0000<b>") == "a&lt;b&gt;"
