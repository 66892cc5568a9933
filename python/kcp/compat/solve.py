"""Finding a value that some schemas take and others do not, or proving that there is none.

`Search.value(takers, refusers)` decides by cases, as a tableau does. A value has one type; of that type every taker's
restrictions hold, and of every refuser at least one restriction is broken. Each choice is followed until what is left
are bounds on one number, text, list or object, and those are solved directly, fields and items by the same search.

No value means that there is none, unless `Search.cut` says why something was left open: then nothing was proven.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from kcp.compat.numbers import number
from kcp.compat.schema import ANY, INT_OR_STRING, Atom, Clause, Json, Node, canonical, sealed
from kcp.compat.syntax import TooHardError
from kcp.compat.texts import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Found", "Search"]

MAX_STEPS = 200_000
# Longest list or object that is built to satisfy a bound.
MAX_COUNT = 2_000
# Deepest place that is searched.
MAX_DEPTH = 80
# In this order a value is looked for: short ones first.
KINDS = ("string", "integer", "boolean", "object", "array", "float", "null")
_TYPES = {
    "": KINDS,
    "string": ("string",),
    "integer": ("integer",),
    "number": ("integer", "float"),
    INT_OR_STRING: ("string", "integer"),
    "boolean": ("boolean",),
    "object": ("object",),
    "array": ("array",),
}
_OF_KIND = {
    "string": {"minLength", "maxLength", "pattern", "format", "enum"},
    "integer": {"minimum", "maximum", "multipleOf", "format", "enum"},
    "float": {"minimum", "maximum", "multipleOf", "format", "enum"},
    "boolean": {"enum"},
    "null": {"enum"},
    "array": {"minItems", "maxItems", "uniqueItems", "listSet", "listMap", "enum"},
    "object": {"minProperties", "maxProperties", "required", "forbidden", "enum"},
}


class Found(NamedTuple):
    """A value."""

    value: Json


@dataclass
class _Case:
    """What holds of one value, gathered while choices are made."""

    kind: str
    holding: list[tuple[Atom, str]] = field(default_factory=list)
    """Restrictions that hold, with the type of the node they stand at."""
    broken: list[tuple[Atom, str]] = field(default_factory=list)
    shapes: list[Node] = field(default_factory=list)
    """Takers: what they say of fields and items holds."""
    breaches: list[_Breach] = field(default_factory=list)
    """Of refusers: what must be wrong with some field or item."""

    def copy(self) -> _Case:
        return _Case(self.kind, list(self.holding), list(self.broken), list(self.shapes), list(self.breaches))


class _Breach(NamedTuple):
    """Some field or item that a node refuses."""

    kind: str
    """`field`, `extra` (one that the node does not name), `unspecified` (one that it does not keep) or `item`."""
    node: Node
    name: str = ""


_Goal: TypeAlias = tuple[bool, Node | Atom | Clause, str]
"""What is to hold (or, False, to be broken), and the type of the node it stands at."""
_Key: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]


class Search:
    """Searches with one allowance of steps; what was found is remembered."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        """Begin with an allowance of steps for all searches together."""
        self.steps = steps
        self.cut = ""
        """Why the last search is not a proof; empty: it is."""
        self._known: dict[_Key, tuple[Found | None, str]] = {}
        self._active: dict[_Key, int] = {}
        """Questions that are being answered, with their depths."""
        self._lowest = MAX_DEPTH
        """The least deep of them that was met again."""

    def value(self, takers: Sequence[Node], refusers: Sequence[Node] = ()) -> Found | None:
        """Return a value that all takers take and no refuser takes; None: see `cut`."""
        self.cut = ""
        return self._value(tuple(takers), tuple(refusers))

    def _value(self, takers: tuple[Node, ...], refusers: tuple[Node, ...]) -> Found | None:
        key = (tuple(sorted({n.key for n in takers})), tuple(sorted({n.key for n in refusers})))
        if set(key[0]) & set(key[1]):
            return None
        if (known := self._known.get(key)) is not None:
            self.cut = self.cut or known[1]
            return known[0]
        if (again := self._active.get(key)) is not None:
            # A value that holds a smaller one of the same kind is not the smallest: nothing is lost without it.
            self._lowest = min(self._lowest, again)
            return None
        depth = len(self._active)
        if depth >= MAX_DEPTH:
            self.cut = self.cut or "the schemas are too deep"
            return None
        before, self.cut = self.cut, ""
        outer, self._lowest = self._lowest, MAX_DEPTH
        self._active[key] = depth
        try:
            found = next(self._values(takers, refusers), None)
        finally:
            del self._active[key]
        if found is not None:
            self.cut = ""
        # "There is none" may only mean that there is none without a value that is still being looked for.
        if found is not None or (self.steps > 0 and self._lowest >= depth):
            self._known[key] = (found, self.cut)
        self._lowest = min(outer, self._lowest if self._lowest < depth else MAX_DEPTH)
        self.cut = before or self.cut
        return found

    def _values(self, takers: tuple[Node, ...], refusers: tuple[Node, ...]) -> Iterator[Found]:
        """Yield values, one for each way that the choices can be made."""
        for kind in KINDS:
            goals: list[_Goal] = [(True, n, n.type) for n in takers]
            goals += [(False, n, n.type) for n in refusers]
            for case in self._cases(_Case(kind), goals):
                try:
                    found = self._build(case)
                except TooHardError as error:
                    self.cut = self.cut or str(error)
                    continue
                if found is not None:
                    yield found

    def _cases(self, case: _Case, goals: list[_Goal]) -> Iterator[_Case]:
        """Yield the cases in which all goals are met as far as one value's own restrictions go."""
        work = [(case, goals)]
        while work:
            self.steps -= 1
            if self.steps <= 0:
                self.cut = self.cut or "the schemas have too many alternatives"
                return
            case, goals = work.pop()
            if not goals:
                yield case
                continue
            (wanted, goal, kind), rest = goals[-1], goals[:-1]
            if isinstance(goal, Atom):
                if _relevant(goal, case.kind, kind):
                    (case.holding if wanted else case.broken).append((goal, kind))
                elif not wanted:
                    continue
                work.append((case, rest))
            elif isinstance(goal, Clause):
                branches = list(_choices(wanted, goal))
                work += [(case.copy(), [*rest, *branch]) for branch in reversed(branches)]
            elif wanted:
                if _of_type(goal, case.kind):
                    if case.kind in {"object", "array"}:
                        case.shapes.append(goal)
                    clauses = goal.clauses if case.kind != "null" else ()
                    own: list[_Goal] = [(True, clause, goal.type) for clause in clauses]
                    own += [(True, atom, goal.type) for atom in goal.atoms]
                    work.append((case, [*rest, *own]))
            elif not _of_type(goal, case.kind):
                work.append((case, rest))
            else:
                work += reversed(list(_breaks(case, goal, rest)))

    def _build(self, case: _Case) -> Found | None:
        allowed = _allowed(case)
        if allowed is not None:
            return self._chosen(case, allowed)
        if case.kind == "null":
            return Found(None) if not case.broken else None
        if case.kind == "boolean":
            return next((Found(v) for v in (True, False) if not _is_among(v, case.broken)), None)
        if case.kind == "string":
            found = text(case.holding, case.broken)
            return None if found is None else Found(found)
        if case.kind in {"integer", "float"}:
            worked = number(case.holding, case.broken, whole=case.kind == "integer")
            return None if worked is None else Found(worked)
        if case.kind == "array":
            return self._list(case)
        return self._object(case)

    def _chosen(self, case: _Case, allowed: list[Json]) -> Found | None:
        """Return one of the values that an enum leaves."""
        from kcp.compat.judge import Judge, faults, satisfies

        for value in allowed:
            if _kind_of(value) != case.kind:
                continue
            holds = all(satisfies(atom, value, kind) for atom, kind in case.holding)
            breaks = not any(satisfies(atom, value, kind) for atom, kind in case.broken)
            if not holds or not breaks or any(faults(shape, value) for shape in case.shapes):
                continue
            if all(_commits(breach, value, Judge()) for breach in case.breaches):
                return Found(value)
        return None

    def _list(self, case: _Case) -> Found | None:
        least, most = _counts(case, "Items")
        takers = tuple(dict.fromkeys(shape.item for shape in case.shapes))
        refused = [breach.node.item for breach in case.breaches]
        doubled = [atom for atom, _ in case.broken if atom.keyword in {"uniqueItems", "listSet", "listMap"}]
        unique = [atom for atom, _ in case.holding if atom.keyword in {"uniqueItems", "listSet", "listMap"}]
        refused_each: list[tuple[Node, ...]] = [(node,) for node in refused]
        if most is not None and len(refused_each) > most:
            refused_each = [tuple(refused)] if most else []
            if not refused_each and refused:
                return None
            if len(refused) > 2:
                self.cut = self.cut or "a short list has too many faults to find"
        if doubled:
            if len(doubled) > 1:
                self.cut = self.cut or "a list with several kinds of twins"
            least = max(least, len(refused_each) + 2)
        if most is not None and least > most:
            return None
        if least > MAX_COUNT:
            self.cut = self.cut or f"a list needs more than {MAX_COUNT} items"
            return None
        items: list[Json] = []
        while len(items) < max(least, len(refused_each)):
            others = refused_each[len(items)] if len(items) < len(refused_each) else ()
            if doubled and len(items) >= len(refused_each) + 1:
                twin = self._twin(items[-1], takers, doubled[0], unique)
                if twin is None:
                    return None
                items.append(twin.value)
                continue
            different = [_like(item, atom) for atom in unique for item in items]
            found = self._value(takers, (*others, *different))
            if found is None:
                return None
            items.append(found.value)
        return Found(items)

    def _twin(self, item: Json, takers: tuple[Node, ...], doubled: Atom, unique: list[Atom]) -> Found | None:
        """Return an item that is the same to one restriction and differs to others."""
        if not unique:
            return Found(item)
        found = self._value((*takers, _like(item, doubled)), tuple(_like(item, atom) for atom in unique))
        if found is None:
            # Another first item might have a twin.
            self.cut = self.cut or "a list whose items are unique in one way and not in another"
        return found

    def _object(self, case: _Case) -> Found | None:
        for breaches in _placed(case):
            found = self._fields(case, breaches)
            if found is not None:
                return found
        return None

    def _fields(self, case: _Case, breaches: list[tuple[str, Node | None]]) -> Found | None:
        """Build an object; `breaches` are fields that must be there, and what must refuse their values."""
        least, most = _counts(case, "Properties")
        absent = {a.value for a, _ in case.broken if a.keyword == "required"}
        absent |= {a.value for a, _ in case.holding if a.keyword == "forbidden"}
        present = dict.fromkeys(a.value for a, _ in case.holding if a.keyword == "required")
        present |= dict.fromkeys(a.value for a, _ in case.broken if a.keyword == "forbidden")
        present |= dict.fromkeys(name for name, _ in breaches)
        if absent & set(present) or (most is not None and len(present) > most):
            return None
        if least > MAX_COUNT:
            self.cut = self.cut or f"an object needs more than {MAX_COUNT} fields"
            return None
        fields: dict[str, Json] = {}
        for name in present:
            refusers = tuple(node for wrong, node in breaches if wrong == name and node is not None)
            found = self._field(case, name, refusers)
            if found is None:
                return None
            fields[name] = found.value
        for name in _more_names(case):
            if len(fields) >= least:
                break
            if name not in fields and name not in absent and (found := self._field(case, name, ())) is not None:
                fields[name] = found.value
        return Found(fields) if len(fields) >= least else None

    def _field(self, case: _Case, name: str, refusers: tuple[Node, ...]) -> Found | None:
        takers = []
        for shape in case.shapes:
            child = shape.child(name)
            if child is None:
                return None
            takers.append(child)
        return self._value(tuple(dict.fromkeys(takers)), refusers)


