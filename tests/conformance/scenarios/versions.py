"""Custom resources in several versions, and fields of them that can be selected by."""

from __future__ import annotations

from typing import Any

from tests.conformance.exchange import Json, Scenario
from tests.conformance.scenarios.make import CRDS, TABLE, delete, get, named, namespace, patch, post, settle

DEFINITION = f"{CRDS}/riders.stable.example.com"
FULL: dict[str, Json] = {"both": "b", "v1": "1", "v2": "2", "greeting": "hi"}
WATCH = "?watch=1&timeoutSeconds=1&resourceVersion={{made:metadata.resourceVersion}}"


def riders(version: str) -> str:
    """Return the collection at a version."""
    return f"/apis/stable.example.com/{version}/namespaces/versions/riders"


def version(name: str, *, storage: bool) -> dict[str, Any]:
    """Return a version with a field of its own and a default of its own."""
    fields: dict[str, Json] = {
        "both": {"type": "string"},
        name: {"type": "string"},
        "greeting": {"type": "string", "default": f"hello from {name}"},
    }
    spec: dict[str, Json] = {"type": "object", "properties": fields}
    schema: dict[str, Json] = {"type": "object", "properties": {"spec": spec}}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema},
        "selectableFields": [{"jsonPath": f".spec.{name}"}, {"jsonPath": ".spec.greeting"}],
    }


def rider(at: str, name: str, spec: dict[str, Json]) -> dict[str, Any]:
    """Return an object of a version."""
    return named(f"stable.example.com/{at}", "Rider", name, spec=spec)


SCENARIOS = (
    Scenario(
        "versions",
        "Objects of a custom resource with two versions that differ, before and after the storage version moves.",
        (
            namespace("versions"),
            post(
                "define",
                CRDS,
                named(
                    "apiextensions.k8s.io/v1",
                    "CustomResourceDefinition",
                    "riders.stable.example.com",
                    spec={
                        "group": "stable.example.com",
                        "scope": "Namespaced",
                        "names": {"plural": "riders", "kind": "Rider"},
                        "versions": [version("v1", storage=True), version("v2", storage=False)],
                    },
                ),
            ),
            settle("served", riders("v2")),
        ),
        (
            post("made", riders("v2"), rider("v2", "by-v2", FULL)),
            post("by-v1", riders("v1"), rider("v1", "by-v1", FULL)),
            post("plain", riders("v2"), rider("v2", "plain", {})),
            get("v1-of-by-v1", f"{riders('v1')}/by-v1"),
            get("v2-of-by-v1", f"{riders('v2')}/by-v1"),
            get("v1-of-by-v2", f"{riders('v1')}/by-v2"),
            get("v1-of-plain", f"{riders('v1')}/plain"),
            get("list-v2", riders("v2")),
            get("watch-v2", riders("v2") + WATCH),
            get("watch-v1-table", riders("v1") + WATCH, accept=TABLE),
            get("select", f"{riders('v1')}?fieldSelector=spec.v1%3D1"),
            get("select-nothing", f"{riders('v1')}?fieldSelector=spec.v1%3D"),
            get("select-default", f"{riders('v2')}?fieldSelector=spec.greeting%3Dhello%20from%20v2"),
            get("select-not", f"{riders('v1')}?fieldSelector=spec.v1!%3D1,metadata.name!%3Dplain"),
            get("select-other-version", f"{riders('v2')}?fieldSelector=spec.v1%3D1"),
            get("select-undeclared", f"{riders('v1')}?fieldSelector=spec.both%3Db"),
            get("watch-selected", f"{riders('v1')}{WATCH}&fieldSelector=spec.v1%3D1"),
            delete("delete-selected", f"{riders('v1')}?fieldSelector=spec.greeting%3Dhello%20from%20v2"),
            patch(
                "move",
                DEFINITION,
                {
                    "spec": {
                        "versions": [
                            version("v1", storage=False),
                            version("v2", storage=True),
                            version("v3", storage=False),
                        ]
                    }
                },
            ),
            settle("moved", riders("v3")),
            get("moved-v1", f"{riders('v1')}/by-v1"),
            get("moved-v2", f"{riders('v2')}/by-v2"),
            patch("rewritten", f"{riders('v1')}/by-v1", {"spec": {"both": "b"}}),
            patch("untouched", f"{riders('v1')}/by-v2", {"spec": {"both": "b"}}),
            patch(
                "drop-v1",
                DEFINITION,
                {"spec": {"versions": [version("v2", storage=True), version("v3", storage=False)]}},
            ),
            patch("forget-v1", f"{DEFINITION}/status", {"status": {"storedVersions": ["v2"]}}),
            patch("forget-all", f"{DEFINITION}/status", {"status": {"storedVersions": []}}),
        ),
    ),
)
