"""The chart rendered by Helm's own code, without a cluster: value sets, manifests, and what is inside them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

helm_python = pytest.importorskip("helm_python", reason="Helm's own renderer has no wheel for this machine")

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "throughline"
VALUE_SETS = sorted((Path(__file__).parent / "values").glob("*.yaml"), key=lambda path: path.name)
NAMESPACE = "care"
COMPONENTS = ("web", "worker", "scheduler")

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as quick, where PyYAML was built with it."""

Manifest = dict[str, Any]
Values = Mapping[str, Any]


@cache
def chart() -> Any:
    return helm_python.Chart.load(CHART)


def values_of(name: str) -> dict[str, Any]:
    path = next(path for path in VALUE_SETS if path.stem == name)
    return dict(yaml.safe_load(path.read_text("utf-8")))


def rendered(values: Values) -> list[Manifest]:
    """Every manifest of a release called `tl`, in the order of the files; the caller's own, to change as they like."""
    return copy.deepcopy(_rendered(json.dumps(values, sort_keys=True)))


@cache
def _rendered(values: str) -> list[Manifest]:
    texts = chart().render(json.loads(values), name="tl", namespace=NAMESPACE)
    return [
        manifest
        for path, text in sorted(texts.items())
        if path.endswith(".yaml")
        for manifest in yaml.load_all(text, Loader=LOADER)
        if manifest
    ]


def notes(values: Values) -> str:
    return str(
        chart().render(dict(values), name="tl", namespace=NAMESPACE)["throughline/templates/NOTES.txt"]
    )


def refusal(values: Values) -> str:
    """Why Helm does not take these values."""
    try:
        rendered(values)
    except helm_python.HelmError as failure:
        return str(failure)
    raise AssertionError("these values are taken")


def with_five(**more: Any) -> dict[str, Any]:
    """The five values that make a deployment, with `more` on top, one level deep."""
    values = values_of("five-values")
    for name, value in more.items():
        both = isinstance(value, dict) and isinstance(values.get(name), dict)
        values[name] = {**values[name], **value} if both else value
    return values


def one(manifests: list[Manifest], kind: str, ending: str = "") -> Manifest:
    """The one manifest of that kind whose name ends so."""
    found = of_kind(manifests, kind)
    chosen = [m for m in found if m["metadata"]["name"].endswith(ending)]
    assert len(chosen) == 1, f"{len(chosen)} of {kind} {ending}: {[m['metadata']['name'] for m in found]}"
    return chosen[0]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [m for m in manifests if m["kind"] == kind]


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """(component, pod with metadata and spec) of whatever makes pods."""
    for manifest in manifests:
        pod = manifest if manifest["kind"] == "Pod" else manifest.get("spec", {}).get("template")
        if pod and "containers" in pod.get("spec", {}):
            yield pod["metadata"]["labels"]["app.kubernetes.io/component"], pod


def pod_of(manifests: list[Manifest], component: str) -> Manifest:
    return next(pod for name, pod in pods(manifests) if name == component)


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(pod: Manifest) -> dict[str, str]:
    """Plain variables of the first container."""
    return {each["name"]: each.get("value", "") for each in pod["spec"]["containers"][0]["env"]}