def _relevant(atom: Atom, kind: str, node_kind: str) -> bool:
    if atom.keyword == "format":
        if atom.value in {"int32", "float"}:
            return kind in {"integer", "float"}
        # Without a type, a format is one.
        return kind == "string" or (not node_kind and kind not in {"array", "null"})
    return atom.keyword in _OF_KIND[kind]


def _of_type(node: Node, kind: str) -> bool:
    if kind == "null":
        return not node.nonnull and (node.nullable or not node.type)
    return kind in _TYPES[node.type]


def _choices(wanted: bool, clause: Clause) -> Iterator[list[_Goal]]:
    branches, keyword = clause.branches, clause.keyword
    if keyword == "not":
        yield [(not wanted, branches[0], branches[0].type)]
    elif keyword == "oneOf":
        if wanted:
            for chosen in range(len(branches)):
                yield [(index == chosen, branch, branch.type) for index, branch in enumerate(branches)]
        else:
            yield [(False, branch, branch.type) for branch in branches]
            for pair in combinations(branches, 2):
                yield [(True, branch, branch.type) for branch in pair]
    elif wanted == (keyword == "anyOf"):
        for branch in branches:
            yield [(wanted, branch, branch.type)]
    else:
        yield [(wanted, branch, branch.type) for branch in branches]


