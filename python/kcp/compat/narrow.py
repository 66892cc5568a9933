"""The least common denominator: the schema of the objects that two schemas both take.

Written as a change of the old schema, so that descriptions and everything else that is nobody's restriction stay. What
the two say of one place is joined; a field that one of them drops is dropped. Where nothing is left for a place that
both specify, or what is left cannot be written as a structural schema, there is a conflict and no result.
"""

from __future__ import annotations

import copy
import json
import re
from math import lcm
from typing import TYPE_CHECKING, Any, NamedTuple

from kcp.compat import judge
from kcp.compat.schema import ANY, INT_OR_STRING, META, Json, Node, SchemaError, canonical, parse, sealed
from kcp.compat.solve import Search
from kcp.compat.syntax import TooHardError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_RULES = "x-kubernetes-validations"
_CLAUSES = ("allOf", "anyOf", "oneOf", "not")
_NUMERIC = {("integer", "number"), ("number", "integer")}
# Keywords whose stricter value is the greater, or the smaller one.
_GREATER = ("minLength", "minItems", "minProperties")
_SMALLER = ("maxLength", "maxItems", "maxProperties")
_NESTED_ONLY = ("pattern", "format", "multipleOf")
_EITHER = [{"type": "integer"}, {"type": "string"}]


class Conflict(NamedTuple):
    """Why there is no common denominator."""

    path: str
    message: str


class _Place(NamedTuple):
    path: str
    guarded: bool
    """Something here or above may tell an absent field from a defaulted one."""


def meet(old: Node, new: Node) -> tuple[dict[str, Json] | None, list[Conflict]]:
    """Return the common denominator of two parsed schemas as a schema, or the conflicts that stand against it."""
    joined = _Meet()
    raw = joined.join(old, new, _Place("", guarded=False))
    return (None, joined.conflicts) if joined.conflicts or raw is None else (_without_implied(raw, old), [])


def _without_implied(raw: dict[str, Json], old: Node) -> dict[str, Json]:
    """Return the schema of a resource without the type fields that reading it added."""
    given = old.raw.get("properties") or {}
    fields = {n: s for n, s in (raw.get("properties") or {}).items() if n not in META or n in given}
    raw = {keyword: value for keyword, value in raw.items() if keyword != "properties"}
    return {**raw, "properties": fields} if fields else raw


