"""CustomResourceDefinitions: their lives and everything that makes one invalid."""

from __future__ import annotations

from typing import Any

from tests.conformance.exchange import Ask, Json, Scenario
from tests.conformance.scenarios.make import (
    CORE,
    CRDS,
    TABLE,
    crd,
    delete,
    get,
    named,
    namespace,
    object_schema,
    patch,
    post,
    put,
    settle,
)

LAMP = crd(
    "lamps",
    "Lamp",
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "watts": {"type": "integer", "default": 60},
                    "on": {"type": "boolean"},
                    "socket": {
                        "type": "object",
                        "default": {},
                        "properties": {"kind": {"type": "string", "default": "E27"}},
                    },
                },
            },
            "status": {
                "type": "object",
                "properties": {"burning": {"type": "integer"}, "selector": {"type": "string"}},
            },
        },
    },
    subresources={
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.watts",
            "statusReplicasPath": ".status.burning",
            "labelSelectorPath": ".status.selector",
        },
    },
)
LAMP["spec"]["names"] |= {"singular": "lamp", "shortNames": ["lp"], "categories": ["lights"]}
LAMPS = "/apis/stable.example.com/v1/namespaces/definitions/lamps"


def lamp(name: str, **fields: Json) -> dict[str, Any]:
    """Return a Lamp."""
    return named("stable.example.com/v1", "Lamp", name, **fields)


def changed(**spec: Json) -> dict[str, Any]:
    """Return a CRD whose spec has other values; None removes a field."""
    body = crd("fans", "Fan")
    body["spec"] = {k: v for k, v in {**body["spec"], **spec}.items() if v is not None}
    return body


def named_crd(name: str, **fields: Json) -> dict[str, Any]:
    """Return a CRD with another object name and other entries in `spec.names`."""
    body = crd("fans", "Fan")
    body["metadata"]["name"] = name
    body["spec"]["names"] |= fields
    return body


def root(**schema: Json) -> dict[str, Any]:
    """Return a CRD with a root schema."""
    return crd("fans", "Fan", {"type": "object", **schema})


def prop(**schema: Json) -> dict[str, Any]:
    """Return a CRD whose `spec.x` has the schema."""
    return crd("fans", "Fan", object_schema({"x": schema}))


def version(**fields: Json) -> dict[str, Any]:
    """Return a CRD whose version has more fields."""
    return crd("fans", "Fan", None, **fields)


def versions(*names: tuple[str, bool, bool]) -> dict[str, Any]:
    """Return a CRD with versions given as (name, served, storage)."""
    schema = {"openAPIV3Schema": {"type": "object"}}
    return changed(
        versions=[{"name": n, "served": served, "storage": storage, "schema": schema} for n, served, storage in names]
    )


