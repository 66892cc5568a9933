"""The rule table: two schemas of the field `spec.f`, what a comparison says, and what both have in common.

docs/design/compat.md has a line for each name.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Json = Any
KEEP = "x-kubernetes-preserve-unknown-fields"
EITHER: Json = {"x-kubernetes-int-or-string": True}
STRING, INTEGER, NUMBER, BOOLEAN = ({"type": kind} for kind in ("string", "integer", "number", "boolean"))

COMPATIBLE = ""
"""Nothing stands against it; the common denominator is the old schema."""
CONFLICT: Json = "conflict"
"""There is no common denominator."""
GONE: Json = "gone"
"""The field is not in the common denominator."""


class Row(NamedTuple):
    """A pair of schemas of a field, each None where the field is not specified."""

    name: str
    old: Json
    new: Json
    verdict: str
    common: Json = None
    path: str = "spec.f"


def text(**keywords: Json) -> Json:
    return {"type": "string", **keywords}


def whole(**keywords: Json) -> Json:
    return {"type": "integer", **keywords}


def thing(_properties: Json = None, **keywords: Json) -> Json:
    return {"type": "object", **({"properties": _properties} if _properties else {}), **keywords}


def listed(items: Json = STRING, **keywords: Json) -> Json:
    return {"type": "array", "items": items, **keywords}


def listed_as(kind: str, items: Json = STRING, keys: list[str] | None = None) -> Json:
    return {**listed(items), "x-kubernetes-list-type": kind, **({"x-kubernetes-list-map-keys": keys} if keys else {})}


def with_rule(rule: str) -> Json:
    return whole(**{"x-kubernetes-validations": [{"rule": rule}]})


PAIR = thing({"a": STRING, "b": STRING}, required=["a", "b"])
ANYTHING: Json = {KEEP: True}
RESOURCE: Json = thing({"data": STRING}, **{"x-kubernetes-embedded-resource": True})
INC = "incompatible"

ROWS = [
    Row("type: integer to number", INTEGER, NUMBER, COMPATIBLE),
    Row("type: number to integer", NUMBER, INTEGER, INC, INTEGER),
    Row("type: string to integer", STRING, INTEGER, INC, CONFLICT),
    Row("type: string to int-or-string", STRING, EITHER, COMPATIBLE),
    Row("type: int-or-string to string", EITHER, STRING, INC, STRING),
    Row("type: int-or-string to integer", EITHER, INTEGER, INC, INTEGER),
    Row("type: int-or-string, both spellings", {**EITHER, "anyOf": [INTEGER, STRING]}, EITHER, COMPATIBLE),
    Row("type: object to array", thing({"a": STRING}), listed(), INC, CONFLICT),
    Row("type: any to string", ANYTHING, STRING, INC, STRING),
    Row("type: string to any", STRING, ANYTHING, COMPATIBLE),
    Row("nullable: removed", text(nullable=True), STRING, INC, STRING),
    Row("nullable: added", STRING, text(nullable=True), COMPATIBLE),
    Row("enum: value removed", text(enum=["a", "b"]), text(enum=["b", "c"]), INC, text(enum=["b"])),
    Row("enum: value added", text(enum=["a"]), text(enum=["a", "b"]), COMPATIBLE),
    Row("enum: added to free values", STRING, text(enum=["a"]), INC, text(enum=["a"])),
    Row("enum: dropped", text(enum=["a"]), STRING, COMPATIBLE),
    Row("enum: nothing in common", text(enum=["a"]), text(enum=["b"]), INC, CONFLICT),
    Row("enum: all values within bounds", whole(enum=[1, 2]), whole(minimum=1), COMPATIBLE),
    Row("bounds: minimum raised", whole(minimum=1), whole(minimum=3), INC, whole(minimum=3)),
    Row("bounds: minimum lowered", whole(minimum=3), whole(minimum=1), COMPATIBLE),
    Row("bounds: maximum lowered", whole(maximum=9), whole(maximum=3), INC, whole(maximum=3)),
    Row(
        "bounds: exclusive",
        NUMBER | {"minimum": 1},
        NUMBER | {"minimum": 1, "exclusiveMinimum": True},
        INC,
        NUMBER | {"minimum": 1, "exclusiveMinimum": True},
    ),
    Row("bounds: an exclusive flag without a bound", whole(), whole(exclusiveMinimum=True), COMPATIBLE),
    Row("bounds: apart", whole(maximum=1), whole(minimum=3), INC, CONFLICT),
    Row("bounds: multiples", whole(multipleOf=2), whole(multipleOf=3), INC, whole(multipleOf=6)),
    Row("bounds: multiples of multiples", whole(multipleOf=4), whole(multipleOf=2), COMPATIBLE),
    Row("bounds: format int32", INTEGER, whole(format="int32"), INC, whole(format="int32")),
    Row("bounds: a bound within int32", whole(minimum=0, maximum=9), whole(format="int32"), COMPATIBLE),
    Row("length: longer", text(minLength=1), text(minLength=2), INC, text(minLength=2)),
    Row("length: shorter", text(maxLength=3), text(maxLength=5), COMPATIBLE),
    Row("pattern: added", STRING, text(pattern="^a+$"), INC, text(pattern="^a+$")),
    Row("pattern: dropped", text(pattern="^a+$"), STRING, COMPATIBLE),
    Row("pattern: wider language", text(pattern="^a+$"), text(pattern="^[ab]*$"), COMPATIBLE),
    Row(
        "pattern: narrower language",
        text(pattern="^[ab]*$"),
        text(pattern="^a+$"),
        INC,
        text(pattern="^[ab]*$", allOf=[{"pattern": "^a+$"}]),
    ),
    Row("pattern: a length says the same", text(pattern="^.{2,3}$"), text(minLength=2), COMPATIBLE),
    Row(
        "pattern: not understood",
        text(pattern=r"^\p{Greek}$"),
        text(pattern=r"^\p{Latin}$"),
        "unproven",
        text(pattern=r"^\p{Greek}$", allOf=[{"pattern": r"^\p{Latin}$"}]),
    ),
    Row("format: added", STRING, text(format="date"), INC, text(format="date")),
    Row("format: dropped", text(format="date"), STRING, COMPATIBLE),
    Row("format: changed", text(format="date"), text(format="ipv4"), INC, None),
    Row("format: unknown to Kubernetes", STRING, text(format="colour"), COMPATIBLE),
    Row("items: narrower", listed(), listed(text(maxLength=1)), INC, listed(text(maxLength=1)), "spec.f[]"),
    Row("items: fewer", listed(maxItems=3), listed(maxItems=2), INC, listed(maxItems=2)),
    Row("items: more", listed(minItems=1), listed(minItems=2), INC, listed(minItems=2)),
    Row("list type: atomic to set", listed(), listed_as("set"), INC, CONFLICT),
    Row("list type: set to atomic", listed_as("set"), listed(), INC, CONFLICT),
    Row("list type: atomic to map", listed(PAIR), listed_as("map", PAIR, ["a"]), INC, CONFLICT),
    Row("list type: other keys", listed_as("map", PAIR, ["a"]), listed_as("map", PAIR, ["b"]), INC, CONFLICT),
    Row(
        "list type: keys in another order",
        listed_as("map", PAIR, ["a", "b"]),
        listed_as("map", PAIR, ["b", "a"]),
        COMPATIBLE,
    ),
    Row(
        "map type: atomic to granular",
        thing({"a": STRING}, **{"x-kubernetes-map-type": "atomic"}),
        thing({"a": STRING}),
        COMPATIBLE,
    ),
    Row("properties: added", thing({"a": STRING}), thing({"a": STRING, "b": STRING}), COMPATIBLE),
    Row(
        "properties: removed",
        thing({"a": STRING, "b": STRING}),
        thing({"a": STRING}),
        INC,
        thing({"a": STRING}),
        "spec.f.b",
    ),
    Row("properties: cleared", thing({"a": STRING}), thing(), INC, CONFLICT, "spec.f.a"),
    Row(
        "properties: removed and required",
        thing({"a": STRING, "b": STRING}, required=["b"]),
        thing({"a": STRING}),
        INC,
        CONFLICT,
        "spec.f.b",
    ),
    Row("properties: to a map that fits", thing({"a": STRING}), thing(additionalProperties=STRING), COMPATIBLE),
    Row(
        "properties: to a map that does not fit",
        thing({"a": STRING}),
        thing(additionalProperties=INTEGER),
        INC,
        CONFLICT,
        "spec.f.a",
    ),
    Row("properties: to additionalProperties true", thing({"a": STRING}), thing(additionalProperties=True), COMPATIBLE),
    Row(
        "properties: of objects to additionalProperties true",
        thing({"a": thing({"b": STRING})}),
        thing(additionalProperties=True),
        INC,
        CONFLICT,
        "spec.f.a",
    ),
    Row(
        "preserve-unknown-fields: to additionalProperties true",
        thing(**{KEEP: True}),
        thing(additionalProperties=True),
        INC,
        thing(additionalProperties=True),
        "spec.f.*",
    ),
    Row(
        "required: added",
        thing({"a": STRING}),
        thing({"a": STRING}, required=["a"]),
        INC,
        thing({"a": STRING}, required=["a"]),
    ),
    Row("required: dropped", thing({"a": STRING}, required=["a"]), thing({"a": STRING}), COMPATIBLE),
    Row(
        "required: added with a default",
        thing({"a": STRING}),
        thing({"a": text(default="x")}, required=["a"]),
        COMPATIBLE,
    ),
    Row(
        "properties count: fewer",
        thing(additionalProperties=STRING),
        thing(additionalProperties=STRING, maxProperties=1),
        INC,
        thing(additionalProperties=STRING, maxProperties=1),
    ),
    Row(
        "additionalProperties: narrower",
        thing(additionalProperties=STRING),
        thing(additionalProperties=text(enum=["a"])),
        INC,
        thing(additionalProperties=text(enum=["a"])),
        "spec.f.*",
    ),
    Row(
        "additionalProperties: true to a schema",
        thing(additionalProperties=True),
        thing(additionalProperties=STRING),
        INC,
        thing(additionalProperties=STRING),
        "spec.f.*",
    ),
    Row(
        "additionalProperties: a schema to true",
        thing(additionalProperties=STRING),
        thing(additionalProperties=True),
        COMPATIBLE,
    ),
    Row(
        "additionalProperties: to named fields",
        thing(additionalProperties=STRING),
        thing({"a": STRING}),
        INC,
        thing({"a": STRING}),
        "spec.f.*",
    ),
    Row("additionalProperties: removed", thing(additionalProperties=STRING), thing(), INC, CONFLICT, "spec.f.*"),
    Row(
        "preserve-unknown-fields: removed",
        thing({"a": STRING}, **{KEEP: True}),
        thing({"a": STRING}),
        INC,
        thing({"a": STRING}),
        "spec.f.*",
    ),
    Row("preserve-unknown-fields: added", thing({"a": STRING}), thing({"a": STRING}, **{KEEP: True}), COMPATIBLE),
    Row(
        "preserve-unknown-fields: to a map",
        thing(**{KEEP: True}),
        thing(additionalProperties=STRING),
        INC,
        thing(additionalProperties=STRING),
        "spec.f.*",
    ),
    Row(
        "embeddedResource: added",
        thing({"data": STRING, "kind": STRING, "apiVersion": STRING}),
        RESOURCE,
        INC,
        CONFLICT,
    ),
    Row("embeddedResource: removed", RESOURCE, thing({"data": STRING}), INC, CONFLICT, "spec.f.kind"),
    Row(
        "anyOf: added",
        STRING,
        text(anyOf=[{"pattern": "^a"}, {"pattern": "^b"}]),
        INC,
        text(anyOf=[{"pattern": "^a"}, {"pattern": "^b"}]),
    ),
    Row("anyOf: dropped", text(anyOf=[{"pattern": "^a"}]), STRING, COMPATIBLE),
    Row(
        "anyOf: a branch more", whole(anyOf=[{"maximum": 1}]), whole(anyOf=[{"maximum": 1}, {"minimum": 5}]), COMPATIBLE
    ),
    Row(
        "anyOf: other branches",
        whole(anyOf=[{"maximum": 1}, {"minimum": 9}]),
        whole(anyOf=[{"maximum": 1}]),
        INC,
        whole(anyOf=[{"maximum": 1}, {"minimum": 9}], allOf=[{"anyOf": [{"maximum": 1}]}]),
    ),
    Row(
        "oneOf: added",
        thing({"a": STRING, "b": STRING}),
        thing({"a": STRING, "b": STRING}, oneOf=[{"required": ["a"]}, {"required": ["b"]}]),
        INC,
        thing({"a": STRING, "b": STRING}, oneOf=[{"required": ["a"]}, {"required": ["b"]}]),
    ),
    Row("allOf: added", whole(), whole(allOf=[{"minimum": 1}]), INC, whole(allOf=[{"minimum": 1}])),
    Row("allOf: says what is said already", whole(minimum=2), whole(allOf=[{"minimum": 1}]), COMPATIBLE),
    Row("not: added", whole(), whole(**{"not": {"enum": [1]}}), INC, whole(**{"not": {"enum": [1]}})),
    Row("not: out of reach", whole(minimum=2), whole(**{"not": {"enum": [1]}}), COMPATIBLE),
    Row("default: changed", whole(default=1), whole(default=2), COMPATIBLE),
    Row("default: removed", whole(default=1), whole(), COMPATIBLE),
    Row(
        "default: removed from a required field",
        thing({"a": whole(default=1)}, required=["a"]),
        thing({"a": whole()}, required=["a"]),
        INC,
        thing({"a": whole()}, required=["a"]),
    ),
    Row(
        "default: differs below a combinator",
        thing({"a": whole(default=1)}, anyOf=[{"required": ["a"]}]),
        thing({"a": whole()}, anyOf=[{"required": ["a"]}]),
        "unproven",
        thing({"a": whole()}, anyOf=[{"required": ["a"]}], required=["a"]),
    ),
    Row("rules: added", whole(), with_rule("self > 1"), "unproven", with_rule("self > 1")),
    Row("rules: dropped", with_rule("self > 1"), whole(), COMPATIBLE),
    Row(
        "rules: of a field that goes",
        thing({"a": STRING, "b": STRING}, **{"x-kubernetes-validations": [{"rule": "!has(self.b)"}]}),
        thing({"a": STRING}),
        "unproven",
        CONFLICT,
        "spec.f.b",
    ),
]
