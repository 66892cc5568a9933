"""Schemas of custom resources as values that can be compared: parsed once, bounded, equal by content.

A `Node` says what a value at one place must be. Everything that can be violated alone is an `Atom` or a `Clause` of it,
so that a comparison can ask for each of them by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

Json: TypeAlias = Any
"""A decoded JSON value: dict, list, str, int, float, bool or None."""

# The limits of the server's own schemas.
MAX_DEPTH = 64
MAX_NODES = 200_000
TYPES = ("object", "array", "string", "integer", "number", "boolean")
INT_OR_STRING = "int-or-string"
META = ("apiVersion", "kind", "metadata")

# What Kubernetes asks of type fields of an embedded resource.
_KIND = r"^[A-Za-z]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?$"
_API_VERSION = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$"

_NOT_ALLOWED = ("$ref", "definitions", "dependencies", "patternProperties", "additionalItems")
_SILENT = {"description", "title", "example", "externalDocs", "id", "$schema"}
_WHOLE = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_KNOWN = {
    *("type", "nullable", "properties", "additionalProperties", "items", "required", "enum", "default", "format"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "pattern", "uniqueItems"),
    *("allOf", "anyOf", "oneOf", "not"),
    *_WHOLE,
    *_SILENT,
}
# A combinator that only repeats what int-or-string says.
_EITHER = [{"type": "integer"}, {"type": "string"}]

# Formats that the API server enforces for strings (dashes do not count), and for numbers.
STRING_FORMATS = frozenset(
    {
        *("bsonobjectid", "uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac", "uuid", "uuid3", "uuid4", "uuid5"),
        *("isbn", "isbn10", "isbn13", "creditcard", "ssn", "hexcolor", "rgbcolor", "byte", "date", "duration"),
        *("datetime", "k8sshortname", "k8slongname"),
    }
)


class SchemaError(ValueError):
    """A schema cannot be read: one line that names the place."""


class Atom(NamedTuple):
    """One restriction of a value, by keyword; `value` is hashable."""

    keyword: str
    value: Any


class Clause(NamedTuple):
    """A combinator: `allOf`, `anyOf`, `oneOf` or `not`, with its branches."""

    keyword: str
    branches: tuple[Node, ...]


class Default(NamedTuple):
    """The default of a property."""

    value: Json


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """What a value at one place must be."""

    type: str = ""
    """Empty: any."""
    nullable: bool = False
    nonnull: bool = False
    """Null alone is refused; for goals of a comparison."""
    closed: bool = False
    """A place of a structural schema: what it does not specify is pruned. Branches of combinators are open."""
    preserve: bool = False
    embedded: bool = False
    properties: Mapping[str, Node] = field(default_factory=dict)
    additional: Node | None = None
    items: Node | None = None
    atoms: tuple[Atom, ...] = ()
    clauses: tuple[Clause, ...] = ()
    required: frozenset[str] = frozenset()
    """As written; the atoms leave out what a default fills in."""
    default: Default | None = None
    map_type: str = ""
    rules: tuple[str, ...] = ()
    """Texts of the CEL rules."""
    raw: Mapping[str, Json] = field(default_factory=dict)
    key: str = ""
    """Digest of all that matters to validity, pruning and merging; equal nodes have equal keys."""
    defaults: str = ""
    """Digest of the defaults in it and below, with their places; empty: none."""
    ruled: bool = False
    """There is a CEL rule here or below."""

    @property
    def open_ended(self) -> bool:
        """Whether fields that nothing specifies are kept."""
        return self.preserve or not self.closed

    def child(self, name: str) -> Node | None:
        """Return what a field must be; None: the field is pruned or refused."""
        found = self.properties.get(name)
        if found is not None:
            return found
        if self.additional is not None:
            return self.additional
        return ANY if self.open_ended else None

    @property
    def item(self) -> Node:
        """What an item must be."""
        return self.items or (ANY if self.open_ended else UNSPECIFIED)

    def atom(self, keyword: str) -> Json:
        """Return the value of the first atom of a keyword, or None."""
        return next((atom.value for atom in self.atoms if atom.keyword == keyword), None)


def sealed(node: Node) -> Node:
    """Return the node with its digests."""
    own = [
        *(node.type, node.nullable, node.nonnull, node.closed, node.preserve, node.embedded, node.map_type),
        [[keyword, str(value), repr(value)] for keyword, value in sorted(node.atoms, key=repr)],
        sorted([keyword, *(branch.key for branch in branches)] for keyword, branches in node.clauses),
        [[name, below.key] for name, below in sorted(node.properties.items())],
        node.additional.key if node.additional else "",
        node.items.key if node.items else "",
        sorted(node.required),
        json.dumps(node.default, sort_keys=True),
        sorted(node.rules),
    ]
    below = [("." + name, child) for name, child in sorted(node.properties.items())]
    below += [("*", node.additional)] if node.additional else []
    below += [("[]", node.items)] if node.items else []
    inside = [[place, child.defaults, child.default] for place, child in below if child.defaults or child.default]
    ruled = bool(node.rules) or any(child.ruled for _, child in below)
    return replace(node, key=_digest(own), defaults=_digest(inside) if inside else "", ruled=ruled)


def _digest(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


ANY = sealed(Node())
"""Anything at all, kept as it is."""
UNSPECIFIED = sealed(Node(closed=True))
"""What `additionalProperties: true` means: anything, but objects lose all their fields."""
NOTHING = sealed(Node(clauses=(Clause("not", (ANY,)),)))
"""What no value satisfies."""


def parse(schema: Json, *, where: str = "openAPIV3Schema", root: bool = True) -> Node:
    """Read a structural schema.

    Args:
        schema: decoded `openAPIV3Schema`.
        where: what messages call it.
        root: whether it stands for a whole resource, whose type and metadata fields are always kept.

    Raises:
        SchemaError: it is no schema, is not structural, contains itself or is too large.
    """
    node = _Parser().node(schema, where, 0, structural=True)
    return as_resource(node) if root and node.type in {"", "object"} else node


def as_resource(node: Node) -> Node:
    """Return the root of a resource: type and metadata fields are specified, whoever left them out."""
    properties = dict(node.properties)
    for name in ("apiVersion", "kind"):
        properties.setdefault(name, sealed(Node(type="string", closed=True)))
    metadata = properties.get("metadata", Node(type="object", closed=True))
    properties["metadata"] = sealed(replace(metadata, preserve=True))
    return sealed(replace(node, properties=properties))


class _Parser:
    def __init__(self) -> None:
        self.nodes = 0
        self.path: set[int] = set()

    def node(self, raw: Json, where: str, depth: int, *, structural: bool, preserve: bool = False) -> Node:
        if not isinstance(raw, Mapping):
            raise SchemaError(f"{where}: a schema must be an object, not {_kind(raw)}")
        if id(raw) in self.path:
            raise SchemaError(f"{where}: the schema contains itself")
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise SchemaError(f"{where[:200]}: the schema has more than {MAX_DEPTH} levels")
        if self.nodes > MAX_NODES:
            raise SchemaError(f"{where}: the schema has more than {MAX_NODES} nodes")
        self.path.add(id(raw))
        try:
            return self._node(raw, where, depth, structural, preserve)
        finally:
            self.path.discard(id(raw))

    def _node(self, raw: Mapping[str, Json], where: str, depth: int, structural: bool, preserve: bool) -> Node:
        _check_keywords(raw, where)
        preserve = preserve or raw.get("x-kubernetes-preserve-unknown-fields") is True
        kind = _type(raw, where)

        def below(schema: Json, place: str, *, kept: bool = False) -> Node:
            return self.node(schema, f"{where}.{place}", depth + 1, structural=structural, preserve=kept)

        fields = _get(raw, "properties", dict, where) or {}
        properties = {name: below(schema, f"properties[{name}]") for name, schema in fields.items()}
        # A list that keeps unknown fields keeps those of its items.
        items = below(raw["items"], "items", kept=preserve) if raw.get("items") is not None else None
        additional, extra = None, raw.get("additionalProperties")
        if isinstance(extra, Mapping):
            additional = below(extra, "additionalProperties")
        elif extra is True:
            additional = UNSPECIFIED if structural else ANY
        elif extra is False:
            additional = NOTHING if not structural or preserve else None
        elif extra is not None:
            raise SchemaError(f"{where}.additionalProperties: must be a schema or a boolean")
        required = _texts(raw, "required", where)
        embedded = raw.get("x-kubernetes-embedded-resource") is True
        atoms = [*_atoms(raw, kind, where), *_list_atoms(raw, where)]
        if embedded:
            properties = _embedded(properties)
            required = [*required, "apiVersion", "kind"]
        filled = {name for name, child in properties.items() if child.default is not None}
        atoms += [Atom("required", name) for name in sorted(set(required) - filled)]
        return sealed(
            Node(
                type=kind,
                nullable=raw.get("nullable") is True,
                closed=structural,
                preserve=preserve,
                embedded=embedded,
                properties=properties,
                additional=additional,
                items=items,
                atoms=tuple(dict.fromkeys(atoms)),
                clauses=tuple(self._clauses(raw, kind, where, depth)),
                required=frozenset(required),
                default=Default(raw["default"]) if "default" in raw and structural else None,
                map_type=str(raw.get("x-kubernetes-map-type") or "granular") if kind == "object" and structural else "",
                rules=tuple(_rules(raw, where)),
                raw=raw,
            )
        )

    def _clauses(self, raw: Mapping[str, Json], kind: str, where: str, depth: int) -> list[Clause]:
        found = []
        for keyword in ("allOf", "anyOf", "oneOf"):
            branches = _get(raw, keyword, list, where) or []
            if kind == INT_OR_STRING:
                if keyword == "anyOf" and branches == _EITHER:
                    continue
                branches = [branch for branch in branches if keyword != "allOf" or branch != {"anyOf": _EITHER}]
            if branches:
                nodes = [
                    self.node(branch, f"{where}.{keyword}[{index}]", depth + 1, structural=False)
                    for index, branch in enumerate(branches)
                ]
                # What all must satisfy is one clause each, so that it compares by itself.
                found += (
                    [Clause("allOf", (n,)) for n in nodes] if keyword == "allOf" else [Clause(keyword, tuple(nodes))]
                )
        if raw.get("not") is not None:
            found.append(Clause("not", (self.node(raw["not"], f"{where}.not", depth + 1, structural=False),)))
        return found


def _embedded(properties: dict[str, Node]) -> dict[str, Node]:
    metadata = properties.get("metadata", Node(type="object", closed=True))
    found = {**properties, "metadata": sealed(replace(metadata, preserve=True))}
    for name, pattern in (("kind", _KIND), ("apiVersion", _API_VERSION)):
        given = properties.get(name, Node(type="string", closed=True))
        found[name] = sealed(replace(given, atoms=(*given.atoms, Atom("pattern", pattern))))
    return found


def _kind(value: Json) -> str:
    if value is None:
        return "null"
    names: dict[type, str] = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _check_keywords(raw: Mapping[str, Json], where: str) -> None:
    for keyword in raw:
        if keyword in _NOT_ALLOWED:
            raise SchemaError(f"{where}: {keyword} is not allowed in schemas of custom resources")
        if keyword not in _KNOWN and not str(keyword).startswith("x-"):
            raise SchemaError(f"{where}: {str(keyword)[:80]!r} is no keyword of a schema")


def _type(raw: Mapping[str, Json], where: str) -> str:
    kind = raw.get("type") or ""
    if not isinstance(kind, str) or (kind and kind not in TYPES):
        raise SchemaError(f"{where}.type: {str(kind)[:80]!r} is not one of {', '.join(TYPES)}")
    if raw.get("x-kubernetes-int-or-string") is True:
        if kind:
            raise SchemaError(f"{where}.type: must be empty where x-kubernetes-int-or-string is true")
        return INT_OR_STRING
    return kind


def _get(raw: Mapping[str, Json], keyword: str, kind: type, where: str) -> Json:
    value = raw.get(keyword)
    if value is not None and not isinstance(value, kind):
        raise SchemaError(f"{where}.{keyword}: must be {_kind(kind())}, not {_kind(value)}")
    return value


def _texts(raw: Mapping[str, Json], keyword: str, where: str) -> list[str]:
    values = _get(raw, keyword, list, where) or []
    if not all(isinstance(value, str) for value in values):
        raise SchemaError(f"{where}.{keyword}: must be a list of strings")
    return list(values)


def _rules(raw: Mapping[str, Json], where: str) -> list[str]:
    rules = _get(raw, "x-kubernetes-validations", list, where) or []
    for rule in rules:
        if not isinstance(rule, Mapping) or not isinstance(rule.get("rule"), str):
            raise SchemaError(f"{where}.x-kubernetes-validations: every rule needs a text")
    return [str(rule["rule"]) for rule in rules]


def _atoms(raw: Mapping[str, Json], kind: str, where: str) -> list[Atom]:
    found = []
    for keyword, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if (bound := _number(raw, keyword, where)) is not None:
            found.append(Atom(keyword, (bound, raw.get(exclusive) is True)))
    if (factor := _number(raw, "multipleOf", where)) is not None:
        found.append(Atom("multipleOf", factor))
    for keyword in _WHOLE:
        if (count := _number(raw, keyword, where)) is not None:
            if int(count) != count:
                raise SchemaError(f"{where}.{keyword}: must be a whole number")
            if count > 0 or keyword.startswith("max"):
                found.append(Atom(keyword, int(count)))
    if pattern := _get(raw, "pattern", str, where):
        found.append(Atom("pattern", pattern))
    if known := enforced_format(kind, _get(raw, "format", str, where) or ""):
        found.append(Atom("format", known))
    if raw.get("uniqueItems") is True:
        found.append(Atom("uniqueItems", True))
    values = _get(raw, "enum", list, where)
    if values:
        found.append(Atom("enum", tuple(sorted({canonical(value) for value in values if value is not None}))))
    return found


def _list_atoms(raw: Mapping[str, Json], where: str) -> list[Atom]:
    kind = _get(raw, "x-kubernetes-list-type", str, where)
    if kind == "set":
        return [Atom("listSet", True)]
    if kind == "map":
        return [Atom("listMap", tuple(sorted(_texts(raw, "x-kubernetes-list-map-keys", where))))]
    return []


def _number(raw: Mapping[str, Json], keyword: str, where: str) -> int | float | None:
    value = raw.get(keyword)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) > 1e300:
        raise SchemaError(f"{where}.{keyword}: must be a number")
    return int(value) if int(value) == value else value


def enforced_format(kind: str, name: str) -> str:
    """Return the format that the API server enforces for a type, or nothing."""
    if kind in {"", "string"}:
        plain = name.replace("-", "")
        return plain if plain in STRING_FORMATS else ""
    # Of numbers only these two bound values that a 64-bit integer or a double can have.
    return name if (kind, name) in {("integer", "int32"), ("number", "float")} else ""


def canonical(value: Json) -> str:
    """Return a text that is equal for equal JSON values; a whole float is its integer."""
    return json.dumps(_whole(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _whole(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _whole(below) for name, below in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_whole(item) for item in value]
    return value
