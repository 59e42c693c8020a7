"""What `doctor` says of versions: whether the mappings folder has every version that somebody is on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from service.adapters.fhir.client import FhirClient
from service.adapters.fhir.probe import CAREFUL
from service.adapters.fhir_http import HttpFhirRecord
from service.app.findings import Finding, Outcome
from service.fhir import systems
from service.pathways.library import Library
from service.ports import RecordFailure, Resource, Search

MOST = 5_000
"""Running enrolments that are looked at: enough to see a folder that is too old, however many there are."""
_PREFIX = f"{systems.BASE}/PlanDefinition/"


def versions(client: FhirClient, library: Library) -> Iterator[Finding]:
    """One finding for each version that is missing, worst first."""
    category = f"{systems.PLAN_CATEGORY}|{systems.PATHWAY_PLAN}"
    running = Search(
        kind="CarePlan", params=(("category", category), ("status", "active"), ("_count", "500"))
    )
    try:
        on = Counter(map(_version_of, islice(HttpFhirRecord(client, CAREFUL).search(running), MOST)))
    except RecordFailure:
        return  # what the record refuses is told where its searches are tried
    known = {(str(name), each.version) for name in library.pathways for each in library.versions(name)}
    missing = {version: count for version, count in on.items() if all(version) and version not in known}
    for (pathway, version), count in sorted(missing.items(), key=lambda each: -each[1]):
        yield Finding(
            about="pathways",
            outcome=Outcome.BAD,
            sentence=f"{count} running enrolments are on version {version} of {pathway}, which the mappings folder does not"
            " have: nothing of them is followed up.",
            remedy=f"Put it back as pathways/{pathway}/versions/{version}.yaml with its line in SHA256SUMS, start the workers"
            " again, then `throughline dead-letters retry all`.",
        )


def _version_of(plan: Resource) -> tuple[str, str]:
    """(pathway, version); empty where the CarePlan does not say."""
    found = plan.get("instantiatesCanonical")
    canonicals = [str(each) for each in found] if isinstance(found, list) else []
    ours = next((each.removeprefix(_PREFIX) for each in canonicals if each.startswith(_PREFIX)), "")
    pathway, _, version = ours.partition("|")
    return pathway, version
