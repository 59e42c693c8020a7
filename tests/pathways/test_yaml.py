"""Positions inside texts, however they are quoted, and values that stay what was written."""

import pytest
import yaml

from service.pathways.yaml_source import Source, parse_source
from service.pathways.yaml_tree import place_in_text, plain
from tests.pathways.conftest import HERE, MAPPINGS


def parse(text):
    return parse_source(Source(file="f.yaml"), text.encode())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("key: aa bb HERE cc\n", (1, 12)),
        ("key: 'it''s aa HERE'\n", (1, 16)),
        ('key: "tab \\" aa HERE"\n', (1, 17)),
        ("key: |\n  aa bb\n  cc HERE\n", (3, 6)),
        ("key: >\n  aa bb\n\n  cc HERE\n", (4, 6)),
        ("key: |-  # note HERE is not it\n    aa HERE\n", (2, 8)),
        ("key: aa bb\n  cc HERE\n", (2, 6)),
        ("- {key: aa HERE}\n", (1, 12)),
        ("key: HERE\n", (1, 6)),
        ("key:   'HERE'\n", (1, 9)),
    ],
)
def test_a_place_inside_a_text_is_found_in_the_file(text, place):
    source = parse(text)
    node = (source.root.items() or [source.root])[0].get("key")
    offset = node.text.index("HERE")

    assert place_in_text(node, offset) == place


def test_values_stay_the_text_that_was_written():
    source = parse("on: yes\nversion: 2026.10\nat: 16:30\nday: 2026-01-15\nnumber: 010\n")

    assert source.root is not None
    assert plain(source.root) == {
        "on": "yes",
        "version": "2026.10",
        "at": "16:30",
        "day": "2026-01-15",
        "number": "010",
    }


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter():
    source = parse_source(Source(file="f"), b"\xef\xbb\xbfa: b\r\nc: d\r\n")

    assert source.root is not None
    assert plain(source.root) == {"a": "b", "c": "d"}
    assert source.problems == []


def test_all_faults_of_the_tree_are_told_together():
    source = parse("a:\na: b\nc: &x d\ne: *x\nf: ~\n")

    assert [(p.code, p.line) for p in source.problems] == [
        ("no-value", 1),
        ("anchor", 3),
        ("anchor", 4),
        ("no-value", 5),
    ]


@pytest.mark.parametrize(
    "path", sorted(MAPPINGS.parents[2].glob("mappings/**/*.yaml")) + sorted((HERE / "bad").glob("*.yaml"))
)
def test_the_fast_parser_and_the_plain_one_see_the_same_tree(path, monkeypatch):
    """Places must not depend on how PyYAML was built on this machine."""
    text = path.read_bytes() + "\nüñí: 'çö𝄞 x'\n".encode()
    fast = parse_source(Source(file="f"), text)
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    slow = parse_source(Source(file="f"), text)

    assert fast.root == slow.root
    assert fast.problems == slow.problems