COLUMN = {"name": "X", "type": "string", "jsonPath": ".spec.x"}
INVALID = {
    "name": named_crd("wrong.stable.example.com"),
    "name-uppercase": named_crd("Fans.stable.example.com"),
    "group-without-dot": changed(group="stable"),
    "group-invalid": changed(group="Stable_Example.com"),
    "group-missing": changed(group=None),
    "group-protected": {**changed(group="stable.k8s.io"), "metadata": {"name": "fans.stable.k8s.io"}},
    "group-protected-annotation": {
        **changed(group="stable.k8s.io"),
        "metadata": {"name": "fans.stable.k8s.io", "annotations": {"api-approved.kubernetes.io": "nope"}},
    },
    "scope": changed(scope="Galaxy"),
    "scope-missing": changed(scope=None),
    "names-missing": changed(names=None),
    "kind-missing": changed(names={"plural": "fans"}),
    "kind-invalid": named_crd("fans.stable.example.com", kind="1Fan_"),
    "kind-is-list-kind": named_crd("fans.stable.example.com", listKind="Fan"),
    "singular-invalid": named_crd("fans.stable.example.com", singular="Fan_"),
    "short-name-invalid": named_crd("fans.stable.example.com", shortNames=["F_"]),
    "category-invalid": named_crd("fans.stable.example.com", categories=["F_"]),
    "versions-missing": changed(versions=None),
    "versions-empty": changed(versions=[]),
    "version-name": versions(("V_1", True, True)),
    "version-twice": versions(("v1", True, True), ("v1", True, False)),
    "no-storage": versions(("v1", True, False)),
    "two-storage": versions(("v1", True, True), ("v2", True, True)),
    "schema-missing": changed(versions=[{"name": "v1", "served": True, "storage": True}]),
    "schema-empty": changed(versions=[{"name": "v1", "served": True, "storage": True, "schema": {}}]),
    "schema-missing-in-second": changed(
        versions=[
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            },
            {"name": "v2", "served": True, "storage": False},
        ]
    ),
    "preserve-unknown-fields": changed(preserveUnknownFields=True),
    "conversion-strategy": changed(conversion={"strategy": "Magic"}),
    "conversion-webhook": changed(conversion={"strategy": "Webhook"}),
    "conversion-none-with-webhook": changed(
        conversion={"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}}
    ),
    "deprecation-warning": version(deprecationWarning="gone"),
    "root-type-missing": crd("fans", "Fan", {"properties": {"spec": {"type": "object"}}}),
    "root-type-string": crd("fans", "Fan", {"type": "string"}),
    "property-type-missing": prop(description="x"),
    "property-type-unknown": prop(type="text"),
    "items-missing": prop(type="array"),
    "items-type-missing": prop(type="array", items={}),
    "items-array": prop(type="array", items=[{"type": "string"}]),
    "properties-and-additional": prop(
        type="object", properties={"a": {"type": "string"}}, additionalProperties={"type": "string"}
    ),
    "additional-properties-false": prop(type="object", additionalProperties=False),
    "root-additional-properties": root(additionalProperties={"type": "string"}),
    "reference": prop(**{"$ref": "#/definitions/x"}),
    "definitions": root(definitions={"x": {"type": "string"}}),
    "pattern-properties": prop(type="object", patternProperties={"a": {"type": "string"}}),
    "unique-items": prop(type="array", items={"type": "string"}, uniqueItems=True),
    "nullable-root": root(nullable=True),
    "pattern": prop(type="string", pattern="("),
    "pattern-lookahead": prop(type="string", pattern="(?!a)"),
    "any-of-type": prop(type="string", anyOf=[{"type": "string"}]),
    "any-of-default": prop(type="string", anyOf=[{"default": "x"}]),
    "all-of-unknown-property": prop(type="object", allOf=[{"properties": {"a": {"minLength": 1}}}]),
    "not-description": prop(type="string", **{"not": {"description": "x"}}),
    "metadata-restricted": root(
        properties={"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}
    ),
    "metadata-name": root(
        properties={"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}}
    ),
    "kind-property": root(properties={"kind": {"type": "integer"}}),
    "default-type": prop(type="integer", default="a"),
    "default-unknown-field": prop(type="object", properties={"a": {"type": "string"}}, default={"b": "1"}),
    "default-out-of-enum": prop(type="string", enum=["a"], default="b"),
    "default-in-metadata": root(properties={"metadata": {"type": "object", "default": {}}}),
    "enum-duplicate": prop(type="string", enum=["a", "a"]),
    "enum-wrong-type": prop(type="string", enum=[1]),
    "list-type": prop(type="array", items={"type": "string"}, **{"x-kubernetes-list-type": "bag"}),
    "list-type-on-object": prop(type="object", **{"x-kubernetes-list-type": "set"}),
    "list-map-without-keys": prop(type="array", items={"type": "object"}, **{"x-kubernetes-list-type": "map"}),
    "list-map-unknown-key": prop(
        type="array",
        items={"type": "object", "properties": {"a": {"type": "string"}}},
        **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["b"]},
    ),
    "list-map-optional-key": prop(
        type="array",
        items={"type": "object", "properties": {"a": {"type": "string"}}},
        **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]},
    ),
    "list-map-twice-key": prop(
        type="array",
        items={"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
        **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "a"]},
    ),
    "list-map-of-strings": prop(
        type="array",
        items={"type": "string"},
        **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]},
    ),
    "list-keys-without-map": prop(
        type="array",
        items={"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
        **{"x-kubernetes-list-map-keys": ["a"]},
    ),
    "set-of-objects": prop(
        type="array",
        items={"type": "object", "properties": {"a": {"type": "string"}}},
        **{"x-kubernetes-list-type": "set"},
    ),
    "map-type": prop(type="object", **{"x-kubernetes-map-type": "loose"}),
    "preserve-false": prop(type="object", **{"x-kubernetes-preserve-unknown-fields": False}),
    "embedded-without-properties": prop(type="object", **{"x-kubernetes-embedded-resource": True}),
    "embedded-string": prop(type="string", **{"x-kubernetes-embedded-resource": True}),
    "int-or-string-with-type": prop(type="string", **{"x-kubernetes-int-or-string": True}),
    "required-empty": root(required=[]),
    "min-above-max": prop(type="integer", minimum=5, maximum=1),
    "negative-length": prop(type="string", maxLength=-1),
    "unknown-schema-field": prop(type="string", nope=1),
    "format-unknown": prop(type="string", format="nope"),
    "scale-path": version(subresources={"scale": {"specReplicasPath": "spec.x", "statusReplicasPath": ".status.y"}}),
    "scale-path-outside": version(
        subresources={"scale": {"specReplicasPath": ".metadata.x", "statusReplicasPath": ".spec.y"}}
    ),
    "scale-path-missing": version(subresources={"scale": {}}),
    "status-not-empty": version(subresources={"status": {"a": 1}}),
    "column-name-missing": version(additionalPrinterColumns=[{**COLUMN, "name": ""}]),
    "column-type": version(additionalPrinterColumns=[{**COLUMN, "type": "colour"}]),
    "column-format": version(additionalPrinterColumns=[{**COLUMN, "format": "nope"}]),
    "column-path": version(additionalPrinterColumns=[{**COLUMN, "jsonPath": "spec.x"}]),
    "column-path-syntax": version(additionalPrinterColumns=[{**COLUMN, "jsonPath": ".spec[x"}]),
    "selectable-field": version(selectableFields=[{"jsonPath": ".spec.x"}]),
    "several": changed(group="stable", scope="Galaxy", versions=[]),
    "wrong-type": changed(versions="v1"),
}


