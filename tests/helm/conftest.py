"""Starts pods of a release over real servers; what several files of this folder need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from service.adapters.embedded import EmbeddedRedis
from tests.helm.chart import of_kind, pod_of, rendered, with_five
from tests.helm.kubelet import RunningPod
from tests.sandbox import Sandbox

TRIAL = "redis://:trial@tl-throughline-redis:6379/0"
SECRET = {"secret-key": "tests-only-tests-only-tests-only", "fhir-token": "t0ken"}


@pytest.fixture
def installation(
    sandbox: Sandbox, valkey: EmbeddedRedis, tmp_path: Path
) -> Iterator[Callable[..., list[RunningPod]]]:
    """Starts pods of a release over real servers; all end with the test.

    `held`: further Secrets and ConfigMaps of the cluster, by name.
    """
    running: list[RunningPod] = []

    def start(
        *components: str,
        redis_url: str = valkey.url,
        held: Mapping[str, Mapping[str, str]] | None = None,
        **values: Any,
    ) -> list[RunningPod]:
        values = {
            "fhir": {"baseUrl": sandbox.base_url},
            "redis": {"keyPrefix": f"{tmp_path.name}:"},
            **values,
        }
        manifests = rendered(with_five(**values))
        for component in components:
            own = {**SECRET, "redis-url": TRIAL if component == "redis" else redis_url}
            pod = RunningPod(
                pod_of(manifests, component),
                tmp_path / f"{component}-{len(running)}",
                secrets={"throughline": own, **(held or {})},
                config_maps=of_kind(manifests, "ConfigMap"),
            )
            running.append(pod.start())
        return running[-len(components) :]

    with ExitStack() as stack:
        yield start
        for pod in running:
            stack.callback(pod.kill)
