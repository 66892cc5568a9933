"""Random structural schemas, schemas that are nearly another, and objects that nearly fit."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

Json = Any
NAMES = ("a", "b", "c")
KEEP = "x-kubernetes-preserve-unknown-fields"
PATTERNS = ("^[ab]*$", "^a+$", "b", "^.{2}$", "a|b")
TEXTS = ("", "a", "b", "aa", "ab", "ba", "aab", "x y", "abba")

texts = st.sampled_from(TEXTS)
whole = st.integers(-3, 8)
numbers = st.one_of(whole, st.sampled_from([0.5, 1.5, 2.25, -0.5]))
small = st.integers(0, 3)


def _some(**keywords: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=keywords)


def _bounds() -> st.SearchStrategy[Json]:
    strict = st.just(True)
    return _some(minimum=whole, maximum=whole, exclusiveMinimum=strict, exclusiveMaximum=strict)


string_rules = _some(
    minLength=small, maxLength=small, pattern=st.sampled_from(PATTERNS), enum=st.lists(texts, min_size=1, max_size=4)
)
integer_rules = st.one_of(
    _bounds(), _some(multipleOf=st.integers(1, 4), minimum=whole), _some(enum=st.lists(whole, min_size=1, max_size=4))
)
# Not fractions: of those the server uses only the whole part for integers (docs/design/compat.md).
number_rules = st.one_of(_bounds(), _some(multipleOf=st.integers(1, 3)))
RULES = {"string": string_rules, "integer": integer_rules, "number": number_rules, "boolean": st.just({})}


@st.composite
def leaves(draw: st.DrawFn) -> Json:
    kind = draw(st.sampled_from(["string", "integer", "number", "boolean", "either", "any"]))
    if kind == "any":
        return {KEEP: True}
    nullable = {"nullable": True} if draw(st.integers(0, 5)) == 0 else {}
    if kind == "either":
        form = draw(st.sampled_from([{}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}]))
        return {"x-kubernetes-int-or-string": True, **form, **draw(_some(maxLength=small, minimum=whole)), **nullable}
    combined: Json = {}
    if kind in {"string", "integer"} and draw(st.integers(0, 3)) == 0:
        keyword = draw(st.sampled_from(["anyOf", "oneOf", "allOf", "not"]))
        branches = draw(st.lists(RULES[kind].filter(bool), min_size=1, max_size=2))
        combined = {keyword: branches[0] if keyword == "not" else branches}
    return {"type": kind, **draw(RULES[kind]), **combined, **nullable}


@st.composite
def objects(draw: st.DrawFn, below: st.SearchStrategy[Json], *, defaults: bool) -> Json:
    form = draw(st.sampled_from(["fields", "fields", "fields", "map", "open", "any map"]))
    counts = draw(_some(minProperties=st.integers(0, 2), maxProperties=st.integers(1, 3)))
    counts = counts if draw(st.booleans()) else {}
    if form == "map":
        return {"type": "object", "additionalProperties": draw(below), **counts}
    if form == "any map":
        return {"type": "object", "additionalProperties": True, **counts}
    properties = {name: draw(below) for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))}
    found: Json = {"type": "object", "properties": properties, **counts}
    if form == "open":
        found[KEEP] = True
    if properties:
        found["required"] = draw(st.lists(st.sampled_from(list(properties)), unique=True, max_size=2))
        if draw(st.integers(0, 3)) == 0:
            keyword = draw(st.sampled_from(["anyOf", "oneOf"]))
            names = st.lists(st.sampled_from(list(properties)), min_size=1, max_size=2, unique=True)
            branch = st.one_of(
                names.map(lambda n: {"required": n}), st.builds(_nested, st.sampled_from(list(properties)))
            )
            found[keyword] = draw(st.lists(branch, min_size=1, max_size=2))
        if defaults:
            for child in properties.values():
                if child.get("type") == "integer" and draw(st.booleans()):
                    child["default"] = draw(whole)
    return found


def _nested(name: str) -> Json:
    return {"properties": {name: {"enum": ["a", 1, 2]}}, "required": [name]}


@st.composite
def lists(draw: st.DrawFn, below: st.SearchStrategy[Json]) -> Json:
    kind = draw(st.sampled_from(["", "", "set", "map"]))
    counts = draw(_some(minItems=st.integers(0, 2), maxItems=st.integers(1, 3)))
    if kind == "set":
        items = {"type": draw(st.sampled_from(["string", "integer"]))}
        return {
            "type": "array",
            "items": {**items, **draw(RULES[items["type"]])},
            "x-kubernetes-list-type": "set",
            **counts,
        }
    if kind == "map":
        entry: Json = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": draw(below)}}
        keys: Json = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]}
        return {"type": "array", "items": entry, **keys, **counts}
    return {"type": "array", "items": draw(below), **counts}


def nodes(*, defaults: bool = False) -> st.SearchStrategy[Json]:
    """Structural schemas of a field."""
    return st.recursive(
        leaves(), lambda below: st.one_of(objects(below, defaults=defaults), lists(below)), max_leaves=5
    )


@st.composite
def pairs(draw: st.DrawFn, *, defaults: bool = False) -> tuple[Json, Json]:
    """Two schemas of a resource: the second is the first with some places changed, or another one."""
    old = draw(nodes(defaults=defaults))
    new = draw(nodes(defaults=defaults)) if draw(st.integers(0, 4)) == 0 else copy.deepcopy(old)
    for _ in range(draw(st.integers(1, 3))):
        new = _changed(draw, new, nodes(defaults=defaults))
    roots = [{"type": "object", "properties": {"spec": spec}} for spec in (old, new)]
    if draw(st.integers(0, 3)) == 0:
        roots[draw(st.integers(0, 1))]["required"] = ["spec"]
    return roots[0], roots[1]


def _changed(draw: st.DrawFn, schema: Json, fresh: st.SearchStrategy[Json]) -> Json:
    """Return a schema with one keyword taken away or put in, here or below."""
    below = [name for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)]
    fields = list(schema.get("properties") or {})
    go = draw(st.integers(0, 3))
    if go and fields:
        name = draw(st.sampled_from(fields))
        if draw(st.integers(0, 4)) == 0:
            kept = {n: s for n, s in schema["properties"].items() if n != name}
            required = [n for n in schema.get("required") or [] if n != name]
            plain = {k: v for k, v in schema.items() if k not in {"anyOf", "oneOf"}}
            return {**plain, "properties": kept, "required": required}
        return {
            **schema,
            "properties": {**schema["properties"], name: _changed(draw, schema["properties"][name], fresh)},
        }
    if go and below and schema.get("x-kubernetes-list-type") is None:
        return {**schema, below[0]: _changed(draw, schema[below[0]], fresh)}
    kind = schema.get("type")
    if kind in RULES and draw(st.integers(0, 4)):
        kept = {k: v for k, v in schema.items() if draw(st.integers(0, 3)) or k == "type"}
        return {**kept, **draw(RULES[kind])}
    if kind in {"object", "array"} and draw(st.booleans()):
        drop = draw(
            st.sampled_from(["required", "minItems", "maxItems", "minProperties", "maxProperties", "anyOf", "oneOf"])
        )
        return {k: v for k, v in schema.items() if k != drop}
    return draw(fresh)


def values(schema: Json) -> st.SearchStrategy[Json]:
    """Values that often fit a schema."""
    wild = st.one_of(texts, numbers, st.booleans(), st.none(), st.just([]), st.just({}), st.just({"z": {"z": 1}}))
    kind = schema.get("type")
    fit: st.SearchStrategy[Json] = wild
    if schema.get("enum"):
        fit = st.sampled_from(schema["enum"])
    elif kind == "string":
        fit = texts
    elif kind == "integer":
        fit = whole
    elif kind == "number":
        fit = numbers
    elif kind == "boolean":
        fit = st.booleans()
    elif schema.get("x-kubernetes-int-or-string"):
        fit = st.one_of(texts, whole)
    elif kind == "array":
        fit = st.lists(values(schema.get("items") or {}), max_size=3)
    elif kind == "object":
        fields = {name: values(below) for name, below in (schema.get("properties") or {}).items()}
        must = {n: s for n, s in fields.items() if n in (schema.get("required") or [])}
        may = {n: s for n, s in fields.items() if n not in must}
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            may |= {name: values(extra) for name in NAMES}
        elif extra or schema.get(KEEP):
            may["z"] = wild
        fit = st.fixed_dictionaries(must, optional=may)
    return st.one_of(fit, fit, fit, fit, wild)
