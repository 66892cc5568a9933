"""Whether every object of one schema is one of another, place by place, with an object for each thing that differs.

The contract is about objects as clients send them: an object belongs to a schema when the API server would take it,
after filling in defaults, and drop nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from kcp.compat import judge
from kcp.compat.schema import ANY, INT_OR_STRING, UNSPECIFIED, Atom, Clause, Json, Node, sealed
from kcp.compat.solve import Search
from kcp.compat.syntax import TooHardError

if TYPE_CHECKING:
    from collections.abc import Iterator

Verdict: TypeAlias = Literal["incompatible", "unproven", "changed"]

# Most findings of one comparison; more are not read, and each costs a search.
MAX_FINDINGS = 200
# Steps for all searches of one comparison: about a minute at worst.
MAX_STEPS = 1_000_000


class Witness(NamedTuple):
    """An object that one schema takes and the other does not."""

    object: Json
    taken_by: Literal["old", "new"]


class Finding(NamedTuple):
    """Something that differs.

    `incompatible` has a witness. `unproven` was not decided and counts as incompatible: nothing is guessed. `changed`
    alters what is done with objects and not which objects are taken.
    """

    path: str
    """Of the field, as in `spec.ports[].name`; `*` stands for any other field. Empty: the object itself."""
    rule: str
    """Row of the rule table."""
    message: str
    verdict: Verdict
    witness: Witness | None = None

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.path or '(object)'}: {self.message}"


@dataclass(frozen=True, slots=True)
class _Step:
    """The way from a place to one below it."""

    kind: Literal["field", "items", "extra"]
    name: str = ""
    others: tuple[str, ...] = ()
    """Names that `extra` leaves out."""

    def around(self, inside: Node) -> Node:
        """Return the schema that says of the place below what `inside` says, and nothing else."""
        if self.kind == "field":
            return sealed(Node(properties={self.name: inside}))
        if self.kind == "items":
            return sealed(Node(items=inside))
        return sealed(Node(properties=dict.fromkeys(self.others, ANY), additional=inside))


_Way: TypeAlias = tuple[_Step, ...]


def spell(way: _Way) -> str:
    """Return a way as a path."""
    path = ""
    for step in way:
        path += "[]" if step.kind == "items" else f".{step.name or '*'}"
    return path.removeprefix(".")


class _Goal(NamedTuple):
    """One restriction of the new schema, to be violated by an object of the old one."""

    way: _Way
    rule: str
    message: str
    demand: Node
    """What is to be violated at the place."""
    below: tuple[_Step, ...] = ()
    """From there to the place that is told."""

    @property
    def told(self) -> _Way:
        """The place that reports name."""
        return (*self.way, *self.below)


def compare(old: Node, new: Node) -> list[Finding]:
    """Return what keeps objects of `old` from being objects of `new`, and what changes beside, place by place."""
    return _Comparison(old, new).run()


class _Comparison:
    def __init__(self, old: Node, new: Node) -> None:
        self.old, self.new = old, new
        self.search = Search(MAX_STEPS)
        self.findings: list[Finding] = []
        self.reported: set[tuple[str, str]] = set()

    def run(self) -> list[Finding]:
        self.walk(self.old, self.new, ())
        return self.findings

    def add(self, way: _Way, rule: str, message: str, verdict: Verdict, witness: Witness | None = None) -> None:
        path = spell(way)
        if len(self.findings) < MAX_FINDINGS and (path, message) not in self.reported:
            self.reported.add((path, message))
            self.findings.append(Finding(path, rule, message, verdict, witness))

    @property
    def full(self) -> bool:
        """Whether it looks no further; then there is a finding that is no mere change."""
        blocking = any(finding.verdict != "changed" for finding in self.findings)
        return len(self.findings) >= MAX_FINDINGS and blocking

    def walk(self, old: Node, new: Node, way: _Way) -> None:
        """Compare two places, and then the places below them."""
        if old.key == new.key or new is ANY or self.full:
            return
        if new.key == UNSPECIFIED.key:
            # It has no places below: whatever is an object loses its fields, at any depth.
            message = "fields of objects are dropped here"
            self.ask(_Goal(way, "additionalProperties", message, UNSPECIFIED), old)
            return
        if self.differs_in_type(old, new, way):
            return
        # Of two restrictions at one place both are asked: their witnesses differ.
        for goal in _goals(old, new, way):
            self.ask(goal, old)
        self.compare_lists(old, new, way)
        self.compare_defaults(old, new, way)
        for rule in new.rules:
            if rule not in old.rules:
                self.add(way, "rules", f"rule added: {rule}", "unproven")
        if old.map_type and new.map_type and old.map_type != new.map_type:
            self.add(way, "map type", f"map type changed from {old.map_type} to {new.map_type}", "changed")
        for step, above, below in self.below(old, new, way):
            self.walk(above, below, (*way, step))

    def differs_in_type(self, old: Node, new: Node, way: _Way) -> bool:
        if new.type and old.type != new.type:
            message = f"type changed from {old.type or 'any'} to {new.type}"
            if self.ask(_Goal(way, "type", message, sealed(Node(type=new.type, nullable=True))), old):
                return True
        if judge.allows_null(old) and not judge.allows_null(new):
            self.ask(_Goal(way, "nullable", "null is no longer allowed", sealed(Node(nonnull=True))), old)
        return False

    def ask(self, goal: _Goal, old: Node) -> bool:
        """Report a goal for which there is an object, or which was not decided; return whether one was reported."""
        here = self.search.value((old,), (goal.demand,))
        if here is None and not self.search.cut:
            return False
        demand = goal.demand
        for step in reversed(goal.way):
            demand = step.around(demand)
        found = self.search.value((self.old,), (demand,))
        if found is None:
            if self.search.cut:
                self.add(goal.told, goal.rule, f"{goal.message} (undecided: {self.search.cut})", "unproven")
            return bool(self.search.cut)
        value = found.value
        if isinstance(value, dict) and self.old.ruled:
            note = " (an object is found, but rules of the old schema may forbid it)"
            self.add(goal.told, goal.rule, goal.message + note, "unproven")
        elif self.confirmed(value):
            self.add(goal.told, goal.rule, goal.message, "incompatible", Witness(value, "old"))
        else:
            self.add(goal.told, goal.rule, f"{goal.message} (undecided: defaults interfere)", "unproven")
        return True

    def confirmed(self, value: Json) -> bool:
        """Whether an object really is of the old schema and not of the new one."""
        try:
            return judge.takes(self.old, value) and not judge.takes(self.new, value)
        except TooHardError:
            return False

    def compare_lists(self, old: Node, new: Node, way: _Way) -> None:
        """List types decide how lists merge: a difference counts even where the new one takes more."""
        mine, theirs = _list_type(old), _list_type(new)
        if mine == theirs or mine is None or new.type != "array":
            return
        if any(f.path == spell(way) and f.rule == "list type" for f in self.findings):
            return
        demand = sealed(Node(atoms=(mine,)))
        for step in reversed(way):
            demand = step.around(demand)
        found = self.search.value((self.new,), (demand,))
        message = _list_message(mine, theirs)
        if found is not None and not self.new.ruled and _reversed(self.old, self.new, found.value):
            self.add(way, "list type", message, "incompatible", Witness(found.value, "new"))
        else:
            self.add(way, "list type", message, "unproven")

    def compare_defaults(self, old: Node, new: Node, way: _Way) -> None:
        for name in sorted({*old.properties, *new.properties}):
            mine, theirs = old.child(name), new.child(name)
            if mine is None or theirs is None or mine.default == theirs.default:
                continue
            self.add((*way, _Step("field", name)), "default", _default_message(mine, theirs), "changed")
        if old.defaults != new.defaults and (counts := _counting(old) or _counting(new)):
            self.add(way, "default", f"defaults below differ, and {counts} may depend on them", "unproven")
        for keyword, value in (*old.atoms, *new.atoms):
            if keyword != "listMap":
                continue
            for key in value:
                mine, theirs = old.item.child(key), new.item.child(key)
                if mine and theirs and mine.default != theirs.default:
                    self.add(way, "default", f"defaults of the key {key} differ", "unproven")

    def below(self, old: Node, new: Node, way: _Way) -> Iterator[tuple[_Step, Node, Node]]:
        """Yield the places below that both specify, and report those that the new schema drops."""
        if _may_be(old, "object") and _may_be(new, "object"):
            yield from self.fields_below(old, new, way)
        if _may_be(old, "array") and _may_be(new, "array"):
            yield _Step("items"), old.item, new.item

    def fields_below(self, old: Node, new: Node, way: _Way) -> Iterator[tuple[_Step, Node, Node]]:
        cleared = bool(old.properties) and not new.properties and new.additional is None and not new.open_ended
        for name in dict.fromkeys((*old.properties, *new.properties)):
            mine, theirs, step = old.child(name), new.child(name), _Step("field", name)
            if mine is None:
                continue
            if theirs is not None:
                yield step, mine, theirs
                continue
            forbids = sealed(Node(atoms=(Atom("forbidden", name),)))
            message = "properties cleared: the field is dropped" if cleared else "the field is removed"
            self.ask(_Goal(way, "properties", message, forbids, (step,)), old)
        others = tuple(sorted({*old.properties, *new.properties}))
        mine = old.additional or (ANY if old.open_ended else None)
        theirs = new.additional or (ANY if new.open_ended else None)
        if mine is None or theirs is ANY:
            return
        if theirs is not None:
            yield _Step("extra", others=others), mine, theirs
            return
        rule = "preserve-unknown-fields" if mine is ANY else "additionalProperties"
        closed = sealed(Node(closed=True, properties=dict.fromkeys(others, ANY)))
        step = _Step("extra", others=others)
        self.ask(_Goal(way, rule, "fields of any name are dropped", closed, (step,)), old)


def _reversed(old: Node, new: Node, value: Json) -> bool:
    try:
        return judge.takes(new, value) and not judge.takes(old, value)
    except TooHardError:
        return False


def _goals(old: Node, new: Node, way: _Way) -> Iterator[_Goal]:
    """Yield the restrictions of a place that the old schema does not have."""
    known = set(old.atoms)
    for atom in new.atoms:
        if atom not in known:
            # The node's type goes along: a format without a type is one.
            demand = sealed(Node(type=new.type, nullable=True, atoms=(atom,)))
            yield _Goal(way, _ROWS[atom.keyword], _change(old, atom), demand)
    keys = {_clause_key(clause) for clause in old.clauses}
    for clause in new.clauses:
        if _clause_key(clause) not in keys:
            message = f"{clause.keyword} added or changed"
            yield _Goal(way, clause.keyword, message, sealed(Node(clauses=(clause,))))


def _clause_key(clause: Clause) -> tuple[str, tuple[str, ...]]:
    return clause.keyword, tuple(sorted(branch.key for branch in clause.branches))


_ROWS = {
    "required": "required",
    "enum": "enum",
    "pattern": "pattern",
    "format": "format",
    **dict.fromkeys(("minimum", "maximum", "multipleOf"), "bounds"),
    **dict.fromkeys(("minLength", "maxLength"), "length"),
    **dict.fromkeys(("minItems", "maxItems"), "items count"),
    **dict.fromkeys(("minProperties", "maxProperties"), "properties count"),
    "uniqueItems": "uniqueItems",
    "listSet": "list type",
    "listMap": "list type",
}


def _change(old: Node, atom: Atom) -> str:
    keyword, value = atom
    if keyword == "required":
        return f"{value} is required" + (" without a default" if value in old.required else "")
    before = old.atom(keyword)
    if keyword == "enum" and before is not None:
        return f"enum no longer has {', '.join(sorted(set(before) - set(value))) or 'other values'}"
    if keyword in {"listSet", "listMap"}:
        return _list_message(_list_type(old), atom)
    return f"{judge.describe(atom)}" + ("" if before is None else f", was {_shown(keyword, before)}")


def _shown(keyword: str, value: Json) -> str:
    return f"{value[0]}{' (exclusive)' if value[1] else ''}" if keyword in {"minimum", "maximum"} else str(value)


def _list_type(node: Node) -> Atom | None:
    return next((atom for atom in node.atoms if atom.keyword in {"listSet", "listMap"}), None)


def _list_message(old: Atom | None, new: Atom | None) -> str:
    def name(atom: Atom | None) -> str:
        if atom is None:
            return "atomic"
        return "set" if atom.keyword == "listSet" else f"map by {', '.join(atom.value)}"

    return f"list type changed from {name(old)} to {name(new)}"


def _default_message(old: Node, new: Node) -> str:
    if old.default is None:
        return "default added"
    return "default removed" if new.default is None else "default changed"


def _counting(node: Node) -> str:
    """Return what of a node may tell an absent field from one that a default fills in."""
    if node.clauses and node.type != INT_OR_STRING:
        return node.clauses[0].keyword
    return next((a.keyword for a in node.atoms if a.keyword in _COUNTING), "")


_COUNTING = ("minProperties", "maxProperties", "listSet", "uniqueItems", "enum")


def _may_be(node: Node, kind: str) -> bool:
    return node.type in {"", kind}


def blocking(findings: list[Finding]) -> list[Finding]:
    """Return the findings that stand against compatibility."""
    return [finding for finding in findings if finding.verdict != "changed"]
