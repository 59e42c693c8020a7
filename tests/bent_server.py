"""A FHIR server over HTTP that can be bent out of shape the way real ones are, without a process or a socket."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import httpx

from service.adapters.memory_record import InMemoryRecord
from service.ports import (
    Capabilities,
    NotInRecord,
    RecordFailure,
    RecordRefused,
    Search,
    VersionConflict,
    Write,
)
from tests.sandbox import FrozenClock

BASE = "https://record.example/fhir"


class BentServer:
    """Behaves well, except for what is switched on. `requests` keeps `METHOD path` of everything asked."""

    def __init__(
        self,
        *,
        ignores_if_none_exist=False,
        ignores_if_match=False,
        atomic=True,
        limit=None,
        transactions=True,
        batches=True,
        basic=True,
        deletes=True,
        fhir_version="4.0.1",
        silent=False,
    ):
        self.record = InMemoryRecord(
            FrozenClock(), Capabilities(atomic_transactions=atomic, transaction_limit=limit)
        )
        self.ignores_if_none_exist = ignores_if_none_exist
        self.ignores_if_match = ignores_if_match
        self.transactions, self.batches, self.basic, self.deletes = transactions, batches, basic, deletes
        self.fhir_version, self.silent = fhir_version, silent
        self.requests: list[str] = []

    @property
    def transport(self):
        return httpx.MockTransport(self.answer)

    def answer(self, request):
        path = request.url.path.removeprefix("/fhir").strip("/")
        self.requests.append(f"{request.method} {path}")
        body = json.loads(request.content) if request.content else None
        query = parse_qsl(request.url.query.decode(), keep_blank_values=True)
        try:
            status, resource = self._act(request.method, path, query, body, request.headers)
        except RecordFailure as problem:
            status = problem.status or 400
            resource = {
                "resourceType": "OperationOutcome",
                "issue": [{"severity": "error", "code": "processing"}],
            }
        if (
            self.silent
            and request.method in {"POST", "PUT"}
            and resource
            and resource["resourceType"] != "Bundle"
        ):
            where = {
                "Location": f"http://localhost:8090/fhir/{resource['resourceType']}/{resource.get('id')}"
            }
            return httpx.Response(status, headers=where if "id" in resource else {})
        return httpx.Response(status, json=resource) if resource else httpx.Response(status)

    def _act(self, method, path, query, body, headers):
        if path == "metadata":
            return 200, {"resourceType": "CapabilityStatement", "fhirVersion": self.fhir_version}
        if path == "":
            return 200, self._bundle(body)
        kind, _, logical_id = path.partition("/")
        if kind == "Basic" and not self.basic:
            raise RecordRefused("", status=404)
        if method == "GET" and not logical_id:
            found = self.record.search(Search(kind=kind, params=tuple(query)))
            return 200, {"resourceType": "Bundle", "entry": [{"resource": each} for each in found]}
        if method == "GET":
            return 200, self.record.read(path)
        if method == "POST":
            return self._create(kind, body, headers.get("if-none-exist"))
        if method == "PUT":
            return 200, self._update(path, body, headers.get("if-match"))
        if not self.deletes:
            raise RecordRefused("", status=405)
        self.record.delete(path)
        return 204, None

    def _create(self, kind, body, condition):
        if condition and not self.ignores_if_none_exist:
            found = list(self.record.search(Search(kind=kind, params=tuple(parse_qsl(condition)))))
            if len(found) > 1:
                raise RecordRefused("", status=412)
            if found:
                return 200, found[0]
        return 201, self.record.read(
            self.record.create(Write(resource=body, full_url="urn:uuid:x")).reference
        )

    def _update(self, path, body, if_match):
        fence = None if self.ignores_if_match or not if_match else if_match.removeprefix("W/").strip('"')
        try:
            self.record.update(Write(resource=body, full_url=path, if_match=fence))
        except VersionConflict:
            raise RecordRefused("", status=412) from None
        return self.record.read(path)

    def _bundle(self, body):
        if body["type"] == "batch" and self.batches:
            return {
                "resourceType": "Bundle",
                "entry": [self._got(e["request"]["url"]) for e in body["entry"]],
            }
        if body["type"] == "batch" or not self.transactions:
            raise RecordRefused("", status=400)
        results = self.record.transact([self._entry(entry) for entry in body["entry"]])
        return {"resourceType": "Bundle", "entry": [self._said(result) for result in results]}

    def _got(self, url):
        path, _, query = url.partition("?")
        try:
            status, resource = self._act("GET", path, parse_qsl(query), None, {})
        except NotInRecord as absent:
            return {"response": {"status": str(absent.status)}}
        return {"response": {"status": f"{status} OK"}, "resource": resource}

    def _entry(self, entry):
        request = entry["request"]
        if request["method"] == "PUT":
            fence = (
                None if self.ignores_if_match else request.get("ifMatch", "").removeprefix("W/").strip('"')
            )
            return Write(resource=entry["resource"], full_url=request["url"], if_match=fence or None)
        ((name, value),) = parse_qsl(request["ifNoneExist"])
        return Write(resource=entry["resource"], full_url=entry["fullUrl"], create_if_none=f"{name}={value}")

    def _said(self, result):
        if isinstance(result, RecordFailure):
            return {"response": {"status": str(result.status)}}
        # As Medplum: a relative location, no version, no etag; the resource is included.
        status = "201 Created" if result.created else "200 OK"
        resource = self.record.read(result.reference)
        return {"response": {"status": status, "location": result.reference}, "resource": resource}