class _Meet:
    def __init__(self) -> None:
        self.conflicts: list[Conflict] = []
        self.search = Search()

    def conflict(self, place: _Place, message: str) -> None:
        self.conflicts.append(Conflict(place.path, message))

    def join(self, old: Node, new: Node, place: _Place) -> dict[str, Json] | None:
        """Return what both say of a place; None after a conflict."""
        if old.key == new.key or new is ANY or _takes_all(new):
            return dict(old.raw)
        if _takes_all(old):
            return dict(new.raw)
        kind = _common_type(old.type, new.type)
        if kind is None:
            self.conflict(place, f"type changed from {old.type} to {new.type}")
            return None
        if old.embedded != new.embedded:
            self.conflict(place, "only one of the two is an embedded resource")
            return None
        both = self.search.value((old, new, _NOT_NULL))
        if both is None and not self.search.cut and self.search.value((old, _NOT_NULL)) is not None:
            self.conflict(place, _nothing_left(old, new))
            return None
        raw = _base(old, new, kind)
        place = place._replace(guarded=place.guarded or _guards(old) or _guards(new))
        if kind in {"object", ""}:
            self.join_fields(raw, old, new, place)
        if kind in {"array", ""}:
            self.join_items(raw, old, new, place)
        self.join_values(raw, old, new)
        self.join_clauses(raw, old, new)
        self.join_rules(raw, old, new, place)
        return raw

    def join_fields(self, raw: dict[str, Json], old: Node, new: Node, place: _Place) -> None:
        names = dict.fromkeys((*old.properties, *new.properties))
        fields: dict[str, Json] = {}
        required = old.required | new.required
        for name in names:
            mine, theirs = old.child(name), new.child(name)
            here = place._replace(path=f"{place.path}.{name}".removeprefix("."))
            if mine is None or theirs is None:
                if name in required:
                    side = "new" if theirs is None else "old"
                    self.conflict(here, f"the field is required, and the {side} schema does not have it")
                continue
            joined = self.join(mine, theirs, here)
            if joined is not None:
                fields[name] = joined
                if self.join_default(joined, mine, theirs, here, needed=name in new.required):
                    required |= {name}
        gone = [name for name in required if name not in names and (old.child(name) is None or new.child(name) is None)]
        for name in gone:
            self.conflict(place, f"the field {name} is required, and one of the schemas does not have it")
        if old.properties and not new.properties and new.additional is None and not new.open_ended:
            self.conflict(place, "properties cleared")
        raw.pop("properties", None)
        raw.pop("additionalProperties", None)
        if fields:
            raw["properties"] = fields
        self.join_extra(raw, old, new, place)
        raw.pop("required", None)
        if required:
            raw["required"] = [n for n in names if n in required] + sorted(required - set(names))

    def join_extra(self, raw: dict[str, Json], old: Node, new: Node, place: _Place) -> None:
        """Decide about fields of any name."""
        raw.pop(_PRESERVE, None)
        mine = old.additional or (ANY if old.open_ended else None)
        theirs = new.additional or (ANY if new.open_ended else None)
        if mine is ANY and theirs is ANY:
            raw[_PRESERVE] = True
        elif mine is None or theirs is None:
            if mine is not None and old.additional is not None and not new.properties:
                self.conflict(place, "additionalProperties removed")
        elif not raw.get("properties"):
            joined = self.join(mine, theirs, place._replace(path=f"{place.path}.*".removeprefix(".")))
            if joined is not None:
                raw["additionalProperties"] = joined or True
        # Beside named fields a structural schema has no others: they are left out.

    def join_default(self, raw: dict[str, Json], old: Node, new: Node, place: _Place, *, needed: bool) -> bool:
        """Keep the default where both would come to the same; return whether the field must be required instead."""
        raw.pop("default", None)
        if old.default == new.default:
            if old.default is None:
                return False
            kept = self.fits(old.default.value, old, new, raw)
            if kept:
                raw["default"] = old.default.value
            return not kept
        if place.guarded:
            return True
        if old.default is not None and not needed and self.fits(old.default.value, old, new, raw):
            raw["default"] = old.default.value
        return False

    def fits(self, value: Json, old: Node, new: Node, raw: dict[str, Json]) -> bool:
        try:
            joined = parse(raw, root=False)
            return all(judge.takes(node, value) for node in (old, new, joined))
        except (TooHardError, SchemaError):
            return False

    def join_items(self, raw: dict[str, Json], old: Node, new: Node, place: _Place) -> None:
        if _list_atoms(old) != _list_atoms(new):
            self.conflict(place, "list types differ")
            return
        raw.pop("items", None)
        if old.items is None and new.items is None:
            if not raw.get("type"):
                return
            raw["items"] = {_PRESERVE: True} if old.open_ended and new.open_ended else {}
            return
        joined = self.join(old.item, new.item, place._replace(path=f"{place.path}[]"))
        if joined is not None:
            joined.pop("default", None)
            raw["items"] = joined

    def join_values(self, raw: dict[str, Json], old: Node, new: Node) -> None:
        extra: list[dict[str, Json]] = []
        for keyword in (*_GREATER, *_SMALLER):
            values = [node.raw[keyword] for node in (old, new) if node.raw.get(keyword) is not None]
            if values:
                raw[keyword] = max(values) if keyword in _GREATER else min(values)
        for keyword, strict, pick in (
            ("minimum", "exclusiveMinimum", max),
            ("maximum", "exclusiveMaximum", min),
        ):
            bounds = [node.atom(keyword) for node in (old, new) if node.atom(keyword) is not None]
            raw.pop(strict, None)
            if bounds:
                bound = pick(value for value, _ in bounds)
                raw[keyword] = bound
                if any(exclusive for value, exclusive in bounds if value == bound):
                    raw[strict] = True
        for keyword in _NESTED_ONLY:
            mine, theirs = old.atom(keyword), new.atom(keyword)
            if theirs is None or mine == theirs:
                continue
            if mine is None:
                raw[keyword] = new.raw[keyword]
            elif (
                keyword == "multipleOf" and isinstance(mine, int) and isinstance(theirs, int) and min(mine, theirs) > 0
            ):
                raw[keyword] = lcm(mine, theirs)
            else:
                extra.append({keyword: new.raw[keyword]})
        if old.raw.get("uniqueItems") or new.raw.get("uniqueItems"):
            raw["uniqueItems"] = True
        _join_enums(raw, old, new)
        if extra:
            raw["allOf"] = [*(raw.get("allOf") or []), *extra]

    def join_clauses(self, raw: dict[str, Json], old: Node, new: Node) -> None:
        """Add the combinators of the new schema, without what they say of fields that are not there any more."""
        added: list[Json] = []
        known = {canonical(old.raw.get(keyword)) for keyword in _CLAUSES}
        for keyword in ("anyOf", "oneOf", "not"):
            theirs = new.raw.get(keyword)
            if not theirs or canonical(theirs) in known or (new.type == INT_OR_STRING and theirs == _EITHER):
                continue
            if raw.get(keyword) or (keyword == "anyOf" and raw.get("x-kubernetes-int-or-string")):
                added.append({keyword: theirs})
            else:
                raw[keyword] = theirs
        have = {canonical(clause) for clause in raw.get("allOf") or []}
        added += [c for c in new.raw.get("allOf") or [] if canonical(c) not in have and c != {"anyOf": _EITHER}]
        if added:
            raw["allOf"] = [*(raw.get("allOf") or []), *added]
        for keyword in _CLAUSES:
            if raw.get(keyword):
                raw[keyword] = _pruned_clause(raw[keyword], raw)

    def join_rules(self, raw: dict[str, Json], old: Node, new: Node, place: _Place) -> None:
        rules = list(old.raw.get(_RULES) or [])
        texts = {rule.get("rule") for rule in rules}
        rules += [rule for rule in new.raw.get(_RULES) or [] if rule.get("rule") not in texts]
        if not rules:
            return
        raw[_RULES] = rules
        changed = {name for side in (old.raw, new.raw) for name in _moved(side, raw)}
        used = set(re.findall(r"\w+", " ".join(str(rule.get("rule")) for rule in rules)))
        if hit := sorted(changed & used):
            self.conflict(place, f"rules speak of {', '.join(hit)}, which the common denominator changes")
        elif (old.type, new.type) in _NUMERIC:
            self.conflict(place, "rules speak of a number whose type the common denominator changes")


