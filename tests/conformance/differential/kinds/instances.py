"""Definitions that stand for the whole run, and instances of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.differential.kinds.core import inside, put
from tests.conformance.differential.model import Body, Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

GROUP = "diff.example.com"
STRING = {"type": "string"}
INTEGER = {"type": "integer"}

WIDGET_SPEC: Body = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 100},
        "ratio": {"type": "number", "multipleOf": 0.5, "exclusiveMinimum": True, "minimum": 0},
        "colour": {"type": "string", "enum": ["red", "green", "blue"], "default": "red"},
        "code": {"type": "string", "pattern": "^[a-z]{2,4}$", "maxLength": 4, "minLength": 2},
        "note": {"type": "string", "nullable": True},
        "noteWithDefault": {"type": "string", "nullable": True, "default": "none"},
        "on": {"type": "boolean", "default": True},
        "port": {"x-kubernetes-int-or-string": True},
        "portBounded": {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": "^[0-9]+%$",
        },
        "tags": {"type": "array", "items": STRING, "x-kubernetes-list-type": "set", "maxItems": 3},
        "parts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": STRING, "kind": {"type": "string", "default": "plain"}, "count": INTEGER},
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "kind"],
        },
        "items": {"type": "array", "items": {"type": "integer", "maximum": 9}, "minItems": 1},
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 5},
            "maxProperties": 2,
            "minProperties": 1,
        },
        "atomic": {
            "type": "object",
            "properties": {"a": STRING, "b": STRING},
            "x-kubernetes-map-type": "atomic",
        },
        "nested": {
            "type": "object",
            "default": {},
            "properties": {
                "depth": {"type": "integer", "default": 3},
                "deep": {"type": "object", "properties": {"x": {"type": "integer", "default": 1}}},
            },
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"known": INTEGER}},
        "when": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "address": {"type": "string", "format": "ipv4"},
        "mail": {"type": "string", "format": "email"},
        "bytes": {"type": "string", "format": "byte"},
        "span": {"type": "string", "format": "duration"},
        "id": {"type": "string", "format": "uuid"},
        "small": {"type": "integer", "format": "int32"},
        "choice": {
            "type": "object",
            "properties": {"a": STRING, "b": STRING},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        "several": {
            "type": "object",
            "properties": {"a": INTEGER, "b": INTEGER},
            "anyOf": [{"required": ["a"]}, {"properties": {"b": {"minimum": 5}}, "required": ["b"]}],
            "not": {"required": ["a", "b"]},
        },
        "all": {"type": "integer", "allOf": [{"minimum": 2}, {"maximum": 4}]},
        "embedded": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    },
}
WIDGET_STATUS: Body = {
    "type": "object",
    "properties": {
        "ready": INTEGER,
        "phase": {"type": "string", "enum": ["New", "Old"]},
        "selector": STRING,
        "conditions": {
            "type": "array",
            "items": {"type": "object", "required": ["type"], "properties": {"type": STRING, "status": STRING}},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    },
}
COLUMNS: list[Body] = [
    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
    {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "description": "The paint."},
    {"name": "On", "type": "boolean", "jsonPath": ".spec.on", "priority": 1},
    {"name": "Ratio", "type": "number", "jsonPath": ".spec.ratio"},
    {"name": "When", "type": "date", "jsonPath": ".spec.when"},
    {"name": "Parts", "type": "string", "jsonPath": ".spec.parts[*].name"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def definition(plural: str, kind: str, scope: str, versions: list[Body], **names: object) -> Body:
    """Return a definition of the run's group."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"plural": plural, "kind": kind, **names},
            "versions": versions,
        },
    }


def version(name: str, properties: Body, *, storage: bool = True, **rest: object) -> Body:
    """Return a served version whose root has the properties."""
    schema = {"openAPIV3Schema": {"type": "object", "properties": properties}}
    return {"name": name, "served": True, "storage": storage, "schema": schema, **rest}


