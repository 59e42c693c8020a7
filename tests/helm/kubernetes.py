"""Kubernetes' own schemas of three minor versions, and the shapes of the custom resources that the chart may render.

Unknown fields are errors: an API server would drop them in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

VERSIONS = ("1.30", "1.34", "1.37")
"""The oldest that Chart.yaml allows, one in between, and the newest whose schemas there are."""

DEFINITIONS = "/api/_definitions.json"
"""Where the schemas say that what they have in common stands."""

OBJECT: dict[str, Any] = {"type": "object"}
TEXTS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
DURATION: dict[str, Any] = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w))+$"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}


def problems(manifest: dict[str, Any], version: str) -> list[str]:
    """What the API server of that version would not take, or would not understand."""
    found = _validator(manifest["apiVersion"], manifest["kind"], version).iter_errors(manifest)
    return [f"{'.'.join(map(str, each.absolute_path))}: {each.message}" for each in found]


@cache
def _validator(api_version: str, kind: str, version: str) -> Validator:
    if (api_version, kind) in CUSTOM:
        return Draft202012Validator(CUSTOM[api_version, kind])
    folder = files(kubernetes_validate) / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = json.loads((folder / f"{kind.lower()}-{group}.json").read_text("utf-8"))
    return Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> Registry[Any]:
    folder = files(kubernetes_validate) / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    definitions = json.loads((folder / "_definitions.json").read_text("utf-8"))
    contents = Resource.from_contents(definitions, default_specification=DRAFT202012)
    return Registry().with_resource(DEFINITIONS, contents).crawl()


def closed(needed: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(needed),
        "properties": properties,
    }


def listed(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": item}


def custom(spec: dict[str, Any]) -> dict[str, Any]:
    metadata = closed(("name", "labels"), name=TEXT, labels=TEXTS, annotations=TEXTS)
    return closed(
        ("apiVersion", "kind", "metadata", "spec"), apiVersion=TEXT, kind=TEXT, metadata=metadata, spec=spec
    )


ROUTE_MATCH = closed(
    path=closed(type={"enum": ["Exact", "PathPrefix"]}, value={"type": "string", "pattern": "^/"})
)
PARENT = closed(("name",), name=TEXT, namespace=TEXT, sectionName=TEXT, group=TEXT, kind=TEXT, port=COUNT)
RULE = closed(
    ("expr",), alert=TEXT, record={"type": "string", "pattern": "^[a-zA-Z_:][a-zA-Z0-9_:]*$"}, expr=TEXT,
    labels=TEXTS, annotations=TEXTS, **{"for": DURATION},
)  # fmt: skip
TRIGGER = closed(
    ("type", "metadata"), type=TEXT, metadata=TEXTS, authenticationRef=closed(("name",), name=TEXT)
)

CUSTOM: dict[tuple[str, str], dict[str, Any]] = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): custom(
        closed(
            ("selector", "endpoints"),
            selector=closed(matchLabels=TEXTS, matchExpressions=listed(OBJECT)),
            namespaceSelector=closed(matchNames=listed(TEXT)),
            podTargetLabels=listed(TEXT),
            endpoints=listed(closed(("port",), port=TEXT, path=TEXT, interval=DURATION)),
        )
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): custom(
        closed(("groups",), groups=listed(closed(("name", "rules"), name=TEXT, interval=DURATION, rules=listed(RULE))))
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): custom(
        closed(
            ("scaleTargetRef", "triggers"),
            scaleTargetRef=closed(("name",), name=TEXT),
            minReplicaCount=COUNT, maxReplicaCount=COUNT, pollingInterval=COUNT, cooldownPeriod=COUNT,
            fallback=closed(
                ("failureThreshold", "replicas"), failureThreshold=COUNT, replicas=COUNT,
                behavior={"enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]},
            ),
            triggers=listed(TRIGGER),
        )
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): custom(
        closed(
            ("parentRefs",), parentRefs=listed(PARENT), hostnames=listed(TEXT),
            rules=listed(closed(
                matches=listed(ROUTE_MATCH),
                backendRefs=listed(closed(("name", "port"), name=TEXT, port=COUNT)),
            )),
        )
    ),
}  # fmt: skip
"""What the operators' definitions say of the fields that this chart uses; others are not allowed here."""


def duplicates(manifests: list[dict[str, Any]]) -> Iterator[str]:
    """Objects that would overwrite each other."""
    seen = set()
    for manifest in manifests:
        name = f"{manifest['kind']} {manifest['metadata']['name']}"
        if name in seen:
            yield name
        seen.add(name)
