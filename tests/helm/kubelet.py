"""Starts the containers of a rendered pod as processes of this machine: their arguments, their environment and no other,
their secrets and folders as files, their probes, and an end as a node would ask for it.

What a node has and one machine has not is replaced in the open: mount paths become folders of this machine, and a port
becomes a free one. Must not add a setting of its own.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.helm.chart import ROOT, Manifest
from tests.helm.dockerfile import image_entrypoint, image_environment
from tests.processes import PATIENCE, eventually, free_port

PORTS = {"THROUGHLINE_PORT": "http", "THROUGHLINE_METRICS_PORT": "metrics", "THROUGHLINE_MLLP_PORT": "mllp"}
"""Which variable tells a process its port of which name."""


@dataclass
class Container:
    """One container of a pod, and the process that stands for it."""

    described: Manifest
    folders: Mapping[str, Path]
    """Mount path -> folder of this machine."""
    log_path: Path
    ports: Mapping[str, int]
    """Name of a port -> where it is on this machine."""
    extra: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return str(self.described["name"])

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    @property
    def command(self) -> list[str]:
        """`command` replaces the entrypoint of the image, `args` its arguments, as Kubernetes has it."""
        entrypoint = self.described.get("command") or image_entrypoint()
        here = {
            str(port["containerPort"]): str(self.ports[port["name"]])
            for port in self.described.get("ports", [])
        }
        arguments = [here.get(each, self._here(each)) for each in self.described.get("args", [])]
        return [*_on_this_machine(entrypoint), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """That of the image and that of the manifest; nothing of ours but where programs are."""
        said = {each["name"]: self._here(each["value"]) for each in self.described["env"]}
        ports = {name: str(self.ports[port]) for name, port in PORTS.items() if name in said}
        return {"PATH": "/usr/bin:/bin", **image_environment(), **said, **ports, **self.extra}

    def answers(self, probe: Manifest) -> bool:
        """One probe, once."""
        if "httpGet" in probe:
            url = f"http://127.0.0.1:{self.ports[probe['httpGet']['port']]}{probe['httpGet']['path']}"
            return _status(url) == 200
        if "tcpSocket" in probe:
            return _listens(self.ports[probe["tcpSocket"]["port"]])
        command = [self._here(each) for each in probe["exec"]["command"]]
        return subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, check=False).returncode == 0

    def kill(self) -> None:
        if self.process is not None and self.is_running():
            self.process.kill()
            self.process.wait()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def output(self) -> str:
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def _here(self, text: str) -> str:
        """Mount paths as they are on this machine; each once, for a folder here may itself lie below /tmp."""
        paths = "|".join(re.escape(path) for path in sorted(self.folders, key=len, reverse=True))
        return re.sub(rf"(?<![\w/.-])({paths})(?=/|\W|$)", lambda found: str(self.folders[found[0]]), text)


class RunningPod:
    """A pod whose containers run here. `secrets`: name -> key -> value, as somebody made them in the cluster, and
    ConfigMaps that the chart does not make."""

    def __init__(
        self,
        pod: Manifest,
        folder: Path,
        *,
        secrets: Mapping[str, Mapping[str, str]],
        config_maps: Sequence[Manifest] = (),
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """`extra`: for tests that freeze the clock; a rendered pod has none."""
        self.pod, self.folder = pod, folder
        self._secrets, self._config_maps = secrets, {m["metadata"]["name"]: m["data"] for m in config_maps}
        volumes = {each["name"]: self._volume(each) for each in pod["spec"].get("volumes", [])}
        self.containers = [self._container(each, volumes, extra or {}) for each in pod["spec"]["containers"]]

    def start(self) -> RunningPod:
        for container in self.containers:
            container.start()
        return self

    def wait_until_ready(self) -> RunningPod:
        """Startup, liveness and readiness probes as described; AssertionError with the log when a container ends."""
        for container in self.containers:
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                probe = container.described.get(kind)
                if probe:
                    passes = partial(self._passes, container, probe)
                    eventually(passes, every=0.2)
        return self

    def stop(self) -> list[int]:
        """SIGTERM, and the time that the pod is given; exit statuses. AssertionError when it would have been killed."""
        grace = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
        for container in self.containers:
            if container.process:
                container.process.send_signal(signal.SIGTERM)
        return [self._ended(container, grace) for container in self.containers]

    def kill(self) -> None:
        for container in self.containers:
            container.kill()

    def output(self) -> str:
        return "\n".join(container.output() for container in self.containers)

    def url(self, port: str = "http") -> str:
        return f"http://127.0.0.1:{self.containers[0].ports[port]}"

    # --- inside

    @staticmethod
    def _passes(container: Container, probe: Manifest) -> bool:
        assert container.is_running(), f"{container.name} ended:\n{container.output()}"
        return container.answers(probe)

    @staticmethod
    def _ended(container: Container, grace: float) -> int:
        assert container.process is not None
        try:
            return container.process.wait(grace)
        except subprocess.TimeoutExpired:
            container.process.kill()
            container.process.wait()
            raise AssertionError(
                f"{container.name} did not end within {grace} s:\n{container.output()}"
            ) from None

    def _container(
        self, described: Manifest, volumes: Mapping[str, Path], extra: Mapping[str, str]
    ) -> Container:
        return Container(
            described=described,
            folders={mount["mountPath"]: volumes[mount["name"]] for mount in described["volumeMounts"]},
            log_path=self.folder / f"{described['name']}.log",
            ports={port["name"]: free_port() for port in described.get("ports", [])},
            extra=extra,
        )

    def _volume(self, volume: Manifest) -> Path:
        path = self.folder / "volumes" / str(volume["name"])
        path.mkdir(parents=True)
        sources = [each["secret"] for each in volume.get("projected", {}).get("sources", [])]
        for secret in [*sources, *([volume["secret"]] if "secret" in volume else [])]:
            held = self._secrets[secret.get("name") or secret["secretName"]]
            self._write(path, held, secret["items"])
        if "configMap" in volume:
            name = volume["configMap"]["name"]
            data = self._config_maps.get(name) or self._secrets[name]
            self._write(path, data, volume["configMap"].get("items") or [{"key": k, "path": k} for k in data])
        return path

    @staticmethod
    def _write(folder: Path, data: Mapping[str, str], items: Sequence[Manifest]) -> None:
        for item in items:
            path = folder / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(data[item["key"]], encoding="utf-8")


def _on_this_machine(command: Sequence[str]) -> list[str]:
    """The programs of the image as they are in this environment."""
    program, *rest = command
    if program == "throughline":
        return [sys.executable, "-m", "service.app.cli", *rest]
    return [sys.executable if program == "python" else (shutil.which(program) or program), *rest]


def fetched(url: str) -> str:
    """What one address of a pod answers, as text."""
    opener: Any = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _status(url: str) -> int:
    opener: Any = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return int(opener.open(url, timeout=PATIENCE).status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0