def _breaks(case: _Case, node: Node, rest: list[_Goal]) -> Iterator[tuple[_Case, list[_Goal]]]:
    """Yield the ways in which a node refuses a value of its type."""
    for atom in node.atoms:
        if _relevant(atom, case.kind, node.type):
            yield case.copy(), [*rest, (False, atom, node.type)]
    if case.kind == "null":
        return
    for clause in node.clauses:
        yield case.copy(), [*rest, (False, clause, node.type)]
    breaches = []
    if case.kind == "object":
        breaches += [_Breach("field", child, name) for name, child in node.properties.items() if child is not ANY]
        if node.additional is not None:
            breaches.append(_Breach("extra", node))
        elif not node.open_ended:
            breaches.append(_Breach("unspecified", node))
    elif case.kind == "array" and node.item is not ANY:
        breaches.append(_Breach("item", node))
    for breach in breaches:
        chosen = case.copy()
        chosen.breaches.append(breach)
        yield chosen, rest


def _allowed(case: _Case) -> list[Json] | None:
    """Return the values that all enums leave, or None where there is none."""
    texts = [set(atom.value) for atom, _ in case.holding if atom.keyword == "enum"]
    if not texts:
        return None
    return [json.loads(value) for value in sorted(set.intersection(*texts), key=lambda t: (len(t), t))]


