"""What each ADT event that is taken says about the stay. The guide's own table decides where it speaks."""

from __future__ import annotations

from collections.abc import Mapping

from service.fhir.hl7v2.tables import event_status

MERGES = frozenset({"A40"})
ABOUT_THE_PERSON = frozenset({"A28", "A31"})
"""Person information: whatever PV1 they carry is not about a stay (2.x chapter 3: PV1-2 is N there)."""
MAY_LACK_VISIT = ABOUT_THE_PERSON | MERGES | {"A08"}
CANCELS_DISCHARGE = frozenset({"A13"})

_ADDED: Mapping[str, str] = {
    "A06": "in-progress",  # an outpatient becomes an inpatient
    "A07": "in-progress",  # an inpatient becomes an outpatient
    "A12": "in-progress",  # a transfer is taken back: the person is where PV1-3 says
    "A38": "cancelled",  # a pre-admission is taken back
}
"""Events that the guide's table leaves out, said in its words."""

EVENTS = frozenset(
    {"A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A11", "A12", "A13", "A28", "A31", "A38", "A40"}
)


def status_of(event: str) -> str | None:
    """Encounter.status that the event tells; None when it tells none."""
    if event in _ADDED:
        return _ADDED[event]
    found = event_status().get(event)
    return found.code if found and found.code != "unknown" else None
