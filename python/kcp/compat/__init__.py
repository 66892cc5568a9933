"""Compatibility of the schemas of custom resources, and their least common denominator.

What belongs here: pure functions over schemas, definitions and objects. What stays out: files, the network, words on a
terminal. Objects are witnesses: whatever is called incompatible comes with one that shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kcp.compat.compare import Finding, Witness, blocking, compare
from kcp.compat.narrow import meet
from kcp.compat.schema import Json, Node, SchemaError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Finding", "Node", "Outcome", "SchemaError", "Witness", "blocking", "compare", "lcd", "parse"]


class Outcome(NamedTuple):
    """What two schemas have in common."""

    lcd: dict[str, Json] | None
    """The schema to serve, or None where `findings` stand against it."""
    findings: list[Finding]
    """What stands against it."""
    differences: list[Finding]
    """All that differs, whether or not it was narrowed away; without narrowing, the same and what merely changes."""


def lcd(existing: Mapping[str, Json], new: Mapping[str, Json], narrow: bool) -> Outcome:
    """Return the schema of the objects that both schemas take.

    Args:
        existing: an `openAPIV3Schema` that is in use.
        new: an `openAPIV3Schema` that is to hold as well.
        narrow: whether the result may take fewer objects than `existing`. If not, it is `existing` itself, and there is
            one only if every object of `existing` is one of `new`.

    Raises:
        SchemaError: one of them is not a structural schema.
    """
    old_node, new_node = parse(existing, where="existing"), parse(new, where="new")
    differences = compare(old_node, new_node)
    against = blocking(differences)
    if not against:
        return Outcome(dict(existing), [], differences)
    if not narrow:
        return Outcome(None, against, differences)
    joined, conflicts = meet(old_node, new_node)
    if joined is not None:
        return Outcome(joined, [], differences)
    return Outcome(None, [_explained(path, message, against) for path, message in conflicts], differences)


def _explained(path: str, message: str, against: list[Finding]) -> Finding:
    """Return a conflict with the witness of what was found at its place, or below, or above it."""
    below = [f for f in against if f.path == path or f.path.startswith((f"{path}.", f"{path}["))]
    above = [f for f in against if not f.path or path.startswith((f"{f.path}.", f"{f.path}["))]
    for finding in (*below, *reversed(above)):
        if finding.witness is not None:
            return Finding(path, finding.rule, message, "incompatible", finding.witness)
    return Finding(path, "conflict", message, "unproven")
