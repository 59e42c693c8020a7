"""Finding out what a FHIR server really does, by trying it on marked resources that are deleted afterwards.

Never believes a CapabilityStatement, never touches anybody's record; where trying is impossible, the careful way is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from service.adapters.fhir import bundles
from service.adapters.fhir.answers import Answer, failure, outcome_codes
from service.adapters.fhir.client import FhirClient, Request
from service.adapters.fhir_http import HttpFhirRecord
from service.domain.vocabulary import Reference
from service.ports import (
    Capabilities,
    RecordFailure,
    RecordRefused,
    RecordUnavailable,
    Search,
    Write,
    Written,
)

SYSTEM = "https://throughline.example/fhir/identifier/probe"
"""Identifier system (and code system) of the resources made here; nothing else carries it."""
SMALL = 8
"""Some servers allow no more conditional entries than this in one transaction."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was tried, and what came of it as a sentence for whoever runs the server."""

    good: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """What to rely on, and why."""

    capabilities: Capabilities
    findings: tuple[Finding, ...]


def probe(client: FhirClient, token: Callable[[], str] = lambda: uuid4().hex) -> ProbeReport:
    """Try the server; `token` gives a fresh mark for this probe. RecordUnavailable when it cannot be reached."""
    return _Probe(client, token()).run()


CAREFUL = Capabilities(conditional_create=False, if_match=False, batch=False, atomic_transactions=False)


