"""Our receiving end as senders meet it, over real HTTP or in this process, and the hospital behind it that acts on it.

A town (shipped pathways, real decisions, a record in memory) whose notifications come in through the real web application.
"""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx
import uvicorn
from prometheus_client import CollectorRegistry

from service.app.subscription_secrets import secret, token, watches
from service.app.web import create_app, server_options
from service.app.work import Work
from service.domain.vocabulary import Reference
from service.fhir import systems
from service.fhir.references import identifier_values
from service.fhir.subscription_wanted import Wanted
from service.flow.receive import Limits
from service.flow.take_in import Events
from tests.fakes import FakeAsyncInbox
from tests.faults.site import AFTER_DISCHARGE
from tests.faults.town import Town
from tests.processes import PATIENCE, eventually

KEY = b"an installation key for conformance tests"
BASE = "https://record.example/fhir"
PATHWAY = "post-discharge-coordination"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"


class Hospital(Town):
    """A town that hears only what is sent to its web application."""

    def __init__(self, *wanted: Wanted, base_url: str = BASE) -> None:
        self.wanted = wanted or (Wanted(name="encounters", criteria="Encounter?"),)
        self.base_url = base_url
        super().__init__()
        self.app = create_app(
            watches=watches(self.wanted, [KEY]),
            inbox=FakeAsyncInbox(self.inbox),
            limits=Limits(),
            registry=CollectorRegistry(),
        )

    def new_worker(self) -> Work:
        """As in any town, with a record server that has an address."""
        work = super().new_worker()
        practice = replace(work.practice, catalogue=replace(work.practice.catalogue, base_url=self.base_url))
        canaries = frozenset(each.name for each in self.wanted if each.canary)
        self.work = replace(work, practice=practice, canaries=canaries, events=self.events)
        return self.work

    events: Events | None = None
    """What the server tells again when asked; None: it knows no such operation."""

    # --- the record

    def stay(self, id_: str, **changes: Any) -> dict[str, Any]:
        """Somebody's stay that has just ended, in the record."""
        self.record.put({"resourceType": "Patient", "id": f"p-{id_}"})
        stay = {
            "resourceType": "Encounter",
            "id": id_,
            "status": "finished",
            "class": {"system": ACT, "code": "IMP"},
            "subject": {"reference": f"Patient/p-{id_}"},
            "period": {"start": "2026-03-01T08:00:00-07:00", "end": self.clock.now().isoformat()},
            "reasonCode": [{"coding": [{"system": ICD, "code": "F33.2"}]}],
            **changes,
        }
        self.record.put(stay)
        return dict(self.record.read(Reference(f"Encounter/{id_}")))

    def follow_ups(self, id_: str) -> list[str]:
        prefix = f"{PATHWAY}/Encounter/{id_}/"
        values = (v for r in self.record.everything() for v in identifier_values(r, systems.FOLLOW_UP))
        return sorted(value.removeprefix(prefix) for value in values if value.startswith(prefix))

    def has_begun(self, id_: str) -> bool:
        """Whether exactly the follow-ups of a discharge are there, each once."""
        return self.follow_ups(id_) == sorted(AFTER_DISCHARGE)

    # --- the sender

    def sends(
        self,
        method: str,
        path: str = "",
        body: bytes = b"",
        *,
        name: str = "",
        proof: str = "header",
        **headers: str,
    ) -> httpx.Response:
        """One notification as a server would send it; `proof`: header, signature, hub-signature, address or wrong."""
        wanted = name or self.wanted[0].name
        url = f"http://throughline.test/notifications/{token(KEY, wanted)}{path}"
        return asyncio.run(self._ask(method, url, body, {**proved(wanted, body, proof), **headers}))

    async def _ask(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.request(method, url, content=body, headers=headers)

    def works(self) -> None:
        """Workers do all there is to do now; the sweep is not asked."""
        while self.is_busy():
            self.look()


def proved(name: str, body: bytes, proof: str) -> dict[str, str]:
    """The headers by which a sender shows that it is the server that was subscribed at."""
    known = secret(KEY, name)
    signed = hmac.new(known.encode(), body, sha256).hexdigest()
    return {
        "header": {"Authorization": f"Bearer {known}"},
        "signature": {"X-Signature": signed},
        "hub-signature": {"X-Hub-Signature": f"sha256={signed}"},
        "address": {},
        "wrong": {"Authorization": "Bearer wrong", "X-Signature": "0" * 64},
    }[proof]


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The application on a port of its own; its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on", **server_options())
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def until(look: Callable[[], Any]) -> Any:
    """What `look` finds as soon as there is something."""
    return eventually(look)
