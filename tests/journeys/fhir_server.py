"""The record server of a journey, over plain HTTP: how the hospital and the clinic write, and how tests read.

Knows nothing of Throughline's own client, so that it cannot share its mistakes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from service.adapters.embedded import EmbeddedFhirServer
from tests.builders import Json
from tests.processes import PATIENCE, free_port

ABOUT = ("Task", "CarePlan", "Communication")
WATCHED = (
    "Encounter", "ServiceRequest", "Task", "Appointment", "Communication", "CarePlan", "Observation", "Condition",
    "Procedure", "DocumentReference", "MedicationRequest", "CareTeam", "Patient", "Flag", "Consent",
    "QuestionnaireResponse", "RiskAssessment", "ClinicalImpression", "Composition", "MedicationStatement", "Goal",
)  # fmt: skip
"""What the shipped subscriptions ask for, written out here."""


class FhirServer:
    """A real FHIR R4 server in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self._server = EmbeddedFhirServer(folder, self._port)
        self._http = httpx.Client(timeout=PATIENCE, trust_env=False)
        self.changed: Callable[[], None] = lambda: None
        """Called after every write."""

    @property
    def base_url(self) -> str:
        """Known before it is started."""
        return f"http://127.0.0.1:{self._port}/fhir"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._http.close()
        self._server.stop()

    # --- as any client of the record

    def put(self, resource: Mapping[str, Any]) -> None:
        """Create or replace at the id it carries; with a version, only over that version."""
        meta = resource.get("meta", {})
        headers = {"If-Match": f'W/"{meta["versionId"]}"'} if "versionId" in meta else {}
        url = f"{self.base_url}/{resource['resourceType']}/{resource['id']}"
        self._done(self._http.put(url, json=dict(resource), headers=headers))

    def put_all(self, *resources: Mapping[str, Any]) -> None:
        """All of them in one transaction; those with a version only over that version."""
        entries = [{"resource": dict(each), "request": _request(each)} for each in resources]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        self._done(self._http.post(self.base_url, json=bundle))

    def delete(self, reference: str) -> None:
        self._done(self._http.delete(f"{self.base_url}/{reference}"))

    def get(self, reference: str) -> Json:
        answer = self._http.get(f"{self.base_url}/{reference}")
        answer.raise_for_status()
        return answer.json()

    def search(self, kind: str, **params: str) -> list[Json]:
        """Every page."""
        found: list[Json] = []
        answer = self._http.get(f"{self.base_url}/{kind}", params={**params, "_count": "500"})
        while True:
            answer.raise_for_status()
            page = answer.json()
            found += [entry["resource"] for entry in page.get("entry", [])]
            following = next(
                (link["url"] for link in page.get("link", []) if link["relation"] == "next"), None
            )
            if following is None:
                return found
            answer = self._http.get(following)

    def versions_watched(self) -> int:
        """How many versions of watched types were ever written: so many notifications leave this server."""
        database = self._server.data_dir / "sekmet.db"
        marks = ",".join("?" * len(WATCHED))
        query = f"SELECT count(*) FROM versions WHERE deleted = 0 AND type IN ({marks})"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return int(connection.execute(query, WATCHED).fetchone()[0])

    def _done(self, answer: httpx.Response) -> None:
        assert answer.is_success, (
            f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}"
        )
        self.changed()


def _request(resource: Mapping[str, Any]) -> Json:
    put = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
    version = resource.get("meta", {}).get("versionId")
    return {**put, "ifMatch": f'W/"{version}"'} if version else put
