"""`helm upgrade` from any values to any others asks for nothing that Kubernetes lets nobody change."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from tests.helm.chart import VALUE_SETS, Manifest, rendered, values_of, with_five

SETS = [path.stem for path in VALUE_SETS if path.stem not in {"no-notifications", "trial"}]
"""The first has names of its own, so that nothing of it is upgraded; the second keeps no volume, which is chosen once."""
CHANGES: dict[str, dict[str, Any]] = {
    "a setting": {"logLevel": "DEBUG"},
    "another server": {"fhir": {"baseUrl": "https://other.example.org/r4"}},
    "another way in": {"fhir": {"auth": {"method": "privateKey", "clientId": "us"}}},
    "another version": {"image": {"tag": "9.9.9"}},
    "labels": {"commonLabels": {"team": "interfaces"}},
    "pathways": {"mappings": {"from": "files", "files": {"roles.yaml": ""}}},
    "a certificate": {"redis": {"tls": {"existingSecret": "redis-tls"}}},
    "environment": {"extraEnv": [{"name": "A", "value": "b"}]},
    "the user": {"podSecurityContext": {"runAsUser": 20001}},
}


def frozen(manifest: Manifest) -> Any:
    """What the API server refuses to change in an object of that kind."""
    spec = manifest.get("spec", {})
    match manifest["kind"]:
        case "Job":
            return spec["template"]
        case "Deployment":
            return spec["selector"]
        case "StatefulSet":
            may_change = {"replicas", "template", "updateStrategy", "ordinals", "minReadySeconds"}
            return {name: value for name, value in spec.items() if name not in may_change}
        case "Service":
            return spec.get("clusterIP")
        case _:
            return None


def refused(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Objects that an upgrade would ask Kubernetes to change, and that it would not."""
    first, second = (
        {f"{m['kind']} {m['metadata']['name']}": frozen(m) for m in rendered(values)}
        for values in (before, after)
    )
    return [name for name in first.keys() & second.keys() if first[name] != second[name]]


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_any_change_can_be_upgraded_to(change):
    assert refused(with_five(), with_five(**change)) == []


def test_every_kind_of_installation_can_become_every_other():
    found = {f"{a} to {b}": refused(values_of(a), values_of(b)) for a, b in permutations(SETS, 2)}
    assert {way: names for way, names in found.items() if names} == {}


def test_what_kubernetes_would_refuse_would_be_noticed():
    """The volume of the bundled Redis is one: whether there is one is chosen once."""
    assert refused(values_of("trial"), values_of("trial-kept")) == ["StatefulSet tl-throughline-redis"]