_NOT_NULL = sealed(Node(nonnull=True))


def _takes_all(node: Node) -> bool:
    """Whether a place takes and keeps anything."""
    return not (node.type or node.atoms or node.clauses or node.properties or node.additional or node.items) and (
        node.open_ended and not node.rules and not node.required
    )


def _common_type(old: str, new: str) -> str | None:
    if old == new or not new:
        return old
    if not old:
        return new
    if (old, new) in _NUMERIC:
        return "integer"
    pair = {old, new}
    if INT_OR_STRING in pair:
        other = (pair - {INT_OR_STRING}).pop()
        return {"string": "string", "integer": "integer", "number": "integer"}.get(other)
    return None


def _nothing_left(old: Node, new: Node) -> str:
    mine, theirs = old.atom("enum"), new.atom("enum")
    if mine is not None and theirs is not None and not set(mine) & set(theirs):
        return f"no value of the enum is left: {', '.join(mine)} against {', '.join(theirs)}"
    return "no value satisfies both"


def _base(old: Node, new: Node, kind: str) -> dict[str, Json]:
    """Return a copy of the old schema of a place with the common type and what goes with it."""
    raw: dict[str, Any] = copy.copy(dict(old.raw))
    for keyword in ("type", "x-kubernetes-int-or-string", "nullable"):
        raw.pop(keyword, None)
    if kind == INT_OR_STRING:
        raw["x-kubernetes-int-or-string"] = True
    elif kind:
        raw["type"] = kind
        if old.type == INT_OR_STRING:
            _drop_either(raw)
    if kind and judge.allows_null(old) and judge.allows_null(new):
        raw["nullable"] = True
    if _PRESERVE in raw and not new.open_ended and kind not in {"object", ""}:
        del raw[_PRESERVE]
    if not old.type:
        for keyword in ("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"):
            if keyword in new.raw:
                raw[keyword] = new.raw[keyword]
    return raw


