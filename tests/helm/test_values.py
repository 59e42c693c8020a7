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
        ({"existingSecret": "", "fhir": {"auth": {"method": "clientSecret", "clientId": "us"}}}, "existingSecret is missing: make a Secret with the keys secret-key, redis-url and fhir-client-secret, and name it, e.g. --set existingSecret=throughline"),
        ({"existingSecret": "", "fhir": {"auth": {"method": "none"}}}, "existingSecret is missing: make a Secret with the keys secret-key and redis-url, and name it, e.g. --set existingSecret=throughline"),
        ({"existingSecret": "", "redis": {"existingSecret": "redis"}}, "secretKey.existingSecret is missing: name the Secret that holds the installation key under secret-key, or set existingSecret"),
        ({"existingSecret": "", "redis": {"existingSecret": "redis"}}, "fhir.auth.existingSecret is missing: name the Secret that holds the token under fhir-token, or set existingSecret; a server that asks for none: fhir.auth.method=none"),
        ({"existingSecret": "", "redis": {"existingSecret": "redis"}, "fhir": {"auth": {"method": "privateKey", "clientId": "us"}}}, "fhir.auth.existingSecret is missing: name the Secret that holds the private key under fhir-private-key, or set existingSecret; a server that asks for none: fhir.auth.method=none"),
        ({"fhir": {"auth": {"method": "privateKey"}}}, "fhir.auth.clientId is missing although fhir.auth.method is privateKey: set it to the client id that came with the registration"),
        ({"fhir": {"auth": {"method": "certificate"}}}, "fhir.clientCertificate.existingSecret is missing although fhir.auth.method is certificate: name the Secret that holds our certificate under tls.crt and its private key under tls.key"),
        ({"fhir": {"auth": {"clientId": "us"}}}, "fhir.auth.clientId means nothing while fhir.auth.method is token: set fhir.auth.method to privateKey or clientSecret or certificate, or leave it empty"),
        ({"fhir": {"auth": {"method": "clientSecret", "clientId": "us", "keyId": "1"}}}, "fhir.auth.keyId means nothing while fhir.auth.method is clientSecret: set fhir.auth.method to privateKey, or leave it empty"),
        ({"fhir": {"auth": {"method": "certificate", "tokenUrl": "https://login.example.org"}, "clientCertificate": {"existingSecret": "ours"}}}, "fhir.auth.clientId is missing although a token is to be asked for (fhir.auth.tokenUrl, fhir.auth.scope): set it to the client id that came with the registration"),
        ({"fhir": {"auth": {"method": "clientSecret", "clientId": "us", "tokenUrl": "login.example.org"}}}, 'fhir.auth.tokenUrl cannot be "login.example.org": set it to the address of the token endpoint, e.g. https://login.example.org/token'),
        ({"fhir": {"auth": {"clientSecret": "hidden"}}}, "fhir.auth.clientSecret is not a value of this chart: secrets are never values. Put it into a Secret under the key fhir-client-secret, and name that in existingSecret or fhir.auth.existingSecret."),
        ({"fhir": {"ca": {"existingSecret": "a", "configMap": "b"}}}, "fhir.ca.existingSecret and fhir.ca.configMap are both set: leave the one empty that does not hold the authority"),
        ({"traces": {"endpoint": "collector:4318"}}, 'traces.endpoint cannot be "collector:4318": set it to the address that takes traces as OTLP over HTTP, e.g. http://collector.tracing:4318/v1/traces'),
        ({"mllp": {"enabled": True}}, "mllp.tls.existingSecret is missing although mllp.enabled: name the Secret that holds the certificate under tls.crt and its private key under tls.key; in clear, where nobody else can listen: mllp.tls.enabled=false"),
        ({"mllp": {"enabled": True}}, "networkPolicy.ingress.mllp is missing although mllp.enabled: say where your interface engine is, e.g. --set networkPolicy.ingress.mllp[0].ipBlock.cidr=192.0.2.7/32"),
        ({"mllp": {"enabled": True}, "mappings": {"from": "files", "files": {"roles.yaml": ""}}}, "mappings.files has no senders.yaml although mllp.enabled, so nobody may send: add it (docs/messages.md)"),
        ({"mllp": {"enabled": True, "port": 9090}}, "mllp.port and metrics.port are both 9090: set one of them to another port"),
        ({"mllp": {"enabled": True, "service": {"nodePort": 30575}}}, "mllp.service.nodePort is set although mllp.service.type is ClusterIP: set the type to NodePort or LoadBalancer, or leave it empty"),
        ({"mllp": {"enabled": True, "service": {"loadBalancerSourceRanges": ["192.0.2.0/24"]}}}, "mllp.service.loadBalancerSourceRanges is set although mllp.service.type is ClusterIP: set the type to LoadBalancer, or leave them empty"),
        ({"mllp": {"tls": {"enabled": False, "clientCaKey": "ca.crt"}}}, "mllp.tls.clientCaKey is set although mllp.tls.enabled is false, so nobody would be asked for a certificate: set mllp.tls.enabled=true"),
        ({"mllp": {"enabled": True, "drainSeconds": 30}}, "mllp.terminationGracePeriodSeconds is 40, so work in hand would be cut off: set it to 50 or more"),
        ({"traces": {"endpoint": "http://collector:4317"}}, 'traces.endpoint cannot be "http://collector:4317": set it to the address that takes traces as OTLP over HTTP, e.g. http://collector.tracing:4318/v1/traces'),
        ({"image": {"tag": "latest"}}, "image.tag is latest, which moves: name a version, or set image.digest"),
        ({"mappings": {"from": "git", "git": {"repository": "https://git.example.org/p.git", "revision": "main", "image": "i"}}}, "mappings.git.revision is main, a branch, which moves: set it to a tag or commit, and to another one for each change"),
        ({"mappings": {"from": "git", "git": {"repository": "git@git.example.org:p.git", "revision": "v1", "image": "i"}}}, 'mappings.git.repository cannot be "git@git.example.org:p.git": set it to the https address of the repository, and existingSecret to a Secret with username and password if it asks for them'),
        ({"subscriptions": {"from": "oci", "oci": {"reference": "registry.example.org/s:latest"}}}, "subscriptions.oci.reference ends in latest, which moves: name a version, or better a digest"),
        ({"publicUrl": "https://[2001:db8::1]:8443", "ingress": {"enabled": True}}, "publicUrl has a number for a host, and an Ingress or a route needs a name: set it to an address with a name, or ingress.host or gateway.hostnames"),
        ({"existingSecret": "Throughline"}, 'existingSecret cannot be "Throughline": set it to the name of a Secret: small letters, digits, dashes and dots'),
        ({"redis": {"tls": {"existingSecret": "redis_tls"}}}, 'redis.tls.existingSecret cannot be "redis_tls": set it to the name of a Secret: small letters, digits, dashes and dots'),
        ({"redis": {"tls": {"existingSecret": "redis", "certKey": "tls.crt"}}}, "redis.tls.keyKey is missing although redis.tls.certKey is set: name the key of the private key that goes with the certificate"),
        ({"extraEnv": [{"name": "THROUGHLINE_FHIR_AUTH_TOKEN", "value": "hidden"}]}, "extraEnv sets THROUGHLINE_FHIR_AUTH_TOKEN: settings are values of this chart, and secrets are files from a Secret that a value names; README.md, Settings and values, says which"),
        ({"podSecurityContext": {"runAsUser": 0}}, "podSecurityContext would let the pods run as root: set runAsNonRoot to true, and runAsUser to 10001 or, where the cluster chooses, to null"),
        ({"podSecurityContext": {"runAsNonRoot": False}}, "podSecurityContext would let the pods run as root: set runAsNonRoot to true, and runAsUser to 10001 or, where the cluster chooses, to null"),
        ({"securityContext": {"privileged": True}}, "securityContext.privileged is true, and nothing here needs it: set it to false"),
        ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "commonLabels has app.kubernetes.io/name, by which Services and network policies choose the pods: take another label"),
        ({"web": {"podLabels": {"app.kubernetes.io/component": "x"}}}, "web.podLabels has app.kubernetes.io/component, by which Services and network policies choose the pods: take another label"),
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
        ({"worker": {"resources": {"limits": {"memory": "lots"}}}}, "at '/worker/resources/limits/memory': 'lots' does not match pattern"),
        ({"networkPolicy": {"egress": {"fhir": {"to": [{"ipBlock": {"cidr": "192.0.2.1"}}]}}}}, "at '/networkPolicy/egress/fhir/to/0/ipBlock/cidr': '192.0.2.1' does not match pattern"),
        ({"networkPolicy": {"ingress": {"mllp": [{}]}}}, "at '/networkPolicy/ingress/mllp/0': minProperties: got 0, want 1"),
    ],
)  # fmt: skip
def test_what_is_no_such_value_is_said_with_what_would_be(values, said):
    assert said in refusal(with_five(**values))


