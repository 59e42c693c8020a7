"""What a security reviewer asks of a manifest: the Pod Security Standard "restricted", and what scanners add to it.

Each rule names the check of a well-known scanner that it answers, so that its report and this one can be laid side by
side (`make chart-policy` runs that scanner itself).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.helm.chart import Manifest, containers


class Severity(StrEnum):
    """By what may follow."""

    HIGH = "high"
    """Whoever breaks in reaches the node, the cluster or other people's data."""
    MEDIUM = "medium"
    """One pod can harm the others, or a fault stays unseen."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    sentence: str
    severity: Severity
    scanner: str
    breaks: Callable[[Manifest], bool]
    """Of a pod (metadata and spec)."""


def each_container(breaks: Callable[[Manifest, Manifest], bool]) -> Callable[[Manifest], bool]:
    return lambda pod: any(breaks(container, pod) for container in containers(pod))


def serving(breaks: Callable[[Manifest], bool]) -> Callable[[Manifest], bool]:
    """Only pods that stay: a Job and a test end by themselves."""
    return lambda pod: (
        pod["spec"].get("restartPolicy") != "Never" and any(breaks(c) for c in pod["spec"]["containers"])
    )


def secured(container: Manifest, pod: Manifest, name: str) -> Any:
    """A container's own word goes before the pod's."""
    own = container.get("securityContext", {}).get(name)
    return own if own is not None else pod["spec"].get("securityContext", {}).get(name)


def limit(container: Manifest, kind: str, what: str) -> Any:
    return container.get("resources", {}).get(kind, {}).get(what)


def capabilities(container: Manifest) -> dict[str, list[str]]:
    found: dict[str, list[str]] = container.get("securityContext", {}).get("capabilities", {})
    return found


def sees_a_secret(container: Manifest, _pod: Manifest) -> bool:
    """The git user name is no secret, and git-sync takes it in no other way."""
    named = [each for each in container.get("env", []) if "secretKeyRef" in each.get("valueFrom", {})]
    return any(each["name"] != "GITSYNC_USERNAME" for each in named) or bool(container.get("envFrom"))


def host_path(pod: Manifest) -> bool:
    return any("hostPath" in volume for volume in pod["spec"].get("volumes", []))


HIGH, MEDIUM = Severity.HIGH, Severity.MEDIUM
RULES = (
    Rule(sentence="runs as root", severity=HIGH, scanner="CKV_K8S_23",
         breaks=each_container(lambda c, p: secured(c, p, "runAsNonRoot") is not True)),
    Rule(sentence="may gain rights", severity=HIGH, scanner="CKV_K8S_20",
         breaks=each_container(lambda c, p: secured(c, p, "allowPrivilegeEscalation") is not False)),
    Rule(sentence="is privileged", severity=HIGH, scanner="CKV_K8S_16",
         breaks=each_container(lambda c, p: bool(secured(c, p, "privileged")))),
    Rule(sentence="keeps capabilities", severity=HIGH, scanner="CKV_K8S_37",
         breaks=each_container(lambda c, p: capabilities(c).get("drop") != ["ALL"])),
    Rule(sentence="adds capabilities", severity=HIGH, scanner="CKV_K8S_25",
         breaks=each_container(lambda c, p: bool(capabilities(c).get("add")))),
    Rule(sentence="can change its own files", severity=HIGH, scanner="CKV_K8S_22",
         breaks=each_container(lambda c, p: secured(c, p, "readOnlyRootFilesystem") is not True)),
    Rule(sentence="has no seccomp profile", severity=HIGH, scanner="CKV_K8S_31",
         breaks=each_container(lambda c, p: (secured(c, p, "seccompProfile") or {}).get("type") != "RuntimeDefault")),
    Rule(sentence="holds a token of the cluster", severity=HIGH, scanner="CKV_K8S_38",
         breaks=lambda pod: pod["spec"].get("automountServiceAccountToken") is not False),
    Rule(sentence="shares the node's network, processes or memory", severity=HIGH, scanner="CKV_K8S_17..19",
         breaks=lambda pod: any(pod["spec"].get(n) for n in ("hostNetwork", "hostPID", "hostIPC"))),
    Rule(sentence="mounts the node's files", severity=HIGH, scanner="CKV_K8S_29", breaks=host_path),
    Rule(sentence="opens a port of the node", severity=HIGH, scanner="CKV_K8S_26",
         breaks=each_container(lambda c, p: any("hostPort" in port for port in c.get("ports", [])))),
    Rule(sentence="has a secret in its environment", severity=HIGH, scanner="CKV_K8S_35",
         breaks=each_container(sees_a_secret)),
    Rule(sentence="may take all the memory", severity=MEDIUM, scanner="CKV_K8S_13",
         breaks=each_container(lambda c, p: not limit(c, "limits", "memory"))),
    Rule(sentence="does not say what it needs", severity=MEDIUM, scanner="CKV_K8S_10",
         breaks=each_container(lambda c, p: not (limit(c, "requests", "cpu") and limit(c, "requests", "memory")))),
    Rule(sentence="is not restarted when it hangs", severity=MEDIUM, scanner="CKV_K8S_8",
         breaks=serving(lambda c: "livenessProbe" not in c)),
    Rule(sentence="counts as ready before it is", severity=MEDIUM, scanner="CKV_K8S_9",
         breaks=serving(lambda c: "readinessProbe" not in c)),
    Rule(sentence="is of no version", severity=MEDIUM, scanner="CKV_K8S_14",
         breaks=each_container(lambda c, p: c["image"].endswith(":latest") or not {":", "@"} & set(c["image"]))),
    Rule(sentence="learns the addresses of its neighbours", severity=MEDIUM, scanner="-",
         breaks=lambda pod: pod["spec"].get("enableServiceLinks") is not False),
)  # fmt: skip


def findings(pod: Manifest) -> Iterator[Rule]:
    return (rule for rule in RULES if rule.breaks(pod))
