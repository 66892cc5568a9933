"""What the server says about itself: discovery in both forms, versions, health, unknown paths."""

from __future__ import annotations

from tests.conformance.exchange import Scenario
from tests.conformance.scenarios.make import (
    AGGREGATED,
    CRDS,
    SERVED_GROUPS,
    crd,
    get,
    post,
    settle,
)

WIDGET = crd(
    "gauges",
    "Gauge",
    {
        "type": "object",
        "description": "Gauge measures something.",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "description": "What is wanted.",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "format": "int32", "description": "How big."},
                    "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                    "port": {"x-kubernetes-int-or-string": True},
                    "note": {"type": "string", "nullable": True},
                    "tags": {
                        "type": "array",
                        "items": {"type": "string"},
                        "x-kubernetes-list-type": "set",
                    },
                    "extra": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            },
            "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
        },
    },
    subresources={
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.size",
            "statusReplicasPath": ".status.replicas",
        },
    },
)
WIDGET["spec"]["names"] |= {"shortNames": ["gg"], "categories": ["all"]}

SCENARIOS = (
    Scenario(
        "discovery-legacy",
        "The plain discovery documents.",
        (),
        (
            get("api", "/api"),
            get("apis", "/apis"),
            get("api-v1", "/api/v1"),
            *(
                get(f"group-{gv.split('/', maxsplit=1)[0]}", f"/apis/{gv.split('/', maxsplit=1)[0]}")
                for gv in SERVED_GROUPS
            ),
            *(get(f"resources-{gv}", f"/apis/{gv}") for gv in SERVED_GROUPS),
            get("yaml", "/apis/coordination.k8s.io/v1", accept="application/yaml"),
        ),
    ),
    Scenario(
        "discovery-aggregated",
        "The aggregated discovery documents, and what is sent instead of versions no longer served.",
        (),
        (
            get("api", "/api", accept=AGGREGATED),
            get("apis", "/apis", accept=f"{AGGREGATED},application/json"),
            get("beta-with-fallback", "/api", accept=AGGREGATED.replace("v2", "v2beta1") + ",application/json"),
            get("beta-alone", "/api", accept=AGGREGATED.replace("v2", "v2beta1")),
        ),
    ),
    Scenario(
        "discovery-custom-resource",
        "How a custom resource shows up in discovery and OpenAPI.",
        (
            post("crd", CRDS, WIDGET),
            settle("served", "/apis/stable.example.com/v1"),
            settle("openapi", "/openapi/v3/apis/stable.example.com/v1"),
        ),
        (
            get("group", "/apis/stable.example.com"),
            get("resources", "/apis/stable.example.com/v1"),
            get("openapi-v3", "/openapi/v3/apis/stable.example.com/v1"),
        ),
    ),
    Scenario(
        "non-resource",
        "Version, health and paths nobody serves.",
        (),
        (
            get("version", "/version"),
            get("version-anonymous", "/version", user="anonymous"),
            get("healthz", "/healthz"),
            get("healthz-anonymous", "/healthz", user="anonymous"),
            get("livez-verbose", "/livez?verbose"),
            get("livez-ping", "/livez/ping"),
            get("livez-unknown", "/livez/nope"),
            get("readyz-exclude", "/readyz?exclude=nope"),
            get("root", "/"),
            get("unknown-root", "/nope"),
            get("unknown-group", "/apis/nope.example.com"),
            get("unknown-group-version", "/apis/nope.example.com/v1"),
            get("unknown-version", "/apis/rbac.authorization.k8s.io/v2"),
            get("unknown-core-version", "/api/v2"),
            get("unknown-resource", "/api/v1/nopes"),
            get("unknown-resource-namespaced", "/api/v1/namespaces/default/nopes"),
            get("unknown-resource-in-unknown-group", "/apis/nope.example.com/v1/things/x"),
            get("unknown-subresource", "/api/v1/namespaces/default/nope"),
            get("metrics-as-alice", "/metrics", user="alice"),
            get("version-as-alice", "/version", user="alice"),
            get("apis-anonymous", "/apis", user="anonymous"),
            get("unknown-root-anonymous", "/nope", user="anonymous"),
            get("jwks-anonymous", "/openid/v1/jwks", user="anonymous"),
            get("openid-configuration", "/.well-known/openid-configuration"),
        ),
    ),
)
