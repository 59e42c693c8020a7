"""What a security reviewer looks for, in every value set."""

from __future__ import annotations

import copy

import pytest

from service.app.settings import secret_names, variable
from tests.helm.chart import (
    VALUE_SETS,
    containers,
    environment,
    of_kind,
    one,
    pod_of,
    pods,
    rendered,
    values_of,
    with_five,
)
from tests.helm.policies import RULES, Severity, findings

SECRETS = {variable(name) for name in secret_names()}
SETS = [path.stem for path in VALUE_SETS]


@pytest.mark.parametrize("name", SETS)
def test_a_reviewer_finds_nothing(name):
    found = {
        component: [f"{rule.severity}: {rule.sentence}" for rule in findings(pod)]
        for component, pod in pods(rendered(values_of(name)))
    }
    assert {component: said for component, said in found.items() if said} == {}


def harmed():
    """(rule, a pod of ours that breaks it)"""
    [(_, pod)] = [each for each in pods(rendered(with_five())) if each[0] == "web"]
    changes = {
        "runs as root": lambda c, s: s["securityContext"].pop("runAsNonRoot"),
        "may gain rights": lambda c, s: c["securityContext"].pop("allowPrivilegeEscalation"),
        "is privileged": lambda c, s: c["securityContext"].update(privileged=True),
        "keeps capabilities": lambda c, s: c["securityContext"].pop("capabilities"),
        "adds capabilities": lambda c, s: c["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
        "can change its own files": lambda c, s: c["securityContext"].pop("readOnlyRootFilesystem"),
        "has no seccomp profile": lambda c, s: s["securityContext"].pop("seccompProfile"),
        "holds a token of the cluster": lambda c, s: s.pop("automountServiceAccountToken"),
        "shares the node's network, processes or memory": lambda c, s: s.update(hostNetwork=True),
        "mounts the node's files": lambda c, s: s["volumes"].append({"name": "n", "hostPath": {"path": "/"}}),
        "opens a port of the node": lambda c, s: c["ports"][0].update(hostPort=80),
        "has a secret in its environment": lambda c, s: c.update(envFrom=[{"secretRef": {"name": "s"}}]),
        "may take all the memory": lambda c, s: c["resources"].pop("limits"),
        "does not say what it needs": lambda c, s: c["resources"].pop("requests"),
        "is not restarted when it hangs": lambda c, s: c.pop("livenessProbe"),
        "counts as ready before it is": lambda c, s: c.pop("readinessProbe"),
        "is of no version": lambda c, s: c.update(image="throughline:latest"),
        "learns the addresses of its neighbours": lambda c, s: s.pop("enableServiceLinks"),
    }
    for rule in RULES:
        bad = copy.deepcopy(pod)
        changes[rule.sentence](bad["spec"]["containers"][0], bad["spec"])
        yield pytest.param(rule, bad, id=rule.sentence)


@pytest.mark.parametrize(("rule", "pod"), list(harmed()))
def test_a_reviewer_would_find(rule, pod):
    assert list(findings(pod)) == [rule]


def test_what_matters_most_is_judged_high():
    assert sum(rule.severity is Severity.HIGH for rule in RULES) >= 10


@pytest.mark.parametrize("name", SETS)
def test_no_manifest_carries_a_secret(name):
    manifests = rendered(values_of(name))
    assert of_kind(manifests, "Secret") == []
    for _, pod in pods(manifests):
        plain = [
            each["name"]
            for container in containers(pod)
            for each in container.get("env", [])
            if each.get("value") and (each["name"] in SECRETS or "PASSWORD" in each["name"].split("_")[-1:])
        ]
        assert plain == []


def test_each_component_is_told_only_what_it_needs():
    manifests = rendered({**values_of("messages"), "subscriptions": {"apply": True}})
    held = {
        component: sorted(
            item["path"]
            for volume in pod["spec"]["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
            for item in source["secret"]["items"]
        )
        for component, pod in pods(manifests)
    }
    assert held == {
        "web": ["fhir-token", "redis-url", "secret-key"],
        "worker": ["fhir-token", "redis-url", "secret-key"],
        "scheduler": ["redis-url"],
        "mllp": ["redis-url"],
        "subscriptions": ["fhir-token", "redis-url", "secret-key"],
        "doctor": ["fhir-token", "redis-url", "secret-key"],
    }
    for component in ("scheduler", "mllp"):
        told = environment(pod_of(manifests, component))
        assert not [name for name in told if "FHIR" in name or "SECRET_KEY" in name]


def test_secrets_of_their_own_are_taken_from_there():
    manifests = rendered(values_of("hospital"))
    [(_, web)] = [each for each in pods(manifests) if each[0] == "web"]
    [sources] = [v["projected"]["sources"] for v in web["spec"]["volumes"] if "projected" in v]
    assert {s["secret"]["name"]: [(i["key"], i["path"]) for i in s["secret"]["items"]] for s in sources} == {
        "redis": [("url", "redis-url")],
        "fhir": [("token", "fhir-token")],
        "installation": [("now", "secret-key"), ("before", "secret-key-previous")],
    }
    assert environment(web)["THROUGHLINE_SECRET_KEY_PREVIOUS_FILE"].endswith("/secret-key-previous")


def test_the_service_account_has_no_rights_and_no_token():
    manifests = rendered(with_five())
    assert one(manifests, "ServiceAccount")["automountServiceAccountToken"] is False
    assert [m["kind"] for m in manifests if "Role" in m["kind"]] == []


def test_on_openshift_the_namespace_chooses_the_user():
    for _, pod in pods(rendered(values_of("openshift"))):
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(pod["spec"]["securityContext"])
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