@pytest.mark.parametrize(
    "path", ["web", "fhir", "redis", "mllp", "traces", "fhir.auth", "fhir.ca", "redis.bundled", "web.autoscaling", "leaseSeconds", "logLevel"]
)  # fmt: skip
def test_a_value_that_is_taken_away_or_of_an_older_chart_is_missed_by_its_name(path):
    """As with `helm upgrade --reuse-values`, which keeps the values that a newer chart brings along from coming in."""
    where, _, name = path.rpartition(".")
    values: dict[str, Any] = {name: None}
    for part in reversed(where.split(".") if where else []):
        values = {part: values}
    place = "".join(f"/{part}" for part in where.split(".") if part)
    assert f"at '{place}': missing property '{name}'" in refusal({**values_of("five-values"), **values})


def test_no_page_recommends_an_upgrade_that_leaves_new_values_out():
    pages = [CHART / "README.md", *(CHART.parents[1] / "docs").glob("*.md"), CHART.parents[1] / "README.md"]
    advised = [
        line
        for page in pages
        for line in page.read_text("utf-8").splitlines()
        if " helm upgrade" in f" {line}"
    ]
    assert advised
    assert [line for line in advised if " --reuse-values" in line] == []


def test_everything_wrong_is_said_at_once():
    why = refusal({"replicaCount": 3, "timezone": "in Denver"})
    assert why.count("\n  - ") == 5


def test_five_values_are_enough():
    assert len(values_of("five-values")) == 5
    assert rendered(values_of("five-values"))


def test_the_table_of_values_is_that_of_the_file():
    """To fix: .venv/bin/python -m scripts.chart_values_table"""
    assert TARGET.read_text("utf-8") == document(TARGET.read_text("utf-8"))


def test_every_value_is_explained():
    assert [row.name for row in rows() if not row.says] == []