def refuse(name: str, body: Json) -> Ask:
    """Create the CRD without storing it: what is accepted after all leaves nothing behind."""
    return post(name, f"{CRDS}?dryRun=All", body)


SCENARIOS = (
    Scenario(
        "definition-life",
        "A CRD from its create to its end, and its objects.",
        (namespace("definitions"),),
        (
            post("created", CRDS, LAMP),
            post("exists", CRDS, LAMP),
            settle("served", LAMPS),
            get("established", f"{CRDS}/lamps.stable.example.com"),
            get("table", f"{CRDS}/lamps.stable.example.com", accept=TABLE),
            post("object", LAMPS, lamp("one", spec={"on": True, "extra": 1}, status={"burning": 7}, more=1)),
            post(
                "object-strict",
                f"{LAMPS}?fieldValidation=Strict",
                lamp("two", spec={"extra": 1, "socket": {"b": 1}}, more=1),
            ),
            post(
                "object-warn",
                f"{LAMPS}?fieldValidation=Warn&dryRun=All",
                lamp("two", spec={"extra": 1}, more=1),
            ),
            post("object-null", f"{LAMPS}?dryRun=All", lamp("two", spec={"watts": None, "on": None})),
            get("object-list", LAMPS),
            put(
                "object-status",
                f"{LAMPS}/one/status",
                '{"apiVersion":"stable.example.com/v1","kind":"Lamp","metadata":{"name":"one","resourceVersion":"{{object:metadata.resourceVersion}}"},"spec":{"watts":1},"status":{"burning":3}}',
            ),
            patch(
                "object-status-patch",
                f"{LAMPS}/one/status",
                {"spec": {"watts": 1}, "status": {"burning": 4, "selector": "a=b"}},
            ),
            get("scale", f"{LAMPS}/one/scale"),
            get("scale-table", f"{LAMPS}/one/scale", accept=TABLE),
            patch("scale-patch", f"{LAMPS}/one/scale", {"spec": {"replicas": 5}}),
            patch("scale-negative", f"{LAMPS}/one/scale", {"spec": {"replicas": -5}}),
            get("object-after", f"{LAMPS}/one"),
            put("object-without-version", f"{LAMPS}/one", lamp("one")),
            put("object-missing", f"{LAMPS}/none", lamp("none")),
            post("object-other-kind", LAMPS, named("stable.example.com/v1", "Fan", "x")),
            post("object-other-version", LAMPS, named("stable.example.com/v2", "Lamp", "x")),
            post("object-without-kind", LAMPS, {"metadata": {"name": "x"}}),
            post("object-name", LAMPS, lamp("Not_Valid")),
            post("object-not-json", LAMPS, "{nope"),
            get("object-missing-get", f"{LAMPS}/none"),
            get("cluster-path-of-namespaced", "/apis/stable.example.com/v1/lamps/one"),
            get("unserved-version", "/apis/stable.example.com/v2/namespaces/definitions/lamps"),
            get("field-selector", f"{LAMPS}?fieldSelector=spec.on%3Dtrue"),
            post("status-kind-conflict", CRDS, crd("lampen", "Lamp")),
            get("status-kind-conflict-read", f"{CRDS}/lampen.stable.example.com"),
            patch("scope-change", f"{CRDS}/lamps.stable.example.com", {"spec": {"scope": "Cluster"}}),
            patch(
                "kind-change",
                f"{CRDS}/lamps.stable.example.com",
                {"spec": {"names": {"kind": "Torch", "listKind": "TorchList"}}},
            ),
            patch(
                "plural-change",
                f"{CRDS}/lamps.stable.example.com",
                {"spec": {"names": {"plural": "torches"}}},
            ),
            patch("group-change", f"{CRDS}/lamps.stable.example.com", {"spec": {"group": "other.example.com"}}),
            patch(
                "storage-version-dropped",
                f"{CRDS}/lamps.stable.example.com",
                {
                    "spec": {
                        "versions": [
                            {
                                "name": "v2",
                                "served": True,
                                "storage": True,
                                "schema": {"openAPIV3Schema": {"type": "object"}},
                            }
                        ]
                    }
                },
            ),
            get("crd-status", f"{CRDS}/lamps.stable.example.com/status"),
            post(
                "rules-accepted",
                f"{CRDS}?dryRun=All",
                prop(type="integer", **{"x-kubernetes-validations": [{"rule": "self > 0"}]}),
            ),
            delete("deleted", f"{CRDS}/lamps.stable.example.com"),
        ),
    ),
    Scenario(
        "definition-invalid",
        "CRDs that are refused, or accepted with a warning (dry run).",
        (),
        tuple(refuse(name, body) for name, body in INVALID.items()),
    ),
    Scenario(
        "definition-deleted-with-objects",
        "A delete of a CRD that has objects, and writes into it afterwards.",
        (
            namespace("definitions-deleted"),
            post("crd", CRDS, crd("mugs", "Mug")),
            settle("served", "/apis/stable.example.com/v1/namespaces/definitions-deleted/mugs"),
            post(
                "held",
                "/apis/stable.example.com/v1/namespaces/definitions-deleted/mugs",
                {
                    "apiVersion": "stable.example.com/v1",
                    "kind": "Mug",
                    "metadata": {"name": "held", "finalizers": ["example.com/hold"]},
                },
            ),
        ),
        (
            delete("delete", f"{CRDS}/mugs.stable.example.com"),
            get("namespace-unharmed", f"{CORE}/namespaces/definitions-deleted"),
        ),
    ),
)
