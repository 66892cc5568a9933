"""What a schema does with an object: fill in defaults, find what would be lost, and check the rest.

The API server's own rules, in its order, as `rust/kcp-schema` applies them to requests. CEL rules are not evaluated
here; who asks is told where there are any (`Node.ruled`).
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from kcp.compat import formats
from kcp.compat.expressions import TooHardError, matches
from kcp.compat.schema import ANY, INT_OR_STRING, UNSPECIFIED, Json, Node, canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kcp.compat.schema import Atom, Clause

MAX_STEPS = 5_000_000
MAX_FAULTS = 100


class Fault(NamedTuple):
    """Why a schema does not take an object as it is."""

    path: str
    """As in `spec.ports[0].name`; empty: the object itself."""
    message: str

    def __str__(self) -> str:
        """Return path and message."""
        return f"{self.path or '(object)'}: {self.message}"


def faults(node: Node, value: Json) -> list[Fault]:
    """Return what keeps a schema from taking an object: fields that would be lost, and violations; at most 100.

    Raises:
        TooHardError: a pattern was not understood, or the checks were too many.
    """
    lost = list(_lost(node, value, ""))
    filled = fill(node, value)
    return [*lost, *Judge().check(node, filled, "")][:MAX_FAULTS]


def takes(node: Node, value: Json) -> bool:
    """Whether a schema takes an object and loses nothing of it."""
    return not faults(node, value)


def fill(node: Node, value: Json) -> Json:
    """Return a copy of a value with the defaults of absent properties."""
    if isinstance(value, dict):
        found = {}
        for name, below in value.items():
            child = node.child(name)
            found[name] = fill(child, below) if child is not None else below
        for name, child in node.properties.items():
            if child.default is not None and name not in found:
                found[name] = fill(child, copy.deepcopy(child.default.value))
        return found
    if isinstance(value, list):
        return [fill(node.item, item) for item in value]
    return value


def _lost(node: Node, value: Json, path: str) -> Iterator[Fault]:
    """Yield the fields that pruning drops, and the nulls that settling drops."""
    if isinstance(value, dict):
        for name, below in value.items():
            here = f"{path}.{name}" if path else str(name)
            child = node.child(name)
            if child is None:
                yield Fault(here, "is not specified and would be dropped")
            elif below is None and child is not ANY and not allows_null(child):
                yield Fault(here, "null is not allowed and would be dropped")
            else:
                yield from _lost(child, below, here)
    elif isinstance(value, list) and node is not ANY:
        for index, item in enumerate(value):
            yield from _lost(node.item, item, f"{path}[{index}]")


def allows_null(node: Node) -> bool:
    """Whether null passes the type of a node."""
    return not node.nonnull and (node.nullable or not node.type)


def has_type(node: Node, value: Json) -> bool:
    """Whether a value is of a node's type."""
    kind = node.type
    if value is None:
        return allows_null(node)
    if isinstance(value, bool):
        found = "boolean"
    elif isinstance(value, int | float):
        whole = isinstance(value, int) or (value.is_integer() and abs(value) <= 2**53 - 1)
        found = "integer" if whole else "number"
    else:
        found = "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
    if not kind:
        return True
    if kind == INT_OR_STRING:
        return found in {"integer", "string"}
    return found == kind or (found == "integer" and kind == "number")


class Judge:
    """One validation with the steps it has left."""

    def __init__(self) -> None:
        self.steps = MAX_STEPS

    def check(self, node: Node, value: Json, path: str) -> Iterator[Fault]:
        """Yield the violations of a value that has its defaults."""
        self.steps -= 1
        if self.steps <= 0:
            raise TooHardError("an object of this size has too many alternatives to check")
        if node is ANY or node is UNSPECIFIED:
            return
        if not has_type(node, value):
            yield Fault(path, f"must be of type {node.type or 'object'}, not null" if value is None else _wrong(node))
            return
        for atom in node.atoms:
            if not satisfies(atom, value, node.type):
                yield Fault(path, describe(atom))
        if value is None:
            return
        for clause in node.clauses:
            if not self.holds(clause, value):
                yield Fault(path, f"does not satisfy {clause.keyword}")
        if isinstance(value, dict):
            for name, below in value.items():
                child = node.child(name)
                if child is not None:
                    yield from self.check(child, below, f"{path}.{name}" if path else str(name))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.check(node.item, item, f"{path}[{index}]")

    def holds(self, clause: Clause, value: Json) -> bool:
        """Whether a combinator is satisfied."""
        fits = (next(self.check(branch, value, ""), None) is None for branch in clause.branches)
        if clause.keyword == "allOf":
            return all(fits)
        if clause.keyword == "anyOf":
            return any(fits)
        if clause.keyword == "oneOf":
            return sum(fits) == 1
        return not any(fits)


