"""CustomResourceDefinitions themselves, put together from random parts; their instances are `instances`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tests.conformance.differential.kinds.core import put
from tests.conformance.differential.model import Body, Kind
from tests.conformance.differential.wire import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.conformance.exchange import Json

GROUP = f"{TOKEN}.example.com"
PLURALS = ("cups", "mugs", "jars", "pots")
VALID: tuple[Body, ...] = (
    {"type": "string"},
    {"type": "string", "maxLength": 5, "default": "abc", "description": "Some words."},
    {"type": "string", "enum": ["a", "b"], "nullable": True},
    {"type": "integer", "format": "int32", "minimum": 0, "default": 1},
    {"type": "number"},
    {"type": "boolean", "default": False},
    {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
    {
        "type": "array",
        "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
    },
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {"type": "object", "properties": {"y": {"type": "string", "default": "z"}}, "default": {}},
    {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    {"x-kubernetes-int-or-string": True},
    {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
    {"type": "string", "format": "something-new"},
    {"type": "integer", "oneOf": [{"minimum": 5}, {"maximum": 2}]},
    {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "message": "must be positive"}]},
)
WRONG: dict[str, Body] = {
    "type-missing": {"description": "x"},
    "type-unknown": {"type": "text"},
    "items-missing": {"type": "array"},
    "items-type-missing": {"type": "array", "items": {}},
    "items-list": {"type": "array", "items": [{"type": "string"}]},
    "properties-and-additional": {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "additionalProperties": {"type": "string"},
    },
    "additional-false": {"type": "object", "additionalProperties": False},
    "reference": {"$ref": "#/definitions/x"},
    "pattern-properties": {"type": "object", "patternProperties": {"a": {"type": "string"}}},
    "unique-items": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    "pattern": {"type": "string", "pattern": "("},
    "any-of-type": {"type": "string", "anyOf": [{"type": "string"}]},
    "one-of-default": {"type": "string", "oneOf": [{"default": "x"}]},
    "not-nullable": {"type": "string", "not": {"nullable": True}},
    "all-of-unknown": {"type": "object", "allOf": [{"properties": {"a": {"minLength": 1}}}]},
    "default-type": {"type": "integer", "default": "a"},
    "default-range": {"type": "integer", "minimum": 5, "default": 1},
    "default-unknown": {"type": "object", "properties": {"a": {"type": "string"}}, "default": {"b": 1}},
    "default-enum": {"type": "string", "enum": ["a"], "default": "b"},
    "enum-type": {"type": "string", "enum": [1]},
    "enum-twice": {"type": "string", "enum": ["a", "a"]},
    "list-type": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "bag"},
    "list-type-object": {"type": "object", "x-kubernetes-list-type": "set"},
    "map-type": {"type": "object", "x-kubernetes-map-type": "loose"},
    "map-type-array": {"type": "array", "items": {"type": "string"}, "x-kubernetes-map-type": "atomic"},
    "set-of-objects": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "set"},
    "map-keys-missing": {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"},
    "map-keys-unknown": {
        "type": "array",
        "items": {"type": "object", "properties": {"a": {"type": "string"}}},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["b"],
    },
    "map-keys-optional": {
        "type": "array",
        "items": {"type": "object", "properties": {"a": {"type": "string"}}},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["a"],
    },
    "map-keys-twice": {
        "type": "array",
        "items": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["a", "a"],
    },
    "map-keys-alone": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-map-keys": ["a"]},
    "preserve-false": {"type": "object", "x-kubernetes-preserve-unknown-fields": False},
    "embedded-without": {"type": "object", "x-kubernetes-embedded-resource": True},
    "embedded-string": {"type": "string", "x-kubernetes-embedded-resource": True},
    "int-or-string-type": {"type": "string", "x-kubernetes-int-or-string": True},
    "minimum-text": {"type": "integer", "minimum": "x"},
    "unknown-keyword": {"type": "string", "colour": "red"},
    "unknown-extension": {"type": "string", "x-kubernetes-colour": "red"},
    "required-text": {"type": "object", "required": "a"},
    "rule-empty": {"type": "integer", "x-kubernetes-validations": [{"rule": ""}]},
    "rule-syntax": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >"}]},
    "rule-type": {"type": "integer", "x-kubernetes-validations": [{"rule": "self + 1"}]},
    "rule-types-differ": {"type": "integer", "x-kubernetes-validations": [{"rule": "self == 'x'"}]},
    "rule-unknown-field": {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.b == 'x'"}],
    },
    "rule-message-blank": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "message": " "}]},
    "rule-message-lines": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "message": "a\nb"}]},
    "rule-lines-without-message": {"type": "integer", "x-kubernetes-validations": [{"rule": "self\n> 0"}]},
    "rule-reason": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "reason": "Because"}]},
    "rule-field-path": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "fieldPath": "x["}]},
    "rule-expression-type": {
        "type": "integer",
        "x-kubernetes-validations": [{"rule": "self > 0", "messageExpression": "self"}],
    },
    "rule-optional-old-self": {
        "type": "integer",
        "x-kubernetes-validations": [{"rule": "self > 0", "optionalOldSelf": True}],
    },
    "rule-cost": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.all(a, self.all(b, a.all(c, b.all(d, c == d))))"}],
    },
}


def _schema(properties: Body) -> Body:
    spec = {"type": "object", "properties": properties}
    return {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": {"type": "object"}}}}


def _version(rng: Random, name: str, *, storage: bool) -> Body:
    properties = {f"f{i}": copy.deepcopy(part) for i, part in enumerate(rng.sample(VALID, rng.randint(0, 4)))}
    version: Body = {"name": name, "served": True, "storage": storage, "schema": _schema(properties)}
    if rng.random() < 0.4:
        version["subresources"] = {"status": {}}
        if rng.random() < 0.4:
            version["subresources"]["scale"] = {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
            }
    if rng.random() < 0.3:
        version["additionalPrinterColumns"] = [{"name": "F", "type": "string", "jsonPath": ".spec.f0"}]
    if rng.random() < 0.15:
        version["deprecated"] = True
    return version


def _definition(rng: Random) -> Body:
    plural = rng.choice(PLURALS)
    names: Body = {"plural": plural, "kind": plural[:-1].title()}
    if rng.random() < 0.3:
        names |= {"singular": plural[:-1], "shortNames": [plural[:2]], "categories": ["all"]}
    if rng.random() < 0.2:
        names["listKind"] = f"{names['kind']}Collection"
    versions = [_version(rng, "v1", storage=True)]
    if rng.random() < 0.3:
        versions.append(_version(rng, "v1alpha1", storage=False))
    spec: Body = {"group": GROUP, "scope": rng.choice(["Namespaced", "Cluster"]), "names": names, "versions": versions}
    if rng.random() < 0.2:
        spec["conversion"] = {"strategy": "None"}
    if rng.random() < 0.1:
        spec["preserveUnknownFields"] = False
    return {"metadata": {"name": f"{plural}.{GROUP}"}, "spec": spec}


def _change(rng: Random, body: Body) -> Body:
    body = copy.deepcopy(body)
    versions = body["spec"]["versions"]
    root = versions[0]["schema"]["openAPIV3Schema"]
    spec = root.setdefault("properties", {}).setdefault("spec", {"type": "object"})
    spec.setdefault("properties", {})[f"n{rng.randint(0, 9)}"] = copy.deepcopy(rng.choice(VALID))
    return body


def wrong(part: Body) -> Callable[[Random, Body], Body]:
    """Return a fault: a property with a wrong schema."""

    def apply(_: Random, body: Body) -> Body:
        body = copy.deepcopy(body)
        for version in body["spec"]["versions"]:
            properties = version["schema"]["openAPIV3Schema"].setdefault("properties", {})
            properties.setdefault("spec", {"type": "object"}).setdefault("properties", {})["wrong"] = part
        return body

    return apply


def spec(**fields: Json) -> Callable[[Random, Body], Body]:
    """Return a fault: other fields of `spec`; None removes one."""

    def apply(_: Random, body: Body) -> Body:
        return {**body, "spec": {k: v for k, v in {**body["spec"], **fields}.items() if v is not None}}

    return apply


def names(**fields: Json) -> Callable[[Random, Body], Body]:
    """Return a fault: other fields of `spec.names`."""

    def apply(rng: Random, body: Body) -> Body:
        return spec(names={**body["spec"]["names"], **fields})(rng, body)

    return apply


def version(**fields: Json) -> Callable[[Random, Body], Body]:
    """Return a fault: other fields of the first version; None removes one."""

    def apply(rng: Random, body: Body) -> Body:
        first, *rest = body["spec"]["versions"]
        changed = {k: v for k, v in {**first, **fields}.items() if v is not None}
        return spec(versions=[changed, *rest])(rng, body)

    return apply


def root(**fields: Json) -> Callable[[Random, Body], Body]:
    """Return a fault: other keywords of the first version's root schema."""

    def apply(rng: Random, body: Body) -> Body:
        schema = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        return version(schema={"openAPIV3Schema": {**schema, **fields}})(rng, body)

    return apply


