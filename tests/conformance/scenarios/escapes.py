"""Custom resources at the edges: keys that Go's encoder escapes in owned fields, and scales in protobuf."""

from __future__ import annotations

from tests.conformance.exchange import Ask, Scenario
from tests.conformance.protobuf import MEDIA_TYPE
from tests.conformance.scenarios.make import APPLY, CRDS, crd, get, named, namespace, patch, post, settle

TEXT = {"type": "string"}
ITEM = {"type": "object", "required": ["a"], "properties": {"a": TEXT, "b": TEXT}}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "keyed": {
                    "type": "array",
                    "items": ITEM,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["a"],
                },
                "set": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
                "map": {"type": "object", "additionalProperties": TEXT},
            },
        }
    },
}
SCALE = {"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}
PATH = "/apis/stable.example.com/v1/namespaces/escapes/knobs"
# What Go escapes in JSON and others do not, what all escape, and what nobody does.
ODD = 'a<b>&c\u2028d\u2029e"f\\g\u00e9\u0001\u007f\t/'
SPEC = {"keyed": [{"a": ODD, "b": "<"}], "set": [ODD, "<&>"], "map": {ODD: "1"}, "replicas": 1}
EMPTIED = {"keyed": [{"a": "&"}], "set": [], "replicas": 1}


def knob(name: str, spec: dict[str, object]) -> dict[str, object]:
    """Return a custom resource."""
    return named("stable.example.com/v1", "Knob", name, spec=spec)


def apply(name: str, spec: dict[str, object], manager: str) -> Ask:
    """Apply the one object."""
    return patch(name, f"{PATH}/one?fieldManager={manager}", knob("one", spec), APPLY)


SCENARIOS = (
    Scenario(
        "escapes",
        "Keys that Go's encoder escapes in owned fields, and scales of custom resources in protobuf.",
        (
            namespace("escapes"),
            post("crd", CRDS, crd("knobs", "Knob", SCHEMA, subresources=SCALE)),
            settle("served", PATH),
        ),
        (
            post("posted", PATH, knob("two", SPEC)),
            apply("applied", SPEC, "one"),
            apply("conflict", {"keyed": [{"a": ODD, "b": ">"}]}, "two"),
            apply("shared", {"set": [ODD]}, "two"),
            apply("dropped", EMPTIED, "one"),
            get("after", f"{PATH}/one"),
            get("scale", f"{PATH}/two/scale"),
            get("scale-in-protobuf", f"{PATH}/two/scale", accept=MEDIA_TYPE),
            get("scale-in-protobuf-or-json", f"{PATH}/two/scale", accept=f"{MEDIA_TYPE},application/json"),
        ),
    ),
)
