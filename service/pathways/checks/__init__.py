"""Checks beyond the grammar: what names refer to, whether stages can be reached, whether expressions make sense.

They read the tree, not the models, so that one misspelt key does not hide what else is wrong.
"""

from __future__ import annotations

from datetime import date

from service.pathways.checks.answers import check_answers
from service.pathways.checks.beginnings import check_beginnings
from service.pathways.checks.capacities import check_capacities
from service.pathways.checks.circles import check_circles
from service.pathways.checks.expressions import check_expressions
from service.pathways.checks.governance import check_governance
from service.pathways.checks.names import check_duplicates, check_names
from service.pathways.checks.rounds import check_rounds
from service.pathways.checks.stages import check_stages
from service.pathways.checks.times import check_times
from service.pathways.site_files import Shared
from service.pathways.yaml_source import Source
from service.ports import PathCompiler


def check_pathway(
    source: Source, folder_name: str, shared: Shared, compiler: PathCompiler, today: date
) -> None:
    """Adds every problem of one pathway file to `source`."""
    root = source.root
    if root is None:
        return
    check_governance(source, root, folder_name, shared, today)
    check_names(source, root, shared)
    check_duplicates(source, root)
    check_beginnings(source, root)
    check_stages(source, root)
    check_circles(source, root)
    check_rounds(source, root)
    check_answers(source, root)
    check_capacities(source, root, shared)
    check_times(source, root)
    check_expressions(source, root, compiler)