def _kind_of(value: Json) -> str:
    if value is None:
        return "null"
    names: dict[type, str] = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array"}
    return names.get(type(value), "object")


def _is_among(value: Json, broken: list[tuple[Atom, str]]) -> bool:
    return any(canonical(value) in atom.value for atom, _ in broken if atom.keyword == "enum")


def _commits(breach: _Breach, value: Json, judge: object) -> bool:
    from kcp.compat.judge import faults

    if breach.kind == "item":
        return any(faults(breach.node.item, item) for item in value)
    if breach.kind == "field":
        return breach.name in value and bool(faults(breach.node, value[breach.name]))
    names = [name for name in value if name not in breach.node.properties]
    if breach.kind == "unspecified":
        return bool(names)
    assert breach.node.additional is not None
    return any(faults(breach.node.additional, value[name]) for name in names)


def _counts(case: _Case, what: str) -> tuple[int, int | None]:
    """Return fewest and most items or fields."""
    least, most = 0, None
    for sign, atoms in ((True, case.holding), (False, case.broken)):
        for (keyword, value), _ in atoms:
            if keyword == f"min{what}" and sign:
                least = max(least, value)
            elif keyword == f"max{what}" and not sign:
                least = max(least, value + 1)
            elif keyword in {f"min{what}", f"max{what}"}:
                limit = value if sign else value - 1
                most = limit if most is None else min(most, limit)
    return least, most


def _more_names(case: _Case) -> Iterator[str]:
    seen = set()
    for shape in case.shapes:
        for name in shape.properties:
            if name not in seen:
                seen.add(name)
                yield name
    yield from (name for index in range(MAX_COUNT) if (name := f"extra{index or ''}") not in seen)


def _placed(case: _Case) -> Iterator[list[tuple[str, Node | None]]]:
    """Yield the ways to give each breach a field: those whose field is open may take any name that may be there."""
    fixed = [(breach.name, breach.node) for breach in case.breaches if breach.kind == "field"]
    loose = [breach for breach in case.breaches if breach.kind in {"extra", "unspecified"}]
    if any(breach.kind == "item" for breach in case.breaches):
        return
    names = list(dict.fromkeys(name for shape in case.shapes for name in shape.properties))
    names += [name for name, _ in fixed if name not in names]
    spare = (name for name in (f"extra{index or ''}" for index in range(MAX_COUNT)) if name not in names)
    fresh = [next(spare) for _ in range(len(loose) + 1)]

    def place(index: int, sofar: list[tuple[str, Node | None]]) -> Iterator[list[tuple[str, Node | None]]]:
        if index == len(loose):
            yield sofar
            return
        breach = loose[index]
        refuser = breach.node.additional if breach.kind == "extra" else None
        for name in [*fresh, *names]:
            if name not in breach.node.properties and not _taken_blindly(breach, name):
                yield from place(index + 1, [*sofar, (name, refuser)])

    yield from place(0, list(fixed))


def _taken_blindly(breach: _Breach, name: str) -> bool:
    return breach.kind == "unspecified" and breach.node.child(name) is not None


def _like(item: Json, atom: Atom) -> Node:
    """Return what takes just the items that are the same as one, to a list that keeps its items apart."""
    if atom.keyword != "listMap":
        return sealed(Node(atoms=(Atom("enum", (canonical(item),)),)))
    properties, atoms = {}, []
    for key in atom.value:
        if isinstance(item, dict) and key in item:
            properties[key] = sealed(Node(atoms=(Atom("enum", (canonical(item[key]),)),)))
            atoms.append(Atom("required", key))
        else:
            atoms.append(Atom("forbidden", key))
    return sealed(replace(ANY, properties=properties, atoms=tuple(atoms), key=""))