class _Probe:
    def __init__(self, client: FhirClient, mark: str) -> None:
        self._record = HttpFhirRecord(client, Capabilities())
        self._client = client
        self._mark = mark
        self._findings: list[Finding] = []
        self._made: set[Reference] = set()

    def run(self) -> ProbeReport:
        self._metadata()
        try:
            capabilities = self._try_everything()
        except RecordRefused as problem:
            self._note(False, f"Trying the server on a resource of type Basic was refused, so nothing is taken for granted: every write looks before it acts, one at a time. {problem}")  # fmt: skip
            capabilities = CAREFUL
        finally:
            self._clean_up()
        notes = tuple(finding.sentence for finding in self._findings if not finding.good)
        settled = Capabilities(
            conditional_create=capabilities.conditional_create,
            if_match=capabilities.if_match,
            batch=capabilities.batch,
            atomic_transactions=capabilities.atomic_transactions,
            transaction_limit=capabilities.transaction_limit,
            notes=notes,
        )
        return ProbeReport(capabilities=settled, findings=tuple(self._findings))

    def _note(self, good: bool, sentence: str) -> bool:  # noqa: FBT001  (reads as: note, good or not, the sentence)
        self._findings.append(Finding(good=good, sentence=sentence))
        return good

    # --- what is tried

    def _metadata(self) -> None:
        answer = self._send("GET", "metadata")
        if not answer.good:
            raise failure(answer, "GET metadata")
        body = answer.body if isinstance(answer.body, dict) else {}
        if body.get("resourceType") != "CapabilityStatement":
            raise RecordUnavailable(
                "GET metadata: the answer is not a CapabilityStatement. Check that THROUGHLINE_FHIR_BASE_URL is the base of"
                " a FHIR server."
            )
        version = str(body.get("fhirVersion", "unknown"))
        good = version.startswith(("4.0", "4.3", "5.0"))
        self._note(good, f"The server speaks FHIR {version}{'' if good else '; Throughline writes R4, R4B and R5, so expect refusals'}.")  # fmt: skip

    def _try_everything(self) -> Capabilities:
        first = self._create("0")
        creates_once = self._conditional_create(first)
        fenced = self._if_match(first)
        works, limit = self._transactions() if creates_once else (False, None)
        atomic = works and fenced and self._atomic(first)
        return Capabilities(
            conditional_create=creates_once,
            if_match=fenced,
            batch=self._batch(first),
            atomic_transactions=atomic,
            transaction_limit=limit,
        )

    def _conditional_create(self, first: Written) -> bool:
        second = self._create("0")
        if second.reference == first.reference:
            return self._note(True, "Conditional create works: the same resource sent twice exists once.")
        return self._note(False, "Conditional create (If-None-Exist) is ignored: before each create Throughline searches, and only one worker may write for a person at a time.")  # fmt: skip

    def _if_match(self, first: Written) -> bool:
        current = self._record.read(first.reference)
        version = str(current.get("meta", {}).get("versionId", ""))
        kept = self._put(first.reference, version, "changed")
        if not kept.good:
            why = ", ".join([str(kept.status), *outcome_codes(kept.body)])
            return self._note(False, f"An update with the current version was refused ({why}): versions are compared by reading before each write.")  # fmt: skip
        stale = self._put(first.reference, version, "stale")
        if stale.status in {409, 412}:
            return self._note(True, "If-Match works: an update of an outdated version is refused.")
        return self._note(False, "If-Match is ignored: versions are compared by reading before each write, which leaves a short gap in which two writers can overwrite each other.")  # fmt: skip

    def _transactions(self) -> tuple[bool, int | None]:
        # All conditions match the one resource that is there, so that nothing new comes of it.
        many = self._send("POST", "", bundles.transaction([self._write(str(n)) for n in range(SMALL + 1)]))
        if _nothing_new(many):
            self._note(True, f"Transactions with {SMALL + 1} conditional creates work.")
            return True, None
        few = self._send("POST", "", bundles.transaction([self._write(str(n)) for n in range(2)]))
        if _nothing_new(few):
            self._note(True, f"Transactions work, with at most {SMALL} conditional creates in each.")
            return True, SMALL
        self._note(
            False, "Transactions with conditional creates do not work: resources are written one by one."
        )
        return False, None

    def _atomic(self, first: Written) -> bool:
        fresh = self._write("left-behind")
        stale = Write(
            resource={**self._basic("stale"), "id": first.reference.split("/")[1]},
            full_url=first.reference,
            if_match="0-never-a-version",
        )
        answer = self._send("POST", "", bundles.transaction([fresh, stale]))
        if not answer.good and not self._found("left-behind"):
            return self._note(True, "Transactions are atomic: when one entry fails, nothing of it is left.")
        if _all_good(answer):
            return self._note(
                False, "If-Match is ignored inside transactions: resources are written one by one."
            )
        return self._note(False, "Transactions are not atomic: when one entry fails, the others stay. Resources are written one by one.")  # fmt: skip

    def _batch(self, first: Written) -> bool:
        body = bundles.batch([first.reference, f"Basic?_id={first.reference.split('/')[1]}"])
        if _all_good(self._send("POST", "", body), 2):
            return self._note(True, "Several searches in one request (a batch) work.")
        return self._note(False, "A batch of searches does not work: searches are sent one by one.")

    # --- the marked resource

    def _basic(self, subject: str) -> dict[str, Any]:
        """Carries one identifier per condition tried, so that each of them matches it."""
        values = [f"{self._mark}-{n}" for n in range(SMALL + 1)] if subject != "left-behind" else [f"{self._mark}-left-behind"]  # fmt: skip
        return {
            "resourceType": "Basic",
            "identifier": [{"system": SYSTEM, "value": value} for value in values],
            "code": {
                "coding": [{"system": SYSTEM, "code": "throughline-probe"}],
                "text": f"Made by Throughline to try this server; may be deleted ({subject})",
            },
        }

    def _write(self, name: str) -> Write:
        return Write(
            resource=self._basic(name if name == "left-behind" else "tried"),
            full_url=f"urn:uuid:{uuid4()}",
            create_if_none=f"identifier={SYSTEM}|{self._mark}-{name}",
        )

    def _create(self, name: str) -> Written:
        written = self._record.create(self._write(name))
        self._made.add(written.reference)
        return written

    def _put(self, reference: Reference, version: str, subject: str) -> Answer:
        body = {**self._basic(subject), "id": reference.split("/")[1]}
        return self._send("PUT", reference, body, {"If-Match": f'W/"{version}"'})

    def _found(self, name: str) -> set[Reference]:
        search = Search(kind="Basic", params=(("identifier", f"{SYSTEM}|{self._mark}-{name}"),))
        return {Reference(f"Basic/{found['id']}") for found in self._record.search(search)}

    def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        return self._client.send(
            Request(
                method=method,
                url=self._client.base.below(path),
                doing=f"{method} {path.split('/', maxsplit=1)[0] or 'transaction'}",
                body=body,
                headers=headers or {},
                writes=method == "PUT",
            )
        )

    def _clean_up(self) -> None:
        kept = 0
        for reference in sorted(self._made | self._strays()):
            try:
                kept += not self._send("DELETE", reference).good
            except RecordFailure:
                kept += 1
        if kept:
            self._note(False, f"{kept} resources of type Basic, made to try the server, could not be deleted; they carry the code throughline-probe.")  # fmt: skip

    def _strays(self) -> set[Reference]:
        """What a server made that should not have: a condition ignored, a transaction half done."""
        if not self._made:
            return set()
        try:
            return self._found("0") | self._found("left-behind")
        except RecordFailure:
            return set()


def _nothing_new(answer: Answer) -> bool:
    """Whether every conditional create of a transaction found what was there already."""
    if not _all_good(answer):
        return False
    return all(
        entry.status != 201 for entry in bundles.responses(answer, len(answer.body["entry"]), "POST Bundle")
    )


def _all_good(answer: Answer, expected: int | None = None) -> bool:
    if not answer.good or not isinstance(answer.body, dict):
        return False
    entries: Sequence[Any] = answer.body.get("entry") or []
    try:
        said = bundles.responses(answer, len(entries) if expected is None else expected, "POST Bundle")
    except RecordFailure:
        return False
    return bool(said) and all(entry.good for entry in said)
