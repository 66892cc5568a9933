"""A structural schema from the definitions of an OpenAPI document, v2 or v3.

References are resolved in place, since a definition of a custom resource has none. Where that does not end, or where a
document asks for more than a definition can hold, the schema takes whatever comes and keeps it: what the source
accepts is never refused for want of words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kcp.puller.known import (
    ANY_OBJECT,
    ANYTHING,
    INT_OR_STRING,
    INTEGER_OR_STRING,
    KEY_DEFAULTS,
    PRESERVE,
    TYPES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema: TypeAlias = dict[str, Any]

LIST_TYPE: Final = "x-kubernetes-list-type"
MAP_KEYS: Final = "x-kubernetes-list-map-keys"
MAP_TYPE: Final = "x-kubernetes-map-type"
MERGE_KEY: Final = "x-kubernetes-patch-merge-key"
STRATEGY: Final = "x-kubernetes-patch-strategy"

# What a node says of values, taken as it is.
_CHECKS: Final = (
    "title",
    "format",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "multipleOf",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "maxProperties",
    "minProperties",
    "enum",
    "nullable",
    "x-kubernetes-validations",
)
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
# What a field that is not set is, where Go's types have no word for "not set".
_ZEROS: Final[dict[str, Any]] = {"string": "", "integer": 0, "number": 0, "boolean": False}
# What a field may say of its values, by whether it is a text, for a zero to be among them.
_ZERO_IS_FINE: Final = {False: {"type", "description", "title", "format"}, True: {"type", "description", "title"}}
# Nodes of one schema; a Pod has some 3,000. Beyond it everything is taken.
MOST_NODES: Final = 50_000
# Levels of one schema: JSON of definitions is read by servers that stop at some depth.
MOST_LEVELS: Final = 60


def structural(definitions: Mapping[str, Schema], name: str, *, descriptions: bool = True) -> Schema:
    """Return the structural schema of a kind.

    Args:
        definitions: all definitions of the document, by name.
        name: the kind's own.
        descriptions: whether texts for people are kept.

    Raises:
        KeyError: there is no such definition.
    """
    root = _Writer(definitions, descriptions).definition(name, definitions[name])
    root.setdefault("properties", {})["metadata"] = {"type": "object"}
    root["type"] = "object"
    root.pop("nullable", None)
    return root


class _Writer:
    def __init__(self, definitions: Mapping[str, Schema], descriptions: bool) -> None:
        self._definitions = definitions
        self._descriptions = descriptions
        self._nodes = 0
        # Names of the definitions around the node at hand.
        self._path: list[str] = []
        # Whether the node at hand is part of the status, which controllers write in pieces.
        self._status = False

    def definition(self, name: str, definition: Schema) -> Schema:
        self._path.append(name)
        try:
            return self._plain(definition, name)
        finally:
            self._path.pop()

    def node(self, schema: Schema) -> Schema:
        """Return a node; the description at the reference comes before that of what is referred to."""
        self._nodes += 1
        name, definition = self._resolve(schema)
        out = self._referred(name, definition)
        if name is not None:
            out.update((k, schema[k]) for k in (*_CHECKS, MAP_TYPE) if k in schema)
        if self._descriptions and (text := schema.get("description") or definition.get("description")):
            out = {"description": text, **{k: v for k, v in out.items() if k != "description"}}
        return out

    def _referred(self, name: str | None, definition: Schema) -> Schema:
        if name is not None and name in TYPES:
            return dict(TYPES[name])
        if self._nodes > MOST_NODES or len(self._path) > MOST_LEVELS or (name is not None and name in self._path):
            return dict(ANY_OBJECT if definition.get("type") == "object" else ANYTHING)
        return self._plain(definition, None) if name is None else self.definition(name, definition)

    def _resolve(self, schema: Schema) -> tuple[str | None, Schema]:
        """Return the name and the definition that a node refers to, else the node itself without a name.

        v3 wraps a reference that has a default or a description of its own: `{"allOf": [{"$ref": …}], …}`.
        """
        reference = schema.get("$ref")
        if reference is None and "type" not in schema and len(parts := list(schema.get("allOf") or ())) == 1:
            reference = parts[0].get("$ref")
        if reference is None:
            return None, schema
        name = str(reference).rsplit("/", 1)[-1]
        # A reference to nothing describes nothing.
        return name, self._definitions.get(name, {})

    def _plain(self, schema: Schema, name: str | None) -> Schema:
        if schema.get(INT_OR_STRING) or schema.get("format") == "int-or-string" or _is_integer_or_string(schema):
            return dict(INTEGER_OR_STRING)
        kind = schema.get("type")
        if kind == "array":
            out = self._array(schema)
        elif kind == "object" or "properties" in schema or "additionalProperties" in schema:
            out = self._object(schema, name)
        elif kind in _SCALARS:
            out = {"type": kind}
        else:
            return dict(ANYTHING)
        out.update((key, schema[key]) for key in _CHECKS if key in schema)
        if self._descriptions and schema.get("description"):
            out = {"description": schema["description"], **out}
        return out

    def _object(self, schema: Schema, name: str | None) -> Schema:
        out: Schema = {"type": "object"}
        for extension in (MAP_TYPE, "x-kubernetes-embedded-resource", PRESERVE):
            if schema.get(extension):
                out[extension] = schema[extension]
        properties, values = schema.get("properties"), schema.get("additionalProperties")
        if properties:
            is_root = len(self._path) == 1 and name is not None
            out["properties"] = {key: self._property(key, inner, is_root) for key, inner in properties.items()}
            self._require(out, schema)
        elif isinstance(values, dict) and values:
            out["additionalProperties"] = self.node(values)
        else:
            # No word of what is in it: maybe nothing, maybe anything.
            out[PRESERVE] = True
        return out

    def _property(self, key: str, schema: Schema, is_root: bool) -> Schema:
        if is_root and key == "status":
            self._status = True
            try:
                return self.node(schema)
            finally:
                self._status = False
        out = self.node(schema)
        # Zeros are how Go says "not set"; a definition that wrote them down would set them.
        if (value := schema.get("default")) not in (None, {}, [], "", 0, False):
            out["default"] = value
        return out

    def _require(self, out: Schema, schema: Schema) -> None:
        required = [key for key in schema.get("required") or () if key in out["properties"]]
        if self._status:
            # Servers take a status in which nothing is set, and show zeros for what they must show.
            for key in required:
                field = out["properties"][key]
                if field.get("type") in _ZEROS and field.keys() <= _ZERO_IS_FINE[field["type"] == "string"]:
                    field["default"] = _ZEROS[field["type"]]
            required = []
        if required:
            out["required"] = required

    def _array(self, schema: Schema) -> Schema:
        items = schema.get("items") or {}
        out: Schema = {"type": "array", "items": self.node(items)}
        name, definition = self._resolve(items)
        keys = list(schema.get(MAP_KEYS) or ())
        if not keys and schema.get(MERGE_KEY):
            keys = [schema[MERGE_KEY]]
        kind = schema.get(LIST_TYPE) or _list_type(schema, out["items"])
        if kind == "map" and not self._keyed(out["items"], name, definition, keys):
            kind = None
        if kind == "set" and not _is_atomic(out["items"]):
            kind = "atomic"
        if kind:
            out[LIST_TYPE] = kind
        if kind == "map":
            out[MAP_KEYS] = keys
        return out

    def _keyed(self, items: Schema, name: str | None, definition: Schema, keys: list[str]) -> bool:
        """Make sure that each key of a list is always there: required, or with a default. False where it cannot be."""
        properties = items.get("properties") or {}
        if not keys or any(properties.get(key, {}).get("type") not in _SCALARS for key in keys):
            return False
        required = items.get("required") or []
        for key in keys:
            if key in required or "default" in properties[key]:
                continue
            default = definition["properties"][key].get("default", KEY_DEFAULTS.get((name or "", key)))
            if default is not None and key not in (definition.get("required") or ()):
                properties[key]["default"] = default
            else:
                required = [*required, key]
        if required:
            items["required"] = required
        return True


def _list_type(schema: Schema, items: Schema) -> str | None:
    """Return the type of a list that only says how strategic merge patches treat it."""
    strategy = schema.get(STRATEGY)
    if strategy is None:
        return "map" if schema.get(MERGE_KEY) else None
    if "merge" not in str(strategy).split(","):
        return "atomic"
    return "map" if items.get("type") == "object" else "set"


def _is_atomic(items: Schema) -> bool:
    """Tell whether an item is one value, as those of a set have to be."""
    kind = items.get("type")
    if kind == "object":
        return bool(items.get(MAP_TYPE) == "atomic")
    if kind == "array":
        return bool(items.get(LIST_TYPE, "atomic") == "atomic")
    return kind in _SCALARS


def _is_integer_or_string(schema: Schema) -> bool:
    """Tell whether a node is written as what v3 has for `IntOrString`."""
    parts = schema.get("oneOf") or schema.get("anyOf") or ()
    return "type" not in schema and sorted(str(part.get("type")) for part in parts) == ["integer", "string"]