def _wrong(node: Node) -> str:
    return f"must be of type {node.type}"


def describe(atom: Atom) -> str:
    """Return what a restriction demands, in words."""
    keyword, value = atom
    if keyword in {"minimum", "maximum"}:
        bound, exclusive = value
        words = {"minimum": "greater than", "maximum": "less than"}[keyword]
        return f"must be {words} {'' if exclusive else 'or equal to '}{bound}"
    texts = {
        "required": f"field {value} is required",
        "forbidden": f"field {value} is not allowed",
        "enum": f"must be one of {', '.join(value[:20]) if isinstance(value, tuple) else ''}",
        "uniqueItems": "items must be unique",
        "listSet": "items of a set must be unique",
        "listMap": f"items must differ in {', '.join(value) if isinstance(value, tuple) else ''}",
        "pattern": f"must match {value}",
        "format": f"must be of format {value}",
        "multipleOf": f"must be a multiple of {value}",
        "minLength": f"must have at least {value} characters",
        "maxLength": f"must have at most {value} characters",
        "minItems": f"must have at least {value} items",
        "maxItems": f"must have at most {value} items",
        "minProperties": f"must have at least {value} fields",
        "maxProperties": f"must have at most {value} fields",
    }
    return texts[keyword]


def satisfies(atom: Atom, value: Json, kind: str) -> bool:
    """Whether a value obeys a restriction of a node of type `kind`; one that speaks of another type is obeyed."""
    keyword, wanted = atom
    if keyword == "enum":
        return value is not None and canonical(value) in wanted
    if keyword == "format" and not kind and value is not None and not isinstance(value, str | list):
        return False  # the server takes a format for a type
    if isinstance(value, str):
        return _text(keyword, wanted, value)
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int | float):
        return _number(keyword, wanted, value)
    if isinstance(value, list):
        return _list(keyword, wanted, value)
    return _object(keyword, wanted, value)


def _text(keyword: str, wanted: Json, value: str) -> bool:
    if keyword == "minLength":
        return len(value) >= int(wanted)
    if keyword == "maxLength":
        return len(value) <= int(wanted)
    if keyword == "pattern":
        return matches(wanted, value)
    if keyword == "format" and wanted not in {"int32", "float"}:
        return formats.accepts(wanted, value)
    return True


def _number(keyword: str, wanted: Json, value: float) -> bool:
    if keyword == "format":
        bound = {"int32": 2**31 - 1 + (value < 0), "float": 3.4028234663852886e38}.get(wanted)
        return bound is None or abs(value) <= bound
    if keyword in {"minimum", "maximum"}:
        # Integers are compared with the whole part of a bound.
        bound, exclusive = (int(wanted[0]) if isinstance(value, int) else wanted[0]), wanted[1]
        above, below = (value, bound) if keyword == "minimum" else (bound, value)
        return bool(above > below or (above == below and not exclusive))
    if keyword == "multipleOf":
        if isinstance(value, int):
            return int(wanted) > 0 and value % int(wanted) == 0
        if wanted <= 0:
            return False
        times = 1 / wanted * value if wanted < 1 else value / wanted
        return bool(abs(times - round(times)) <= 1e-9 * max(abs(times), 1e-300))
    return True


def _list(keyword: str, wanted: Json, value: list[Json]) -> bool:
    if keyword == "minItems":
        return len(value) >= int(wanted)
    if keyword == "maxItems":
        return len(value) <= int(wanted)
    if keyword in {"uniqueItems", "listSet"}:
        return _are_unique(value)
    if keyword == "listMap":
        if not all(isinstance(item, dict) for item in value):
            return False
        return _are_unique([{key: item[key] for key in wanted if key in item} for item in value])
    return True


def _are_unique(values: list[Json]) -> bool:
    return not values or Counter(map(canonical, values)).most_common(1)[0][1] == 1


def _object(keyword: str, wanted: Json, value: dict[str, Json]) -> bool:
    if keyword == "required":
        return bool(wanted in value)
    if keyword == "forbidden":
        return bool(wanted not in value)
    if keyword == "minProperties":
        return len(value) >= int(wanted)
    if keyword == "maxProperties":
        return len(value) <= int(wanted)
    return True
