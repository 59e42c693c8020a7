"""A FHIR server that has turned against us, without a socket: says anything, and remembers where it was asked from.

Whatever is sent to any other host, or with our token anywhere but below its base, is kept in `strayed`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from service.adapters.fhir.address import Base
from service.adapters.fhir.auth import BearerToken
from service.adapters.fhir.client import FhirClient, Limits
from service.adapters.fhir.probe import CAREFUL
from service.adapters.fhir.retry import Backoff
from service.adapters.fhir_http import HttpFhirRecord

BASE = "https://record.example/fhir"
TOKEN = "our-bearer-token"

ELSEWHERE = [
    "https://evil.example/fhir/Encounter/1",
    "http://record.example/fhir/Encounter/1",
    "https://record.example:8443/fhir/Encounter/1",
    "https://record.example.evil.example/fhir/Encounter/1",
    "https://record.example@evil.example/fhir/Encounter/1",
    "https://evil.example#@record.example/fhir/Encounter/1",
    "https://evil.example\\@record.example/fhir/Encounter/1",
    "https://record.example/admin/Encounter/1",
    "https://record.example/fhirEncounter/1",
    "https://record.example/fhir/../admin",
    "https://record.example/fhir/%2e%2e/admin",
    "https://record.example/fhir/%252e%252e/admin",
    "https://record.example/fhir/..%5cadmin",
    "//evil.example/fhir/Encounter/1",
    "///evil.example/fhir/Encounter/1",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/latest",
    "http://127.0.0.1:6379/",
    "http://localhost:8080/metrics",
    "http://0x7f000001/",
    "http://2130706433/",
    "file:///etc/passwd",
    "gopher://evil.example:70/_",
    "ftp://evil.example/Encounter/1",
    "ldap://evil.example/Encounter/1",
    "javascript:alert(1)",
    "data:application/fhir+json,{}",
    "jar:http://evil.example!/Encounter/1",
    "https:evil.example/fhir/Encounter/1",
    "https://",
    "https://[evil",
    "https://evil.example:notaport/fhir",
    "\r\nHost: evil.example",
    "Encounter/../../admin",
    "Encounter/..",
    "Encounter/1/../../../admin",
    "Encounter/1?_format=xml",
    "Encounter/1#x",
    "/Encounter/1",
    "../admin/Encounter/1",
    "Encounter/%2e%2e%2fadmin",
]
"""Addresses that lead, or seem to lead, somewhere that is not below the base."""

Answers = Callable[[httpx.Request], httpx.Response]


class HostileServer:
    """`answers` decides what is said; `asked` keeps `METHOD url` of everything that came to the right place."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.asked: list[str] = []
        self.strayed: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        inside = url == BASE or url.startswith((f"{BASE}/", f"{BASE}?"))
        climbs = ".." in httpx.URL(url).path.split("/")
        if not inside or climbs:
            self.strayed.append(f"{request.method} {url}")
            return httpx.Response(200, json={})
        self.asked.append(f"{request.method} {url.removeprefix(BASE)}")
        return self._answers(request)

    def client(self, **limits: Any) -> FhirClient:
        auth = BearerToken(lambda: TOKEN, Base.parse(BASE))
        return FhirClient(
            BASE,
            auth=auth,
            transport=httpx.MockTransport(self),
            backoff=Backoff(patience=0.01),
            limits=Limits(**limits),
        )

    def record(self, **limits: Any) -> HttpFhirRecord:
        return HttpFhirRecord(self.client(**limits), CAREFUL)


def a_bundle(*resources: dict[str, Any], following: str | None = None) -> httpx.Response:
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    bundle["entry"] = [{"resource": resource} for resource in resources]
    if following is not None:
        bundle["link"] = [{"relation": "next", "url": following}]
    return httpx.Response(200, content=json.dumps(bundle).encode())
