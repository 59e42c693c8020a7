"""Every value set is rendered as Helm would, and what comes out is what Kubernetes takes."""

from __future__ import annotations

import json
import tomllib

import pytest
import yaml

from tests.helm.chart import CHART, ROOT, VALUE_SETS, chart, helm_python, rendered, values_of
from tests.helm.kubernetes import VERSIONS, duplicates, problems

SETS = [path.stem for path in VALUE_SETS]
NEWER_THAN = {"from-oci": "1.30"}
"""A value set that asks for what this version does not have yet: image volumes came with 1.31."""


def test_there_are_enough_kinds_of_installation():
    assert len(SETS) >= 8


@pytest.mark.parametrize("name", SETS)
def test_helm_finds_nothing_to_say(name):
    report = helm_python.lint(CHART, values_of(name), strict=True)
    said = [each for each in report["messages"] if "icon is recommended" not in each["error"]]
    assert said == []


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_manifest(version):
    """Manifests that several value sets have in common are looked at once."""
    different = {
        json.dumps(manifest, sort_keys=True): (name, manifest)
        for name in SETS
        if NEWER_THAN.get(name) != version
        for manifest in rendered(values_of(name))
    }
    found = {
        f"{name}: {manifest['kind']} {manifest['metadata']['name']}": problem
        for name, manifest in different.values()
        for problem in problems(manifest, version)
    }
    assert found == {}


@pytest.mark.parametrize(("name", "version"), NEWER_THAN.items())
def test_a_version_without_image_volumes_says_so(name, version):
    found = [problem for manifest in rendered(values_of(name)) for problem in problems(manifest, version)]
    assert found
    assert all("image" in problem for problem in found)


def test_a_field_that_kubernetes_does_not_have_is_noticed():
    deployment = next(m for m in rendered(values_of("trial")) if m["kind"] == "Deployment")
    deployment["spec"]["replicaz"] = 2
    deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "many"
    assert len(problems(deployment, "1.30")) == 2


@pytest.mark.parametrize("name", SETS)
def test_no_object_overwrites_another_and_all_say_whose_they_are(name):
    manifests = rendered(values_of(name))
    assert list(duplicates(manifests)) == []
    for manifest in manifests:
        labels = manifest["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "tl", manifest["metadata"]["name"]
        assert labels["app.kubernetes.io/name"] == "throughline"


def test_the_chart_is_of_the_same_version_as_the_application():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    described = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert described["appVersion"] == project["version"]


def test_the_same_values_make_the_same_manifests():
    """Nothing random and no time of day: an upgrade without a change restarts nothing."""
    first, second = (chart().render(values_of("hospital"), name="tl", namespace="care") for _ in range(2))
    assert first == second