def _drop_either(raw: dict[str, Json]) -> None:
    if raw.get("anyOf") == _EITHER:
        del raw["anyOf"]
    if raw.get("allOf"):
        raw["allOf"] = [clause for clause in raw["allOf"] if clause != {"anyOf": _EITHER}]
        if not raw["allOf"]:
            del raw["allOf"]


def _join_enums(raw: dict[str, Json], old: Node, new: Node) -> None:
    mine, theirs = old.atom("enum"), new.atom("enum")
    if theirs is None:
        return
    if mine is None:
        raw["enum"] = [value for value in new.raw["enum"] if value is not None]
    else:
        left = set(mine) & set(theirs)
        raw["enum"] = [value for value in old.raw["enum"] if canonical(value) in left]
        if not raw["enum"]:
            # Null alone is left, of a place where it may be: none of the old values is allowed any more.
            raw["enum"] = [json.loads(value) for value in mine]
            raw["allOf"] = [*(raw.get("allOf") or []), {"enum": [json.loads(value) for value in theirs]}]


def _list_atoms(node: Node) -> list[Any]:
    return [atom for atom in node.atoms if atom.keyword in {"listSet", "listMap"}]


def _guards(node: Node) -> bool:
    counting = {"minProperties", "maxProperties", "enum", "listSet", "listMap", "uniqueItems"}
    return (bool(node.clauses) and node.type != INT_OR_STRING) or any(a.keyword in counting for a in node.atoms)


def _pruned_clause(clause: Json, schema: Mapping[str, Json] | None) -> Json:
    """Return a combinator without what it says of fields that the schema does not have: no object has them."""
    if isinstance(clause, list):
        return [_pruned_clause(branch, schema) for branch in clause]
    found = {}
    for keyword, value in clause.items():
        if keyword == "properties":
            known = (schema or {}).get("properties") or {}
            open_ended = bool((schema or {}).get(_PRESERVE) or (schema or {}).get("additionalProperties"))
            kept = {n: _pruned_clause(s, known.get(n)) for n, s in value.items() if n in known or open_ended}
            if kept:
                found[keyword] = kept
        elif keyword == "items":
            found[keyword] = _pruned_clause(value, (schema or {}).get("items"))
        elif keyword in _CLAUSES:
            found[keyword] = _pruned_clause(value, schema)
        else:
            found[keyword] = value
    return found


def _moved(before: Mapping[str, Json], after: Mapping[str, Json]) -> set[str]:
    """Return the names of fields at or below a place that are gone or have another type."""
    found: set[str] = set()
    known = after.get("properties") or {}
    for name, schema in (before.get("properties") or {}).items():
        if name not in known:
            found.add(name)
            continue
        if schema.get("type") != known[name].get("type"):
            found.add(name)
        found |= _moved(schema, known[name])
    for keyword in ("items", "additionalProperties"):
        mine, theirs = before.get(keyword), after.get(keyword)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            found |= _moved(mine, theirs)
    return found