SCALE = {
    "specReplicasPath": ".spec.size",
    "statusReplicasPath": ".status.ready",
    "labelSelectorPath": ".status.selector",
}
RULED: Body = {
    "spec": {
        "type": "object",
        "properties": {
            "low": INTEGER,
            "high": INTEGER,
            "fixed": {
                "type": "string",
                "maxLength": 20,
                "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed cannot change"}],
            },
            "name": {
                "type": "string",
                "maxLength": 20,
                "x-kubernetes-validations": [
                    {
                        "rule": "self.startsWith('a')",
                        "messageExpression": "'must begin with a, not ' + self",
                        "reason": "FieldValueForbidden",
                    }
                ],
            },
            "list": {
                "type": "array",
                "maxItems": 5,
                "items": INTEGER,
                "x-kubernetes-validations": [
                    {"rule": "self.all(i, i > 0)"},
                    {"rule": "self.size() < 4", "message": "too many", "reason": "FieldValueInvalid"},
                ],
            },
            "grow": {
                "type": "integer",
                "x-kubernetes-validations": [
                    {"rule": "!oldSelf.hasValue() || self >= oldSelf.value()", "optionalOldSelf": True}
                ],
            },
            "map": {
                "type": "object",
                "maxProperties": 5,
                "additionalProperties": {"type": "string", "maxLength": 10},
                "x-kubernetes-validations": [{"rule": "self.all(k, k != self[k])", "message": "keys are not values"}],
            },
        },
        "x-kubernetes-validations": [
            {"rule": "!has(self.low) || !has(self.high) || self.low <= self.high", "message": "low is above high"},
            {
                "rule": "!has(self.name) || self.name != 'ab'",
                "fieldPath": ".name",
                "reason": "FieldValueDuplicate",
                "message": "ab is taken",
            },
        ],
    },
}
PREPARED: tuple[Body, ...] = (
    definition(
        "widgets",
        "Widget",
        "Namespaced",
        [
            version(
                "v1",
                {"spec": WIDGET_SPEC, "status": WIDGET_STATUS},
                subresources={"status": {}, "scale": SCALE},
                additionalPrinterColumns=COLUMNS,
                selectableFields=[{"jsonPath": ".spec.colour"}, {"jsonPath": ".spec.size"}, {"jsonPath": ".spec.on"}],
            )
        ],
        shortNames=["wd"],
        categories=["things"],
    ),
    definition(
        "gears",
        "Gear",
        "Cluster",
        [
            version("v1", {"teeth": {"type": "integer", "default": 8}, "old": STRING}),
            version(
                "v2",
                {"teeth": {"type": "integer", "default": 12}, "new": {"type": "string", "default": "n"}},
                storage=False,
                additionalPrinterColumns=[{"name": "Teeth", "type": "integer", "jsonPath": ".teeth"}],
            ),
            version("v1beta1", {"teeth": INTEGER}, storage=False, deprecated=True),
        ],
    ),
    definition("rulers", "Ruler", "Namespaced", [version("v1", RULED)]),
    definition(
        "blobs",
        "Blob",
        "Namespaced",
        [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    ),
)

VALID_FIELDS: dict[str, tuple[object, ...]] = {
    "ratio": (0.5, 1, 2.5, 1e3),
    "colour": ("red", "green", "blue"),
    "code": ("ab", "abcd"),
    "note": (None, "x", ""),
    "noteWithDefault": (None, "y"),
    "on": (True, False),
    "port": (80, "http", 0),
    "portBounded": ("10%", 5),
    "tags": ([], ["a"], ["a", "b", "c"]),
    "parts": (
        [],
        [{"name": "a"}],
        [{"name": "a", "kind": "x"}, {"name": "a", "count": 2}],
    ),
    "items": ([1], [1, 2, 9]),
    "labels": ({"a": "b"}, {"a": "b", "c": ""}),
    "atomic": ({}, {"a": "1"}, {"a": "1", "b": "2"}),
    "nested": ({}, {"depth": 5}, {"deep": {}}, {"deep": {"x": 7}}),
    "free": (
        {},
        {"known": 1, "any": {"thing": [1, "a", None, {"b": 1.5}]}},
        {"f": 1.0, "e": 1e21, "i": 12345678901},
        {"z": -0.0, "t": 1e20},
    ),
    "when": ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5+01:00"),
    "day": ("2024-02-29",),
    "address": ("10.0.0.1",),
    "mail": ("a@example.com",),
    "bytes": ("eA==",),
    "span": ("5m", "1h30m"),
    "id": ("123e4567-e89b-12d3-a456-426614174000",),
    "small": (5, -5),
    "choice": ({"a": "1"}, {"b": "1"}),
    "several": ({"a": 1}, {"b": 6}),
    "all": (2, 4),
    "embedded": (
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {"z": 1}},
    ),
}
WRONG_FIELDS: dict[str, tuple[object, ...]] = {
    "size": (0, 101, -1, "5", 1.5, None, True, [], {}, 10**20, 50.0),
    "ratio": (0, 0.0, -0.0, -1, 0.3, "x", None),
    "colour": ("pink", "", 5, None, "RED"),
    "code": ("a", "abcde", "AB", "", 5, "ünï", "a\nb"),
    "note": (5, [], {}),
    "on": ("true", 1, None),
    "port": (1.5, True, None, [], {}),
    "portBounded": ("x", "5", 5.5),
    "tags": (["a", "a"], ["a", 1], ["a", "b", "c", "d"], "a", None, [None], {"a": "b"}),
    "parts": (
        [{"name": "a"}, {"name": "a"}],
        [{"kind": "x"}],
        [{"name": 5}],
        [{"name": "a", "count": "x"}],
        ["a"],
        [None],
        {"name": "a"},
        [{"name": "a", "colour": "red"}],
    ),
    "items": ([], [10], ["a"], [1, None], [1, 2.5]),
    "labels": ({}, {"a": "toolong"}, {"a": 1}, {"a": "1", "b": "2", "c": "3"}, {"a": None}, []),
    "atomic": ({"c": "x"}, {"a": 5}, "x"),
    "nested": ({"depth": "x"}, {"deep": {"y": 1}}, {"deep": 5}, None),
    "free": ("x", {"known": "x"}, [], None),
    "when": ("yesterday", "2024-01-01", "", 5),
    "day": ("2024-02-30", "x"),
    "address": ("300.0.0.1", "::1", ""),
    "mail": ("nobody", ""),
    "bytes": ("*", "eA"),
    "span": ("5 parsecs", ""),
    "id": ("x", ""),
    "small": (2**31, 2**40, 2.5),
    "choice": ({}, {"a": "1", "b": "1"}, {"c": "1"}),
    "several": ({}, {"b": 4}, {"a": 1, "b": 6}),
    "all": (1, 5),
    "embedded": (
        {},
        {"kind": "Pod"},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "A_", "labels": {"a b": "c"}}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 5}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"colour": "red"}},
        {"apiVersion": "a/b/c", "kind": ""},
        "x",
    ),
    "unknown": (1, {"a": "b"}, None),
    "Size": (5,),
}


