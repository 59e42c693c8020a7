"""Who works at the clinic of the journeys. Synthetic people; each is found by their role in the practitioner directory."""

from __future__ import annotations

from collections.abc import Iterator

from tests.builders import Json, a_practitioner, a_practitioner_role

STAFF = {
    "tess": ("Tess", "Okafor", "transition-coordinator"),
    "toby": ("Toby", "Grell", "transition-coordinator"),
    "omar": ("Omar", "Lindqvist", "outpatient-clinician"),
    "ines": ("Ines", "Marchetti", "outpatient-intake-clinician"),
    "cora": ("Cora", "Benitez", "case-manager"),
    "kofi": ("Kofi", "Asante", "crisis-clinician"),
    "sam": ("Sam", "Whitlock", "clinical-supervisor"),
    "lena": ("Lena", "Hofstad", "pathway-lead"),
    "dara": ("Dara", "Quill", "clinical-director"),
    "mona": ("Mona", "Vasquez", "community-lead"),
    "kim": ("Kim", "Adeyemi", "care-coordinator"),
    "lara": ("Lara", "Dunmore", "coordination-lead"),
    "priya": ("Priya", "Nandakumar", "psychiatric-provider"),
}
ACCOUNTABLE = "Practitioner/dara"
"""Holds what nobody else holds."""


def directory(*, absent: frozenset[str] = frozenset()) -> Iterator[Json]:
    """A Practitioner and a PractitionerRole for everybody; `absent` are only Practitioners, in no role."""
    for key, (given, family, role) in STAFF.items():
        yield a_practitioner(key, given, family, meta=None)
        if key not in absent:
            yield a_practitioner_role(f"{key}-role", f"Practitioner/{key}", role, meta=None)


def name_of(key: str) -> str:
    """`Tess Okafor` for `tess`."""
    given, family, _ = STAFF[key]
    return f"{given} {family}"
