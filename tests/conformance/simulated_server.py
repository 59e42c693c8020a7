"""A subscription server over real HTTP that behaves as the client suite of the Subscriptions test kit describes it.

Accepts one Subscription, answers 201 `requested`, shakes hands, sends one event whose content is what was asked for, and
keeps what it was sent and answered. What it accepts and sends was taken from the kit's checks, not from our own code.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx

from tests.processes import PATIENCE

PATH = "/custom/subscriptions_r5_backport_r4_client/fhir"
PROFILE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"


class SimulatedServer:
    """`token` identifies the run. `shakes_hands_first`: before the create is answered, as servers may."""

    def __init__(self, token: str, *, shakes_hands_first: bool = False) -> None:
        self.token, self.shakes_hands_first = token, shakes_hands_first
        self.subscription: dict[str, Any] | None = None
        self.created_with: list[dict[str, str]] = []
        """Headers of each create that was accepted."""
        self.refused: list[str] = []
        self.sent: list[tuple[dict[str, Any], httpx.Response]] = []
        """What was sent to the client's endpoint, and its answers."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._sender: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        if self._sender is not None:
            self._sender.join(PATIENCE)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}{PATH}"

    # --- its interactions

    def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, Any]]:
        if path == "metadata":
            return 200, {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}
        if (method, path) == ("POST", "Subscription"):
            return self._create(headers, body)
        known = self.subscription is not None and path.startswith(f"Subscription/{self.subscription['id']}")
        if known and method == "GET" and path.count("/") == 1:
            return 200, dict(self.subscription or {})
        if known and path.endswith("/$status"):
            return 200, {
                "resourceType": "Bundle",
                "type": "searchset",
                "entry": [{"resource": self._status("query-status", 1)}],
            }
        return 404, _outcome("not-found")

    def _create(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        asked = json.loads(body)
        why = self._refusal(asked)
        if headers.get("authorization") != f"Bearer {self.token}":
            return 401, _outcome("login")
        if why:
            self.refused.append(why)
            return 400, _outcome("invalid")
        self.created_with.append(headers)
        self.subscription = {
            **asked,
            "id": "one",
            "status": "requested",
            "meta": {**asked.get("meta", {}), "versionId": "1"},
        }
        if self.shakes_hands_first:
            self._run()
        else:
            self._sender = threading.Thread(target=self._run, daemon=True)
            self._sender.start()
        return 201, {**self.subscription, "status": "requested"}

    def _refusal(self, asked: dict[str, Any]) -> str:
        channel = asked.get("channel", {})
        if asked.get("resourceType") != "Subscription":
            return "not a Subscription"
        if channel.get("type") != "rest-hook":
            return "channel.type is not rest-hook"
        if not str(channel.get("endpoint")).startswith(("http://", "https://")):
            return "the endpoint is not http(s)"
        return "a Subscription already exists in the run" if self.subscription else ""

    # --- its notifications

    def _run(self) -> None:
        """Handshake, then the event; the kit goes on only after exactly 200."""
        with suppress(httpx.HTTPError):
            if self._send(self._bundle("handshake", 0)).status_code == 200 and self.subscription is not None:
                self.subscription["status"] = "active"
                self._send(self.event())

    def _send(self, bundle: dict[str, Any]) -> httpx.Response:
        assert self.subscription is not None
        channel = self.subscription["channel"]
        headers = dict(line.split(": ", 1) for line in channel.get("header", []))
        headers["Content-Type"] = channel["payload"]
        answer = httpx.post(
            channel["endpoint"],
            content=json.dumps(bundle).encode(),
            headers=headers,
            timeout=PATIENCE,
            trust_env=False,
        )
        self.sent.append((bundle, answer))
        return answer

    @property
    def content(self) -> str:
        """What the client asked for: empty, id-only or full-resource."""
        assert self.subscription is not None
        extensions = self.subscription["channel"]["_payload"]["extension"]
        return str(
            next(e["valueCode"] for e in extensions if e["url"] == f"{PROFILE}/backport-payload-content")
        )

    def event(self) -> dict[str, Any]:
        """One event in the content level that was asked for."""
        bundle = self._bundle("event-notification", 1)
        parts: list[dict[str, Any]] = [{"name": "event-number", "valueString": "1"}]
        full_url = f"{self.base_url}/Encounter/e1"
        entry: dict[str, Any] = {"fullUrl": full_url, "request": {"method": "POST", "url": "Encounter"},
                                 "response": {"status": "201"}}  # fmt: skip
        if self.content != "empty":
            parts.append({"name": "focus", "valueReference": {"reference": full_url}})
            bundle["entry"].append(entry)
        if self.content == "full-resource":
            entry["resource"] = {
                "resourceType": "Encounter",
                "id": "e1",
                "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
                "subject": {"reference": "Patient/p1"},
            }
        bundle["entry"][0]["resource"]["parameter"].append({"name": "notification-event", "part": parts})
        return bundle

    def _bundle(self, type_: str, since: int) -> dict[str, Any]:
        place = f"{self.base_url}/Subscription/one/$status"
        entry = {
            "fullUrl": "urn:uuid:b21e4fae-ce73-45cb-8e37-1e203362b2ae",
            "resource": self._status(type_, since),
            "request": {"method": "GET", "url": place},
            "response": {"status": "200"},
        }
        return {
            "resourceType": "Bundle",
            "type": "history",
            "timestamp": "2026-03-06T23:30:00Z",
            "entry": [entry],
        }

    def _status(self, type_: str, since: int) -> dict[str, Any]:
        assert self.subscription is not None
        return {
            "resourceType": "Parameters",
            "id": "b21e4fae-ce73-45cb-8e37-1e203362b2ae",
            "meta": {"profile": [f"{PROFILE}/backport-subscription-status-r4"]},
            "parameter": [
                {
                    "name": "subscription",
                    "valueReference": {"reference": f"{self.base_url}/Subscription/one"},
                },
                {"name": "topic", "valueCanonical": self.subscription["criteria"]},
                {"name": "status", "valueCode": "requested" if type_ == "handshake" else "active"},
                {"name": "type", "valueCode": type_},
                {"name": "events-since-subscription-start", "valueString": str(since)},
            ],
        }


def _outcome(code: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}


def _handler(server: SimulatedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0].removeprefix(PATH).strip("/")
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, resource = server.answer(self.command, path, headers, body)
            content = json.dumps(resource).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  (the names that http.server calls)

        def log_message(self, *_args: object) -> None:
            """Silent."""

    return Handler
