"""Can a row be answered as it is asked? What has no time of its own cannot be counted; nothing is no dataset."""

from __future__ import annotations

from service.pathways.checks import outline
from service.pathways.rows import ALL_FIELDS
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node


def check_answers(source: Source, root: Node) -> None:
    """Rows that count, and rows that ask for every required field."""
    for row in outline.need_rows(root):
        for counted in outline.rows_of(row, "of"):
            if not _has_a_time(counted):
                source.report(counted.place, "nothing-to-count", "this row only says what is not so, and that has no time at which it happened",
                              "count what did happen, and put this row beside it under 'all'")  # fmt: skip
        complete = row.get("complete")
        if complete is not None and complete.text == ALL_FIELDS and not outline.dataset(root):
            source.report(complete.place, "nothing-required", "no field is required, so there is no dataset to be complete",
                          "add what must be known under 'required', without where-available")  # fmt: skip


def _has_a_time(row: Node) -> bool:
    if row.get("none") is not None or row.get("missing") is not None:
        return False
    inner = [*outline.rows_of(row, "all"), *outline.rows_of(row, "of")]
    return not inner or any(_has_a_time(each) for each in inner)