def webhook(**config: Json) -> Callable[[Random, Body], Body]:
    """Return a fault: conversion by a webhook with this configuration."""
    return spec(conversion={"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], **config}})


SERVICE = {"namespace": "a", "name": "b"}
COLUMN = {"name": "F", "type": "string", "jsonPath": ".spec.f0"}
FAULTS: dict[str, Callable[[Random, Body], Body]] = {
    **{f"schema-{name}": wrong(part) for name, part in WRONG.items()},
    "spec-missing": put(spec=None),
    "name-mismatch": names(plural="others"),
    "group-empty": spec(group=""),
    "group-invalid": spec(group="A_b.example.com"),
    "group-missing": spec(group=None),
    "scope-unknown": spec(scope="Galaxy"),
    "scope-missing": spec(scope=None),
    "names-missing": spec(names=None),
    "kind-invalid": names(kind="1_x"),
    "kind-missing": names(kind=""),
    "list-kind-same": names(kind="Cup", listKind="Cup"),
    "singular-invalid": names(singular="A_"),
    "short-name-invalid": names(shortNames=["A", "b c"]),
    "category-invalid": names(categories=["A_"]),
    "versions-missing": spec(versions=None),
    "versions-empty": spec(versions=[]),
    "version-name": version(name="V_1"),
    "version-name-missing": version(name=None),
    "version-not-stored": version(storage=False),
    "version-served-missing": version(served=None),
    "schema-missing": version(schema=None),
    "schema-empty": version(schema={}),
    "schema-of-text": version(schema={"openAPIV3Schema": "x"}),
    "root-string": root(type="string"),
    "root-nullable": root(nullable=True),
    "root-additional": root(additionalProperties={"type": "string"}),
    "root-metadata": root(properties={"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}),
    "root-metadata-name": root(
        properties={"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}}
    ),
    "root-kind": root(properties={"kind": {"type": "integer"}}),
    "root-default": root(default={"spec": {}}),
    "preserve-unknown-fields": spec(preserveUnknownFields=True),
    "deprecation-without": version(deprecationWarning="gone", deprecated=None),
    "deprecation-empty": version(deprecationWarning="", deprecated=True),
    "deprecation-long": version(deprecationWarning="x" * 257, deprecated=True),
    "column-name": version(additionalPrinterColumns=[{**COLUMN, "name": ""}]),
    "column-type": version(additionalPrinterColumns=[{**COLUMN, "type": "text"}]),
    "column-format": version(additionalPrinterColumns=[{**COLUMN, "format": "strange"}]),
    "column-path": version(additionalPrinterColumns=[{**COLUMN, "jsonPath": "spec.f0"}]),
    "column-path-syntax": version(additionalPrinterColumns=[{**COLUMN, "jsonPath": ".spec["}]),
    "column-path-missing": version(additionalPrinterColumns=[{"name": "X", "type": "string"}]),
    "column-unknown": version(additionalPrinterColumns=[{**COLUMN, "colour": "red"}]),
    "scale-path": version(
        subresources={"scale": {"specReplicasPath": "spec.replicas", "statusReplicasPath": ".status.replicas"}}
    ),
    "scale-missing": version(subresources={"scale": {}}),
    "scale-outside": version(
        subresources={"scale": {"specReplicasPath": ".status.a", "statusReplicasPath": ".spec.b"}}
    ),
    "scale-selector": version(
        subresources={
            "scale": {
                "specReplicasPath": ".spec.a",
                "statusReplicasPath": ".status.b",
                "labelSelectorPath": ".metadata.c",
            }
        }
    ),
    "selectable-missing": version(selectableFields=[{"jsonPath": ".spec.nothing"}]),
    "selectable-metadata": version(selectableFields=[{"jsonPath": ".metadata.name"}]),
    "selectable-array": version(selectableFields=[{"jsonPath": ".spec.f0[0]"}]),
    "selectable-twice": version(selectableFields=[{"jsonPath": ".spec.x"}, {"jsonPath": ".spec.x"}]),
    "selectable-empty": version(selectableFields=[{"jsonPath": ""}]),
    "conversion-strategy": spec(conversion={"strategy": "Magic"}),
    "conversion-strategy-missing": spec(conversion={}),
    "conversion-webhook-missing": spec(conversion={"strategy": "Webhook"}),
    "conversion-none-with-webhook": spec(
        conversion={"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}}
    ),
    "webhook-client-missing": webhook(),
    "webhook-both": webhook(clientConfig={"url": "https://a.example.com", "service": SERVICE}),
    "webhook-http": webhook(clientConfig={"url": "http://a.example.com"}),
    "webhook-url": webhook(clientConfig={"url": "https://u:p@a.example.com/x?y=z#f"}),
    "webhook-service-name": webhook(clientConfig={"service": {"namespace": "a"}}),
    "webhook-port": webhook(clientConfig={"service": {**SERVICE, "port": 70000}}),
    "webhook-path": webhook(clientConfig={"service": {**SERVICE, "path": "x y"}}),
    "webhook-versions": webhook(clientConfig={"service": SERVICE}, conversionReviewVersions=["v9"]),
    "webhook-versions-empty": webhook(clientConfig={"service": SERVICE}, conversionReviewVersions=[]),
    "webhook-versions-twice": webhook(clientConfig={"service": SERVICE}, conversionReviewVersions=["v1", "v1"]),
    "webhook-ca": webhook(clientConfig={"service": SERVICE, "caBundle": "eA=="}),
    "unknown-field": spec(colour="red"),
    "unknown-version-field": version(colour="red"),
    "status-given": put(status={"storedVersions": ["v9"], "conditions": [], "acceptedNames": {}}),
}
CRDS = Kind(
    "customresourcedefinitions",
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    False,
    _definition,
    _change,
    FAULTS,
    {
        **{f"schema-{name}": wrong(WRONG[name]) for name in ("type-missing", "default-type", "list-type", "pattern")},
        "group-change": spec(group="other.example.com"),
        "scope-change": spec(scope="Galaxy"),
        "plural-change": names(plural="others"),
        "kind-change": names(kind="Other"),
        "version-gone": version(name="v7"),
        "versions-empty": spec(versions=[]),
        "not-stored": version(storage=False),
        "unknown-field": spec(colour="red"),
        "conversion-strategy": spec(conversion={"strategy": "Magic"}),
    },
    subresources=("status",),
    paths=("/spec/names/shortNames", "/spec/versions/0/served", "/spec/versions/0/deprecated", "/spec/scope"),
)
DEFINITIONS = (CRDS,)
