"""Who answers for the file: its id, its review date, and titles that fit where they are shown."""

from __future__ import annotations

from datetime import date

from pydantic_core import PydanticCustomError

from service.pathways.checks import outline
from service.pathways.problems import Severity
from service.pathways.scalars import read_date, shown
from service.pathways.site_files import Shared
from service.pathways.spelling import suggest
from service.pathways.yaml_source import Source
from service.pathways.yaml_tree import Node

LONGEST_TITLE = 60


def check_governance(source: Source, root: Node, folder_name: str, shared: Shared, today: date) -> None:
    """Id, dates, titles and places of the site."""
    name = root.get("pathway")
    if name is not None and name.text is not None and name.text != folder_name:
        source.report(name.place, "id-and-folder-differ", f"the folder of this pathway is called {shown(folder_name)}",
                      f"write 'pathway: {folder_name}', or rename the folder")  # fmt: skip
    _check_dates(source, root, today)
    _check_titles(source, root)
    if "site.yaml" not in shared.unread:
        _check_places(source, root, shared)


def _date(node: Node | None) -> date | None:
    try:
        return read_date(node.text) if node is not None and node.text is not None else None
    except PydanticCustomError:
        return None


def _check_dates(source: Source, root: Node, today: date) -> None:
    governance = root.get("governance")
    review = governance.get("review-by") if governance else None
    review_by, approved_on = _date(review), _date(governance.get("approved-on") if governance else None)
    if review is None or review_by is None:
        return
    if approved_on is not None and review_by <= approved_on:
        source.report(review.place, "review-before-approval", "the review must come after the approval")
    elif review_by < today:
        source.report(review.place, "review-overdue", f"this pathway was due for review on {review_by}",
                      "review it, then set 'approved-on' and 'review-by'", Severity.WARNING)  # fmt: skip


def _check_titles(source: Source, root: Node) -> None:
    for node in outline.titled(root):
        title = node.get("title")
        if title is not None and title.text is not None and len(title.text) > LONGEST_TITLE:
            source.report(title.place, "long-title", f"this title has {len(title.text)} characters",
                          f"up to {LONGEST_TITLE} fit everywhere it is shown", Severity.ADVICE)  # fmt: skip


def _check_places(source: Source, root: Node, shared: Shared) -> None:
    starts = [(start, "start") for start in outline.rows_of(root, "starts")]
    for row, noun in (*starts, *((row, "row") for row in outline.need_rows(root))):
        place = row.get("at-site")
        if place is None or place.text is None:
            continue
        listed = shared.site.at_site.get(place.text)
        if listed is None:
            source.report(place.place, "unknown-site-list", f"site.yaml has no list called {shown(place.text)}, so this {noun} never holds",
                          suggest(place.text, shared.site.at_site, "lists"), Severity.WARNING)  # fmt: skip
        elif not listed.places:
            source.report(place.place, "empty-site-list", f"site.yaml lists no places under {shown(place.text)}, so this {noun} never holds here",
                          "list the places of your site there", Severity.ADVICE)  # fmt: skip
