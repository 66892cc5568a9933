"""Whether what was applied is still as it was applied: read from the fields' owners, so that no value is compared.

A server that defaults or rewrites what it was given ("1000m" becomes "1") leaves the owner; whoever changes or takes
away a field takes the ownership with it. Pure.
"""

from __future__ import annotations

import json
from typing import Any

# Owned by nobody: they say which object it is.
_IDENTITY = frozenset({"apiVersion", "kind"})


def still_owned(applied: dict[str, Any], fields: dict[str, Any]) -> bool:
    """Whether every field of `applied` is among `fields` (the `fieldsV1` of the applier's entry)."""
    content = {name: value for name, value in applied.items() if name not in _IDENTITY}
    metadata = {name: value for name, value in content.pop("metadata").items() if name in {"labels", "annotations"}}
    return _mapping(content, fields) and _mapping(metadata, fields.get("f:metadata") or {})


def _mapping(value: dict[str, Any], fields: dict[str, Any]) -> bool:
    for name, below in value.items():
        if below is None:
            continue
        owned = fields.get(f"f:{name}")
        if owned is None or not _value(below, owned):
            return False
    return True


def _value(value: object, owned: dict[str, Any]) -> bool:
    if not owned:
        return True  # owned as a whole
    if isinstance(value, dict):
        return _mapping(value, owned)
    if isinstance(value, list):
        keys = [json.loads(key[2:]) for key in owned if key.startswith("k:")]
        return all(_item(item, owned, keys) for item in value)
    return True


def _item(item: object, owned: dict[str, Any], keys: list[dict[str, Any]]) -> bool:
    if not isinstance(item, dict):
        return any(key.startswith("v:") and json.loads(key[2:]) == item for key in owned)
    # A key may hold what the server added by default, and then the item does not have it.
    for key in keys:
        if all(item.get(name, value) == value for name, value in key.items()):
            return _value(item, owned[_same(key, owned)])
    return False


def _same(key: dict[str, Any], owned: dict[str, Any]) -> str:
    return next(name for name in owned if name.startswith("k:") and json.loads(name[2:]) == key)
