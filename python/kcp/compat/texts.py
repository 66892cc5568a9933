"""Texts within lengths, of some patterns and formats and not of others."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from kcp.compat import formats
from kcp.compat.expressions import find
from kcp.compat.judge import satisfies
from kcp.compat.syntax import TooHardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.compat.schema import Atom

    Atoms = Sequence[tuple[Atom, str]]

# Longest text that is built to satisfy a bound.
MAX_LENGTH = 20_000


def text(holding: Atoms, broken: Atoms) -> str | None:
    """Return a text that obeys some restrictions and breaks others, or None when there is none.

    Args:
        holding: restrictions that hold, with the type of their nodes.
        broken: restrictions that do not.

    Raises:
        TooHardError: none was found, and there may be one.
    """
    shortest, longest = _lengths(holding, broken)
    if longest is not None and shortest > longest:
        return None
    if shortest > MAX_LENGTH:
        raise TooHardError(f"a text needs more than {MAX_LENGTH} characters")
    if {atom for atom, _ in holding} & {atom for atom, _ in broken}:
        return None
    matching = [atom.value for atom, _ in holding if atom.keyword == "pattern"]
    failing = [atom.value for atom, _ in broken if atom.keyword == "pattern"]

    def fits(value: str) -> bool:
        return all(satisfies(a, value, k) for a, k in holding) and not any(satisfies(a, value, k) for a, k in broken)

    named = [atom.value for atom, _ in holding if atom.keyword == "format"]
    others = [atom.value for atom, _ in broken if atom.keyword == "format"]
    for value in _guesses(named, others, shortest):
        if fits(value):
            return value
    if named:
        raise TooHardError(f"no text of format {named[0]} was found that fits")
    picky = any(atom.keyword in {"enum", "format"} for atom, _ in broken)
    return find(matching, failing, shortest=shortest, longest=longest, accept=fits if picky else None)


def _lengths(holding: Atoms, broken: Atoms) -> tuple[int, int | None]:
    shortest, longest = 0, None
    for sign, atoms in ((True, holding), (False, broken)):
        for (keyword, value), _ in atoms:
            if (keyword == "minLength") == sign and keyword in {"minLength", "maxLength"}:
                shortest = max(shortest, value if sign else value + 1)
            elif keyword in {"minLength", "maxLength"}:
                limit = value if sign else value - 1
                longest = limit if longest is None else min(longest, limit)
    return shortest, longest


def _guesses(named: list[str], others: list[str], shortest: int) -> list[str]:
    """Return texts that often fit, before they are looked for."""
    found = [sample for name in named for sample in formats.SAMPLES[name]]
    if not named:
        found += ["a" * shortest] if shortest else ["", "a"]
        found += [sample for name in others for sample in formats.STRANGE]
        found += ["".join(letters) for letters in product("ab0", repeat=2)]
    if shortest and named:
        found += [sample * (shortest // len(sample) + 1) for sample in found]
    return found
