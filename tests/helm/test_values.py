"""What may be set: closed, documented, and refused with the remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from scripts.chart_values_table import TARGET, document, rows
from tests.helm.chart import CHART, refusal, rendered, values_of, with_five

SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
ELSEWHERE = {"$ref": "#/$defs/elsewhere"}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return SCHEMA["$defs"][name] if name else schema


def open_places(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Objects with named keys that would take a misspelt one."""
    schema = resolved(schema)
    if "properties" in schema and schema.get("additionalProperties") is not False:
        yield path
    for name, below in schema.get("properties", {}).items():
        yield from open_places(below, f"{path}.{name}")


def paths(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Where the schema and the values differ in what there is."""
    declared = {name for name, below in resolved(schema).get("properties", {}).items() if below != ELSEWHERE}
    if not declared:
        return
    yield from (f"{path}{name} is only in values.yaml" for name in values.keys() - declared)
    yield from (
        f"{path}{name} is only in the schema" for name in declared - values.keys() - {"global", "apply"}
    )
    for name in values.keys() & declared:
        if isinstance(values[name], dict):
            yield from paths(values[name], resolved(schema)["properties"][name], f"{path}{name}.")


def test_a_misspelt_key_is_refused_wherever_it_stands():
    assert list(open_places(SCHEMA)) == []
    assert "at '/web': additional properties 'replica' not allowed" in refusal(with_five(web={"replica": 3}))


def test_the_schema_and_the_values_know_the_same_keys():
    assert list(paths(VALUES, SCHEMA)) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "fhir.baseUrl is missing: set it to the base address of your FHIR server, e.g. --set fhir.baseUrl=https://fhir.example.org/r4"),
        ({}, "existingSecret is missing: make a Secret with the keys secret-key, redis-url and fhir-token, and name it, e.g. --set existingSecret=throughline"),
        ({"existingSecret": "", "redis": {"existingSecret": "redis"}}, "secretKey.existingSecret is missing: name the Secret that holds the installation key under secret-key, or set existingSecret"),
        ({"existingSecret": "", "redis": {"existingSecret": "redis"}}, "fhir.auth.existingSecret is missing: name the Secret that holds the token under fhir-token, or set existingSecret; a server that asks for none: fhir.auth.method=none"),
        ({"publicUrl": "throughline.example.org"}, 'publicUrl cannot be "throughline.example.org": set it to the address at which the FHIR server reaches Throughline, e.g. https://throughline.example.org'),
        ({"accountablePractitioner": "123"}, 'accountablePractitioner cannot be "123": set it to the reference of the person who holds what nobody else holds, e.g. Practitioner/123'),
        ({"image": {"repository": "throughline:1"}}, 'image.repository cannot be "throughline:1": set it to the name of an image without a tag, e.g. registry.example.org/throughline; tag and digest have values of their own'),
        ({"image": {"repository": ""}}, "image.repository is missing: set it to the name of the image, e.g. registry.example.org/throughline"),
        ({"replicaCount": 3}, "replicaCount is not a value of this chart: set web.replicas, worker.replicas and scheduler.replicas."),
        ({"fhir": {"token": "hidden"}}, "fhir.token is not a value of this chart: secrets are never values. Put it into a Secret under the key fhir-token, and name that in existingSecret or fhir.auth.existingSecret."),
        ({"redis": {"password": "hidden"}}, "redis.password is not a value of this chart: secrets are never values. It is part of the address: put redis://:<password>@<host>:6379/0 into a Secret under the key redis-url, and name that in existingSecret or redis.existingSecret."),
        ({"secretKey": {"value": "hidden"}}, "secretKey.value is not a value of this chart: secrets are never values. Put it into a Secret under the key secret-key, and name that in existingSecret or secretKey.existingSecret."),
        ({"ingress": {"hosts": []}}, "ingress.hosts is not a value of this chart: name the one host in ingress.host; that of publicUrl is taken when it is empty."),
        ({"web": {"terminationGracePeriodSeconds": 10}}, "web.terminationGracePeriodSeconds is 10, so work in hand would be cut off: set it to 25 or more"),
        ({"leaseSeconds": 120}, "worker.terminationGracePeriodSeconds is 90, so work in hand would be cut off: set it to 140 or more"),
        ({"worker": {"autoscaling": {"by": "keda"}}}, "worker.autoscaling.keda.prometheusAddress is missing although worker.autoscaling.by is keda: set it to your Prometheus, e.g. http://prometheus.monitoring:9090"),
        ({"worker": {"autoscaling": {"minReplicas": 9}}}, "worker.autoscaling.minReplicas is more than its maxReplicas: raise maxReplicas to 9 or more"),
        ({"gateway": {"enabled": True}}, "gateway.parentRefs is missing although gateway.enabled: name your Gateway, e.g. --set gateway.parentRefs[0].name=public"),
        ({"publicUrl": "https://example.org/care", "ingress": {"enabled": True}}, "publicUrl ends in /care, but the Ingress and the route serve at the root of a host: set it to an address without a path"),
        ({"publicUrl": "", "ingress": {"enabled": True}}, "publicUrl is missing although ingress.enabled: set it to the address at which the FHIR server reaches Throughline, e.g. https://throughline.example.org"),
        ({"prometheusRule": {"enabled": True}}, "prometheusRule.runbookUrl is missing although prometheusRule.enabled: say where you keep docs/runbooks.md, so that each alert can link to its heading"),
        ({"mappings": {"from": "git"}}, "mappings.git.revision is missing although mappings.from is git: set it to a tag or commit"),
        ({"mappings": {"from": "oci"}}, "mappings.oci.reference is missing although mappings.from is oci: name the image that holds the folder, by its digest if you can"),
        ({"subscriptions": {"from": "configMap"}}, "subscriptions.configMap.name is missing although subscriptions.from is configMap: name the ConfigMap"),
        ({"mappings": {"from": "files"}}, "mappings.files is missing although mappings.from is files: python -m scripts.chart_files mappings writes it from a folder"),
        ({"mappings": {"from": "files", "files": {"a__b.yaml": ""}}}, "mappings.files has a__b.yaml: two underscores stand for a folder in a ConfigMap, so a name may not have them: rename the file"),
        ({"mappings": {"from": "files", "files": {"../a.yaml": ""}}}, "mappings.files has ../a.yaml: name a file by its path in the folder, e.g. pathways/after-care/pathway.yaml"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_said_with_its_remedy(values, said):
    why = refusal(with_five(**values) if values else {})
    assert f"  - {said}\n" in why
    assert "hidden" not in why


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"logLevel": "info"}, "at '/logLevel': value must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
        ({"worker": {"autoscaling": {"by": "kedda"}}}, "at '/worker/autoscaling/by': value must be one of 'none', 'keda', 'hpa'"),
        ({"web": {"port": "8080"}}, "at '/web/port': got string, want integer"),
        ({"scheduler": {"replicas": 0}}, "at '/scheduler/replicas': minimum: got 0, want 1"),
    ],
)  # fmt: skip
def test_what_is_no_such_value_is_said_with_what_would_be(values, said):
    assert said in refusal(with_five(**values))


def test_everything_wrong_is_said_at_once():
    why = refusal({"replicaCount": 3, "timezone": "in Denver"})
    assert why.count("\n  - ") == 4


def test_five_values_are_enough():
    assert len(values_of("five-values")) == 5
    assert rendered(values_of("five-values"))


def test_the_table_of_values_is_that_of_the_file():
    """To fix: .venv/bin/python -m scripts.chart_values_table"""
    assert TARGET.read_text("utf-8") == document(TARGET.read_text("utf-8"))


def test_every_value_is_explained():
    assert [row.name for row in rows() if not row.says] == []