def _widget(rng: Random) -> Body:
    spec: Body = {"size": rng.randint(1, 100)}
    for field in rng.sample(sorted(VALID_FIELDS), rng.randint(0, 6)):
        spec[field] = rng.choice(VALID_FIELDS[field])
    body: Body = {"spec": spec}
    if rng.random() < 0.2:
        body["status"] = {"ready": 1, "phase": "New"}
    return body


def _change_widget(rng: Random, body: Body) -> Body:
    field = rng.choice(sorted(VALID_FIELDS))
    spec = {**(body.get("spec") or {}), field: rng.choice(VALID_FIELDS[field])}
    return {**body, "spec": spec if rng.random() < 0.7 else {**spec, "size": rng.randint(1, 100)}}


def _wrong_widget(count: int) -> Callable[[Random, Body], Body]:
    def apply(rng: Random, body: Body) -> Body:
        spec = dict(body.get("spec") or {})
        for field in rng.sample(sorted(WRONG_FIELDS), count):
            spec[field] = rng.choice(WRONG_FIELDS[field])
        return {**body, "spec": spec}

    return apply


WIDGET_FAULTS = {
    "one-wrong-field": _wrong_widget(1),
    "one-wrong-field-2": _wrong_widget(1),
    "one-wrong-field-3": _wrong_widget(1),
    "two-wrong-fields": _wrong_widget(2),
    "four-wrong-fields": _wrong_widget(4),
    "spec-missing": put(spec=None),
    "spec-text": put(spec="x"),
    "spec-null": lambda _, body: {**body, "spec": None},
    "size-missing": inside("spec", size=None),
    "unknown-top": put(colour="red"),
    "unknown-several": inside("spec", b=1, a={"c": 1}, nested={"q": 1, "deep": {"w": 2}}),
    "status-wrong": put(status={"phase": "Strange", "ready": "x"}),
    "status-unknown": put(status={"colour": "red"}),
}
WIDGETS = Kind(
    "widgets",
    GROUP,
    "v1",
    "Widget",
    True,
    _widget,
    _change_widget,
    WIDGET_FAULTS,
    WIDGET_FAULTS,
    subresources=("status", "scale"),
    custom=True,
    fields=("spec.colour", "spec.size", "spec.on"),
    paths=(
        "/spec/size",
        "/spec/colour",
        "/spec/tags",
        "/spec/tags/-",
        "/spec/parts/0",
        "/spec/nested",
        "/spec/free/x",
        "/status",
    ),
)


