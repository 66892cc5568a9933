"""What the API server would do with an object, said again: validity by jsonschema-rs, the rest in a few lines."""

from __future__ import annotations

import copy
import json
from functools import lru_cache
from typing import Any

import jsonschema_rs

Json = Any
META = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
KEEP = "x-kubernetes-preserve-unknown-fields"


def accepts(schema: Json, value: Json) -> bool:
    """Whether the server takes an object of a resource and drops nothing of it."""
    schema = {**schema, "properties": {**META, **(schema.get("properties") or {})}}
    if prune(schema, value) != value:
        return False
    filled = fill(schema, value)
    return _validator(json.dumps(schema, sort_keys=True)).is_valid(filled) and _keyed(schema, filled)


@lru_cache(maxsize=2_000)
def _validator(schema: str) -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(translate(json.loads(schema)))


def translate(schema: Json) -> Json:
    """Return the JSON Schema that takes what Kubernetes takes, before pruning."""
    if not isinstance(schema, dict):
        return schema
    found: Json = {}
    for keyword, value in schema.items():
        if keyword in {"anyOf", "oneOf", "allOf"}:
            found.setdefault("allOf", []).append(_but_null({keyword: [translate(branch) for branch in value]}))
        elif keyword == "not":
            found.setdefault("allOf", []).append(_but_null({"not": translate(value)}))
        elif keyword == "properties":
            found[keyword] = {name: translate(below) for name, below in value.items()}
        elif keyword in {"items", "additionalProperties"}:
            found[keyword] = translate(value)
        elif keyword == "enum":
            found[keyword] = [allowed for allowed in value if allowed is not None]
        elif keyword == "type":
            found[keyword] = [value, "null"] if schema.get("nullable") else [value]
        elif keyword in {"minimum", "maximum"}:
            strict = f"exclusive{keyword.title()}"
            found[strict if schema.get(strict) else keyword] = value
        elif not keyword.startswith(("x-", "exclusive")) and keyword not in {"nullable", "default"}:
            found[keyword] = value
    if schema.get("x-kubernetes-int-or-string"):
        found["type"] = ["integer", "string", *(["null"] if schema.get("nullable") else [])]
    if schema.get("x-kubernetes-list-type") == "set":
        found["uniqueItems"] = True
    return found


def _but_null(clause: Json) -> Json:
    """Kubernetes does not ask combinators about null."""
    return {"anyOf": [{"type": "null"}, clause]}


def prune(schema: Json, value: Json, *, kept: bool = False) -> Json:
    """Return what is left of a value."""
    kept = kept or bool(schema.get(KEEP))
    if isinstance(value, dict):
        found = {}
        for name, below in value.items():
            extra = schema.get("additionalProperties")
            if name in (schema.get("properties") or {}):
                child = schema["properties"][name]
            elif extra:
                child = extra if isinstance(extra, dict) else {}
            elif kept:
                found[name] = below
                continue
            else:
                continue
            if (
                below is None
                and (child.get("type") or "x-kubernetes-int-or-string" in child)
                and not child.get("nullable")
            ):
                continue
            found[name] = prune(child, below)
        # The root's metadata is never pruned.
        if "metadata" in value and schema.get("properties", {}).get("metadata") is META["metadata"]:
            found["metadata"] = value["metadata"]
        return found
    if isinstance(value, list):
        if "items" in schema:
            return [prune(schema["items"], item, kept=kept) for item in value]
        return value if kept else [prune({}, item) for item in value]
    return value


def fill(schema: Json, value: Json) -> Json:
    """Return a value with its defaults."""
    if isinstance(value, dict):
        found = copy.deepcopy(value)
        properties = schema.get("properties") or {}
        for name, child in properties.items():
            if "default" in child:
                found.setdefault(name, copy.deepcopy(child["default"]))
        extra = schema.get("additionalProperties")
        for name in found:
            child = properties.get(name, extra if isinstance(extra, dict) else {})
            found[name] = fill(child, found[name])
        return found
    if isinstance(value, list):
        return [fill(schema.get("items") or {}, item) for item in value]
    return value


def _keyed(schema: Json, value: Json) -> bool:
    """Whether items of lists of type map differ in their keys."""
    if isinstance(value, dict):
        children = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        return all(_keyed(children.get(n, extra if isinstance(extra, dict) else {}), v) for n, v in value.items())
    if isinstance(value, list):
        if schema.get("x-kubernetes-list-type") == "map":
            keys = schema["x-kubernetes-list-map-keys"]
            seen = [json.dumps({k: item.get(k) for k in keys if k in item}, sort_keys=True) for item in value]
            if len(seen) != len(set(seen)):
                return False
        return all(_keyed(schema.get("items") or {}, item) for item in value)
    return True
