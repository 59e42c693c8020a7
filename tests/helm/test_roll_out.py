"""A roll-out as Kubernetes does it, on processes and under load: the new pod is ready before the old one is asked to end."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

import httpx
import pytest

from scripts.chart_files import as_values
from service.adapters.redis_connection import Keys, connect
from service.app.subscriptions import secret, token
from service.app.wiring import open_queue
from tests.faults.site import AFTER_DISCHARGE, KEY, open_site
from tests.faults.standing import wrong_with
from tests.helm.chart import COMPONENTS, of_kind, pod_of, rendered, with_five
from tests.helm.kubelet import RunningPod
from tests.processes import PATIENCE, eventually

pytestmark = pytest.mark.slow
BETWEEN_DISCHARGES = 0.25
PATHWAY = "post-discharge-coordination"


@dataclass
class Service:
    """Whom a notification is sent to: the pods that are ready, in turn, as the Service in the chart chooses them."""

    pods: list[RunningPod] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    in_hand: Counter[int] = field(default_factory=Counter)
    turn: int = 0

    def take(self) -> RunningPod:
        with self.lock:
            self.turn += 1
            pod = self.pods[self.turn % len(self.pods)]
            self.in_hand[id(pod)] += 1
            return pod

    def answered(self, pod: RunningPod) -> None:
        with self.lock:
            self.in_hand[id(pod)] -= 1

    def add(self, pod: RunningPod) -> None:
        with self.lock:
            self.pods.append(pod)

    def remove(self, pod: RunningPod) -> None:
        """As the preStop pause of the chart does: until nobody sends there any more."""
        with self.lock:
            self.pods.remove(pod)
        eventually(lambda: not self.in_hand[id(pod)])


class Hospital(threading.Thread):
    """Discharges people and tells of each, once, until it is asked to stop. A refused notification is never repeated."""

    def __init__(self, site, service):
        super().__init__()
        self._site, self._service = site, service
        self._stop_asked = threading.Event()
        self.told: list[tuple[str, str]] = []
        """(Encounter, how the notification was answered)"""

    def run(self):
        with httpx.Client(trust_env=False, timeout=PATIENCE) as http:
            while not self._stop_asked.wait(BETWEEN_DISCHARGES):
                person, stay = self._site.discharge()
                self.told.append((stay, self._tell(http, stay, person)))

    def _tell(self, http, stay, person):
        pod = self._service.take()
        try:
            answer = http.put(
                f"{pod.url()}/notifications/{token(KEY, 'encounters')}/{stay}",
                content=json.dumps(
                    {
                        "resourceType": "Encounter",
                        "id": stay.partition("/")[2],
                        "subject": {"reference": person},
                    }
                ),
                headers={
                    "Authorization": f"Bearer {secret(KEY, 'encounters')}",
                    "Content-Type": "application/fhir+json",
                },
            )
        except httpx.HTTPError as failure:
            return type(failure).__name__
        finally:
            self._service.answered(pod)
        return str(answer.status_code)

    def stop(self):
        self._stop_asked.set()
        self.join(2 * PATIENCE)


@pytest.fixture
def site(tmp_path):
    with open_site(tmp_path) as site:
        yield site


def one_pathway():
    """So that most of the time is spent on rolling out. A ConfigMap, as a site would have it."""
    files = as_values("mappings")["mappings"]["files"]
    kept = {
        path: text
        for path, text in files.items()
        if "/" not in path or PATHWAY in path or "pathways/" not in path
    }
    return {"from": "files", "files": kept}


@pytest.fixture
def release(site, tmp_path):
    """Starts the pods of one revision of the release, by component."""
    with ExitStack() as stack:

        def start(revision, **values):
            manifests = rendered(
                with_five(
                    fhir={"baseUrl": site.fhir.base_url, "auth": {"method": "none"}},
                    timezone="America/Denver", accountablePractitioner="", catchUpSeconds=3600,
                    mappings=one_pathway(), **values,
                )
            )  # fmt: skip
            pods = {}
            for component in COMPONENTS:
                pods[component] = RunningPod(
                    pod_of(manifests, component),
                    tmp_path / f"{revision}-{component}",
                    config_maps=of_kind(manifests, "ConfigMap"),
                    secrets={"throughline": {"secret-key": KEY.decode(), "redis-url": site.redis.url}},
                    extra={"THROUGHLINE_CLOCK_FILE": str(site.clock_file)},
                ).start()
                stack.callback(pods[component].kill)
            return pods

        yield start


def test_a_roll_out_under_load_loses_nothing_and_does_nothing_twice(site, release):
    service = Service()
    old = release("old")
    for pod in old.values():
        pod.wait_until_ready()
    service.add(old["web"])
    hospital = Hospital(site, service)
    hospital.start()
    try:
        eventually(lambda: site.names("CarePlan"), every=0.1)  # the old worker is at work

        new = release("new", logLevel="DEBUG")
        ended = {}
        for component in ("worker", "web", "scheduler"):
            new[component].wait_until_ready()
            if component == "web":
                service.add(new["web"])
                service.remove(old["web"])
            ended[component] = old[component].stop()

        before = len(hospital.told)
        eventually(lambda: len(hospital.told) >= before + 3)  # the new ones alone
    finally:
        hospital.stop()
    stays = [stay for stay, _ in hospital.told]
    eventually(lambda: len(site.names("CarePlan")) >= len(stays), every=0.2)
    site.settle()

    assert Counter(answer for _, answer in hospital.told) == {"200": len(stays)}
    assert stored_and_left(site) == (len(stays), 0)
    assert {stay: site.follow_ups(stay) for stay in stays} == {
        stay: sorted(AFTER_DISCHARGE) for stay in stays
    }
    assert Counter(site.names("CarePlan")) == Counter(f"{PATHWAY}/{stay}" for stay in stays)
    assert wrong_with(site.everything()) == []
    with open_queue(site.settings) as queue:
        assert queue.dead_letters.size() == 0
    assert all(status in (0, -15) for statuses in ended.values() for status in statuses)
    assert [pod for pods in (old, new) for pod in pods.values() if "Traceback" in pod.output()] == []


def stored_and_left(site):
    """(notifications ever stored, notifications not taken in yet) by Redis' own count."""
    with connect(site.redis.url) as client:
        stream = client.xinfo_stream(Keys().inbox)
    return stream["entries-added"], stream["length"]