def _gear(rng: Random) -> Body:
    return {} if rng.random() < 0.3 else {"teeth": rng.randint(1, 50)}


def _gear_kind(version_name: str) -> Kind:
    return Kind(
        "gears",
        GROUP,
        version_name,
        "Gear",
        False,
        _gear,
        lambda rng, body: {**body, "teeth": rng.randint(51, 99)},
        {
            "teeth-text": put(teeth="x"),
            "field-of-other-version": put(old="x", new="y"),
            "unknown-field": put(colour="red"),
            "status": put(status={"a": 1}),
        },
        {"teeth-text": put(teeth="x"), "unknown-field": put(colour="red")},
        custom=True,
        paths=("/teeth", "/new", "/old"),
    )


def _ruler(rng: Random) -> Body:
    spec: Body = {}
    if rng.random() < 0.5:
        spec |= {"low": 1, "high": rng.randint(1, 9)}
    if rng.random() < 0.5:
        spec["fixed"] = rng.choice(["x", "y"])
    if rng.random() < 0.5:
        spec["name"] = rng.choice(["a", "abc"])
    if rng.random() < 0.5:
        spec["list"] = [1] * rng.randint(0, 3)
    if rng.random() < 0.5:
        spec["grow"] = rng.randint(1, 5)
    if rng.random() < 0.3:
        spec["map"] = {"k": "v"}
    return {"spec": spec}


RULER_FAULTS = {
    "low-above-high": inside("spec", low=5, high=4),
    "name": inside("spec", name="b"),
    "name-taken": inside("spec", name="ab"),
    "list-negative": inside("spec", list=[1, -1]),
    "list-long": inside("spec", list=[1, 2, 3, 4]),
    "list-long-and-negative": inside("spec", list=[1, 2, 3, -4, 5]),
    "map": inside("spec", map={"a": "a", "b": "c"}),
    "several-rules": inside("spec", low=5, high=4, name="ab", list=[-1, 2, 3, 4]),
    "schema-and-rule": inside("spec", low="x", name="b"),
    "schema-range-and-rule": inside("spec", name="b" * 21, map={"a": "a"}),
}
RULERS = Kind(
    "rulers",
    GROUP,
    "v1",
    "Ruler",
    True,
    _ruler,
    lambda rng, body: {**body, "spec": {**(body.get("spec") or {}), "low": 0, "high": rng.randint(1, 9)}},
    RULER_FAULTS,
    {
        **RULER_FAULTS,
        "fixed-changes": inside("spec", fixed="z"),
        "grow-shrinks": inside("spec", grow=0),
        "fixed-and-grow": inside("spec", fixed="q", grow=-1),
    },
    custom=True,
    paths=("/spec/low", "/spec/name", "/spec/fixed", "/spec/list/0"),
)
ANY: tuple[object, ...] = (1, 1.0, 1.5, "x", None, True, [], [1, [2]], {}, {"a": {"b": None}}, 1e10, 2**62)


def _blob(rng: Random) -> Body:
    return {key: rng.choice(ANY) for key in rng.sample(["one", "two", "spec", "status"], rng.randint(0, 4))}


BLOBS = Kind(
    "blobs",
    GROUP,
    "v1",
    "Blob",
    True,
    _blob,
    lambda rng, body: {**body, rng.choice(["one", "spec"]): rng.choice(ANY)},
    {"number-too-large": put(one=10**30), "deep": put(one={"a": {"b": {"c": {"d": [[[[1]]]]}}}})},
    {"number-too-large": put(one=10**30)},
    custom=True,
    paths=("/one", "/spec", "/two/a"),
)
INSTANCES = (WIDGETS, _gear_kind("v1"), _gear_kind("v2"), _gear_kind("v1beta1"), RULERS, BLOBS)
