"""A small PathCompiler: dotted paths, `=` with a text, `and`, `exists()`. Enough to test files, never for records."""

import re
from collections.abc import Iterator
from datetime import datetime

from service.domain.vocabulary import Reference
from service.ports import PathFault, PathFaultError

# Element paths of a few resources and what they hold.
ELEMENTS = {
    "Encounter": {
        "status": "text", "class": "coded", "reasonCode": "coded", "type": "coded", "period.end": "time",
        "serviceProvider": "reference", "location.location": "reference", "partOf": "reference", "period.start": "time",
        "hospitalization.dischargeDisposition": "coded", "diagnosis.condition": "reference",
    },
    "Condition": {"code": "coded", "encounter": "reference", "recordedDate": "time"},
    "Observation": {"status": "text", "code": "coded", "value": "coded", "encounter": "reference"},
    "Communication": {"status": "text", "category": "coded", "encounter": "reference"},
    "Appointment": {"status": "text", "serviceType": "coded", "start": "time"},
    "ServiceRequest": {"status": "text", "performer": "reference", "encounter": "reference"},
}  # fmt: skip
CLAUSE = re.compile(r"\s*([A-Za-z.]+?)(?:\s*=\s*'([^']*)'|(\.exists\(\)))\s*")


def fault(message, column, help_text=None):
    return PathFaultError(PathFault(message=message, column=column, help=help_text))


def values_at(resource, path) -> Iterator:
    found = [resource]
    for step in path.split("."):
        found = [inside for value in found if isinstance(value, dict) for inside in as_list(value.get(step))]
    yield from found


def as_list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


class FakeCompiler:
    """Raises the faults a real compiler raises, for what it does not know."""

    def predicate(self, text, kind):
        clauses, at = [], 0
        for part in re.split(r"(?<=\s)and(?=\s)", text):
            match = CLAUSE.fullmatch(part)
            if match is None:
                raise fault("this is not an expression", at + len(part) - len(part.lstrip()))
            self._element(match[1], kind, at + match.start(1))
            clauses.append((match[1], match[2]))
            at += len(part) + len("and")
        return lambda resource, now: all(self._holds(resource, *clause) for clause in clauses)

    def references(self, text, kind):
        if self._element(text, kind, 0) != "reference":
            raise fault(f"{kind}.{text} is not a Reference", 0)
        return lambda resource: [Reference(r["reference"]) for r in values_at(resource, text)]

    def codings(self, text, kind):
        if self._element(text, kind, 0) != "coded":
            raise fault(f"{kind}.{text} holds no codes", 0)
        return lambda resource: [
            (coding.get("system"), coding["code"])
            for value in values_at(resource, text)
            for coding in value.get("coding", [value])
        ]

    def instant(self, text, kind):
        if self._element(text, kind, 0) != "time":
            raise fault(f"{kind}.{text} is no date or time", 0)
        return lambda resource: next((datetime.fromisoformat(v) for v in values_at(resource, text)), None)

    def _element(self, path, kind, column):
        found = ELEMENTS.get(kind, {}).get(path)
        if found is None:
            raise fault(f"{kind} has no element '{path}'", column)
        return found

    def _holds(self, resource, path, wanted):
        found = list(values_at(resource, path))
        return bool(found) if wanted is None else wanted in found
