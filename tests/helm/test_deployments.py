"""How the pods are run, scaled, taken away and replaced."""

from __future__ import annotations

import pytest
import yaml

from scripts.chart_files import as_values, main
from tests.helm.chart import (
    COMPONENTS,
    environment,
    of_kind,
    one,
    pod_of,
    rendered,
    values_of,
    with_five,
)


def deployment(values, component):
    return one(rendered(values), "Deployment", f"-{component}")


def template(values, component):
    return deployment(values, component)["spec"]["template"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_new_pod_is_ready_before_an_old_one_is_asked_to_end(component):
    spec = deployment(with_five(), component)["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert "readinessProbe" in spec["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("component", COMPONENTS)
def test_there_are_two_of_everything_and_they_are_kept_apart(component):
    spec = deployment(with_five(), component)["spec"]
    assert spec["replicas"] == 2
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    assert all(each["labelSelector"]["matchLabels"] == spec["selector"]["matchLabels"] for each in spread)


def test_web_serves_on_until_nobody_sends_there_any_more():
    pod = template(with_five(), "web")["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= pause + 20  # ten of them for the requests in hand


def test_a_worker_has_time_to_finish_what_a_lease_allows():
    pod = template(with_five(leaseSeconds=60), "worker")["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 60 + 20


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_drain_of_nodes_takes_one_pod_at_a_time_and_is_never_stuck(component):
    budget = one(rendered(with_five()), "PodDisruptionBudget", f"-{component}")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert budget["selector"]["matchLabels"]["app.kubernetes.io/component"] == component


# --- scaling


def test_web_scales_by_its_processor_and_then_nobody_else_counts_its_pods():
    values = values_of("hospital")
    scaler = one(rendered(values), "HorizontalPodAutoscaler", "-web")["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment(values, "web")["metadata"]["name"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)
    assert "replicas" not in deployment(values, "web")["spec"]


def test_workers_scale_by_what_waits_with_keda():
    scaled = one(rendered(values_of("hospital")), "ScaledObject")["spec"]
    assert [(t["metadata"]["query"], t["metadata"]["threshold"]) for t in scaled["triggers"]] == [
        ('max(throughline_behind_seconds{namespace="care"})', "30"),
        ('max(throughline_inbox_size{namespace="care"})', "200"),
    ]
    assert scaled["fallback"]["replicas"] == scaled["minReplicaCount"] == 2
    assert "replicas" not in deployment(values_of("hospital"), "worker")["spec"]


def test_workers_scale_by_what_waits_with_an_autoscaler_of_kubernetes():
    scaled = one(rendered(values_of("hpa")), "HorizontalPodAutoscaler")["spec"]
    wanted = {
        m["external"]["metric"]["name"]: m["external"]["target"]["averageValue"] for m in scaled["metrics"]
    }
    assert wanted == {"throughline_inbox_size": "500", "throughline_behind_seconds": "30"}
    assert "replicas" not in deployment(values_of("hpa"), "worker")["spec"]


def test_one_way_of_scaling_at_a_time():
    kinds = {
        by: sorted(m["kind"] for m in rendered(values_of(by)) if m["kind"] in {"ScaledObject", "HorizontalPodAutoscaler"})
        for by in ("hospital", "hpa", "five-values")
    }  # fmt: skip
    assert kinds == {
        "hospital": ["HorizontalPodAutoscaler", "ScaledObject"],  # web by one, workers by the other
        "hpa": ["HorizontalPodAutoscaler"],
        "five-values": [],
    }


# --- what a change rolls


OTHER = {"from": "files", "files": {"pathways/a/pathway.yaml": "x"}}


def rolled(before, after):
    return {c for c in COMPONENTS if template(before, c) != template(after, c)}


def test_a_change_of_the_pathways_rolls_those_who_read_them():
    first = with_five(mappings=OTHER)
    second = with_five(mappings={**OTHER, "files": {"pathways/a/pathway.yaml": "y"}})
    assert rolled(first, second) == {"web", "worker"}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("from-git", {"git": {**values_of("from-git")["mappings"]["git"], "revision": "v13"}}),
        (
            "from-oci",
            {"oci": {"reference": "registry.example.org/pathways@sha256:" + "3" * 64, "path": "mappings"}},
        ),
        ("own-files", {"revision": "a ConfigMap was changed by hand"}),
    ],
)
def test_a_new_revision_rolls_the_pods(name, change):
    values = values_of(name)
    assert rolled(values, {**values, "mappings": {**values["mappings"], **change}}) == {"web", "worker"}


def test_what_is_not_used_rolls_nothing():
    assert rolled(with_five(), with_five(mappings={"git": {"revision": "v9"}})) == set()
    assert rolled(with_five(), with_five(prometheusRule={"labels": {"a": "b"}})) == set()


def test_each_process_restarts_for_its_own_settings_only():
    assert rolled(with_five(), with_five(catchUpSeconds=10)) == {"scheduler"}
    assert rolled(with_five(), with_five(maxBodyBytes=9_000_000)) == {"web"}
    assert rolled(with_five(), with_five(worker={"concurrency": 8})) == {"worker"}


def job_name(values):
    jobs = of_kind(rendered(values), "Job")
    return jobs[0]["metadata"]["name"] if jobs else None


def test_the_fhir_server_is_asked_again_when_what_is_asked_for_changes_and_only_then():
    first = job_name(with_five())
    assert first == job_name(with_five(lookbackDays=30, worker={"concurrency": 8}, web={"replicas": 3}))
    changed = [
        job_name(with_five(**values))
        for values in (
            {"publicUrl": "https://other.example.org"},
            {"subscriptions": OTHER},
            {"subscriptions": {"revision": "again"}},
            {"secretKey": {"previousKey": "before"}},
        )
    ]
    assert len({first, *changed}) == 5
    assert job_name(with_five(publicUrl="")) is None
    assert job_name(with_five(subscriptions={"apply": False})) is None


# --- definitions


def test_files_in_the_values_are_folders_again_in_the_pod():
    manifests = rendered(values_of("own-files"))
    data = one(manifests, "ConfigMap", "-mappings")["data"]
    assert data["pathways__after-care__pathway.yaml"] == "pathway: after-care\n"
    [volume] = [v for v in pod_of(manifests, "worker")["spec"]["volumes"] if v["name"] == "mappings"]
    items = {item["key"]: item["path"] for item in volume["configMap"]["items"]}
    assert items == {
        "roles.yaml": "roles.yaml",
        "pathways__after-care__pathway.yaml": "pathways/after-care/pathway.yaml",
    }
    assert items.keys() == data.keys()


def test_a_folder_becomes_values_that_the_chart_takes(tmp_path, capsys):
    (tmp_path / "pathways" / "a" / "cases").mkdir(parents=True)
    (tmp_path / "pathways" / "a" / "pathway.yaml").write_text("pathway: å\n", encoding="utf-8")
    (tmp_path / "pathways" / "a" / "cases" / "one.yaml").write_text("left out", encoding="utf-8")
    (tmp_path / "README.md").write_text("left out", encoding="utf-8")
    assert main(["mappings", str(tmp_path)]) == 0
    values = yaml.safe_load(capsys.readouterr().out)
    assert values == {"mappings": {"from": "files", "files": {"pathways/a/pathway.yaml": "pathway: å\n"}}}
    assert one(rendered(with_five(**values)), "ConfigMap")["data"] == {
        "pathways__a__pathway.yaml": "pathway: å\n"
    }


def test_published_versions_come_along_with_their_digests_and_the_current_one_only_once(tmp_path, capsys):
    kept = tmp_path / "pathways" / "a" / "versions"
    kept.mkdir(parents=True)
    (kept.parent / "pathway.yaml").write_text("version: 2\n", encoding="utf-8")
    (kept / "2.yaml").write_text("version: 2\n", encoding="utf-8")
    (kept / "1.yaml").write_text("version: 1\n", encoding="utf-8")
    (kept / "SHA256SUMS").write_text("digests\n", encoding="utf-8")
    assert main(["mappings", str(tmp_path)]) == 0
    files = yaml.safe_load(capsys.readouterr().out)["mappings"]["files"]
    assert sorted(files) == [
        "pathways/a/pathway.yaml", "pathways/a/versions/1.yaml", "pathways/a/versions/SHA256SUMS",
    ]  # fmt: skip


def test_a_folder_that_no_config_map_could_hold_is_refused_with_what_to_do_instead(tmp_path, capsys):
    (tmp_path / "big.yaml").write_text("x" * 2_000_000, encoding="utf-8")
    assert main(["mappings", str(tmp_path)]) == 1
    assert (
        "are more than a ConfigMap can hold (1048576). Use mappings.from: git or oci instead."
        in capsys.readouterr().err
    )
    assert main([]) == 2


def test_the_folders_that_came_along_fit():
    for what in ("mappings", "subscriptions"):
        assert rendered(with_five(**as_values(what)))


def test_git_is_fetched_once_at_a_commit_before_the_processes_start():
    pod = pod_of(rendered(values_of("from-git")), "worker")
    fetch = pod["spec"]["initContainers"][0]
    assert fetch["args"][:2] == ["--repo=https://git.example.org/pathways.git", "--ref=v12"]
    assert "--one-time" in fetch["args"]
    assert environment(pod)["THROUGHLINE_MAPPINGS_DIR"].startswith("/etc/throughline/mappings/current/")
    assert "initContainers" not in pod_of(rendered(values_of("from-git")), "scheduler")["spec"]


# --- Redis


def test_the_certificates_of_redis_are_where_the_readme_says():
    pod = pod_of(rendered(values_of("hospital")), "scheduler")["spec"]
    [volume] = [v["secret"] for v in pod["volumes"] if v["name"] == "redis-tls"]
    assert {i["key"]: i["path"] for i in volume["items"]} == {
        "ca.crt": "ca.crt", "tls.crt": "tls.crt", "tls.key": "tls.key",
    }  # fmt: skip
    mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    assert mounts["redis-tls"] == "/etc/throughline/redis-tls"


def test_the_bundled_redis_keeps_its_file_on_a_volume_unless_told_otherwise():
    kept = one(rendered(values_of("trial-kept")), "StatefulSet")["spec"]
    [claim] = kept["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert "volumeClaimTemplates" not in one(rendered(values_of("trial")), "StatefulSet")["spec"]
    assert of_kind(rendered(with_five()), "StatefulSet") == []
