"""How the tests read what is shipped in mappings/: by the three forms its guide allows, and nothing else.

It stays apart from the product's own loader on purpose: the two have to agree without sharing code.
"""

import json
import re
from functools import cache
from pathlib import Path

MAPPINGS = Path(__file__).parents[2] / "mappings"
VALUE_SETS = sorted((MAPPINGS / "valuesets").glob("*.json"))
CONCEPT_MAPS = sorted((MAPPINGS / "conceptmaps").glob("*.json"))
BASE = "https://throughline.example/fhir"

ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
HL7_DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
NUBC = "https://www.nubc.org/CodeSystem/PatDischargeStatus"
NUBC_OLD = "http://www.nubc.org/patient-discharge"
UB92 = "http://terminology.hl7.org/CodeSystem/nubc-UB92"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@cache
def value_set(name):
    return json.loads((MAPPINGS / "valuesets" / f"{name}.json").read_text(encoding="utf-8"))


@cache
def members(name):
    """The concepts and the regex filters of a set, imports followed: {(system, code)}, {(system, regex)}."""
    codes, patterns = set(), set()
    for include in value_set(name)["compose"]["include"]:
        codes |= {(include["system"], concept["code"]) for concept in include.get("concept", [])}
        patterns |= {(include["system"], each["value"]) for each in include.get("filter", [])}
        for url in include.get("valueSet", []):
            more_codes, more_patterns = members(url.rsplit("/", 1)[1])
            codes, patterns = codes | more_codes, patterns | more_patterns
    return frozenset(codes), frozenset(patterns)


def contains(name, system, code):
    codes, patterns = members(name)
    matching = (regex for of_system, regex in patterns if of_system == system)
    return (system, code) in codes or any(re.fullmatch(regex, code) for regex in matching)


def table_in(readme, heading):
    """The first table under a heading, as rows of cells without backticks; header and ruler left out."""
    section = readme.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip().strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[2:]]
