"""Numbers within bounds, in steps, and not in lists."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, lcm
from typing import TYPE_CHECKING, NamedTuple

from kcp.compat.judge import satisfies
from kcp.compat.syntax import TooHardError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kcp.compat.schema import Atom

    Atoms = Sequence[tuple[Atom, str]]

# What a 64-bit integer holds, and what a double does.
INTEGERS = (-(2**63), 2**63 - 1)
FLOATS = (-1.7e308, 1.7e308)
# Numbers tried in a row.
TRIES = 300


class _Bounds(NamedTuple):
    low: Fraction
    high: Fraction
    above: bool
    """`low` itself is out."""
    below: bool


def number(holding: Atoms, broken: Atoms, *, whole: bool) -> int | float | None:
    """Return a number that obeys some restrictions and breaks others, or None when there is none.

    Args:
        holding: restrictions that hold, with the type of their nodes.
        broken: restrictions that do not.
        whole: whether it is an integer; else it has a fraction.

    Raises:
        TooHardError: none was found, and there may be one.
    """
    bounds = _bounds(holding, broken, whole=whole)
    if bounds is None or any(_implied(atom, bounds, holding, whole=whole) for atom, _ in broken):
        return None

    def fits(value: float) -> bool:
        return all(satisfies(a, value, k) for a, k in holding) and not any(satisfies(a, value, k) for a, k in broken)

    candidates = _integers(bounds, holding) if whole else _fractions(bounds, holding)
    for tried, value in enumerate(candidates):
        if fits(value):
            return value
        if tried >= TRIES:
            raise TooHardError("no number was found between the bounds")
    if not whole and bounds.low < bounds.high:
        raise TooHardError("no number was found between the bounds")
    return None


def _implied(atom: Atom, bounds: _Bounds, holding: Atoms, *, whole: bool) -> bool:
    """Whether what is to be broken follows from what holds."""
    if atom.keyword == "multipleOf" and atom.value > 0:
        factors = [a.value for a, _ in holding if a.keyword == "multipleOf" and a.value > 0]
        if whole:
            return (
                int(atom.value) > 0 and lcm(*map(int, factors)) % int(atom.value) == 0 if factors else atom.value == 1
            )
        return any((Fraction(str(f)) / Fraction(str(atom.value))).denominator == 1 for f in factors)
    if atom.keyword == "format":
        limit = Fraction(2**31 - 1) if atom.value == "int32" else Fraction(3.4028234663852886e38)
        return -limit - (atom.value == "int32") <= bounds.low and bounds.high <= limit
    return False


def _bounds(holding: Atoms, broken: Atoms, *, whole: bool) -> _Bounds | None:
    low, high = (Fraction(bound) for bound in (INTEGERS if whole else FLOATS))
    above = below = False
    if any(atom == ("format", "int32") for atom, _ in holding):
        low, high = Fraction(-(2**31)), Fraction(2**31 - 1)
    for sign, atoms in ((True, holding), (False, broken)):
        for (keyword, value), _ in atoms:
            if keyword in {"minimum", "maximum"}:
                # Integers are compared with the whole part of a bound.
                bound = Fraction(int(value[0]) if whole else value[0])
                strict = value[1] if sign else not value[1]
                if (keyword == "minimum") == sign:
                    low, above = max((low, above), (bound, strict))
                else:
                    high, below = min((high, not below), (bound, not strict))
                    below = not below
    if low > high or (low == high and (above or below)):
        return None
    return _Bounds(low, high, above, below)


def _integers(bounds: _Bounds, holding: Atoms) -> Iterator[int]:
    """Yield the integers within bounds that are multiples as they must be: the one nearest to zero first."""
    low = floor(bounds.low) + 1 if bounds.above else ceil(bounds.low)
    high = ceil(bounds.high) - 1 if bounds.below else floor(bounds.high)
    factors = [int(atom.value) for atom, _ in holding if atom.keyword == "multipleOf"]
    if any(factor <= 0 for factor in factors):
        return
    step = lcm(*factors) if factors else 1
    first, last = -(-low // step), high // step
    if first > last:
        return
    middle = min(max(0, first), last)
    # Both ends as well: what must break a bound of a format lies there.
    yield from dict.fromkeys(k * step for k in (middle, first, last))
    for distance in range(1, last - first + 1):
        for k in (middle + distance, middle - distance):
            if first <= k <= last:
                yield k * step


def _fractions(bounds: _Bounds, holding: Atoms) -> Iterator[float]:
    """Yield some numbers with a fraction within bounds."""
    factors = [Fraction(str(atom.value)) for atom, _ in holding if atom.keyword == "multipleOf"]
    if any(factor <= 0 for factor in factors):
        return
    found: list[Fraction] = []
    if factors:
        step = Fraction(lcm(*(f.numerator for f in factors)), 1) / _common(factors)
        first = -(-bounds.low // step)
        found += [(max(first, min(0, int(bounds.high // step))) + k) * step for k in range(20)]
        found += [(first + k) * step for k in range(20)]
    else:
        near = [bounds.low, bounds.high, Fraction(0), (bounds.low + bounds.high) / 2]
        found += [start + sign * offset for start in near for offset in _OFFSETS for sign in (1, -1)]
        width = bounds.high - bounds.low
        found += [bounds.low + width * Fraction(part, 8) for part in range(9)]
    for fraction in found:
        if bounds.low <= fraction <= bounds.high:
            value = float(fraction)
            if not value.is_integer():
                yield value


_OFFSETS = tuple(Fraction(n, 16) for n in (8, 4, 1, 24))


def _common(factors: list[Fraction]) -> Fraction:
    from math import gcd

    return Fraction(gcd(*(f.denominator for f in factors)))
