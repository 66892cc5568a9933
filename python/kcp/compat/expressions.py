"""Patterns (RE2 syntax) as tests of texts and as finders of texts that match some patterns and fail others.

A pattern becomes a small machine of states; several machines are walked at once, shortest texts first, one step for
each class of characters that none of them tells apart. Time and memory are bounded; what exceeds them, and syntax that
is not understood, raises `TooHardError` and is never guessed.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from kcp.compat.syntax import END, Machine, TooHardError, compile_pattern, is_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["TooHardError", "find", "matches"]

# Steps of one search: each is a state of all machines and a character.
MAX_STEPS = 60_000
# Characters that a person reads easily come first.
_PREFERRED = "a0A-b1B. _/:xyz"

_Stand = tuple[frozenset[int], int]
"""States before the next character, and what the last one was: 0 none, 1 of no word, 2 of a word, 3 a newline."""


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> _Walker:
    return _Walker(compile_pattern(pattern))


def matches(pattern: str, text: str) -> bool:
    """Whether a text matches, anywhere in it, as the API server searches.

    Raises:
        TooHardError: the pattern is not understood or needs too much memory.
    """
    walker = _compiled(pattern)
    stand = walker.start
    for character in text:
        stand = walker.step(stand, character)
    return walker.accepts(stand)


class _Walker:
    """A machine that is made deterministic as far as it is walked."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.start: _Stand = (frozenset({machine.start}), 0)
        self._steps: dict[tuple[_Stand, str], _Stand] = {}

    def step(self, stand: _Stand, character: str) -> _Stand:
        key = (stand, character)
        if (known := self._steps.get(key)) is not None:
            return known
        reached = self.machine.closure(stand[0], stand[1], character)
        if self.machine.final in reached:
            after = frozenset({self.machine.final})  # nothing takes a match away
        else:
            after = self.machine.move(reached, character) | {self.machine.start}
        last = 3 if character == "\n" else 2 if is_word(character) else 1
        found = (after, last)
        if len(self._steps) > MAX_STEPS:
            self._steps.clear()
        self._steps[key] = found
        return found

    def accepts(self, stand: _Stand) -> bool:
        return self.machine.final in self.machine.closure(stand[0], stand[1], END)


class _Wanted(NamedTuple):
    matching: tuple[_Walker, ...]
    failing: tuple[_Walker, ...]
    shortest: int


def find(
    matching: Sequence[str],
    failing: Sequence[str] = (),
    *,
    shortest: int = 0,
    longest: int | None = None,
    accept: Callable[[str], bool] | None = None,
    tries: int = 200,
) -> str | None:
    """Return a short text that matches all of some patterns and none of others, or None when there is no such text.

    Args:
        matching: patterns that must match.
        failing: patterns that must not.
        shortest: fewest characters.
        longest: most characters; None: any number.
        accept: what else must hold of it.
        tries: how many texts are shown to `accept`.

    Raises:
        TooHardError: the answer was not found within the bounds.
    """
    wanted = _Wanted(tuple(map(_compiled, matching)), tuple(map(_compiled, failing)), shortest)
    shown = 0
    for text in _texts(wanted, longest, exhaustive=accept is not None):
        if accept is None or accept(text):
            return text
        shown += 1
        if shown >= tries:
            break
    if shown:
        raise TooHardError("the texts that were tried do not fit")
    return None


def _texts(wanted: _Wanted, longest: int | None, *, exhaustive: bool) -> Iterator[str]:
    """Yield texts, shortest first; each way to stand once; to be exhaustive, short texts all."""
    walkers = (*wanted.matching, *wanted.failing)
    alphabet = _alphabet(walkers, varied=exhaustive)
    start = tuple(walker.start for walker in walkers)
    queue: deque[tuple[tuple[_Stand, ...], str]] = deque([(start, "")])
    seen = {(start, 0)}
    steps = 0
    while queue:
        stands, text = queue.popleft()
        accepted = [walker.accepts(stand) for walker, stand in zip(walkers, stands, strict=True)]
        cut = len(wanted.matching)
        if len(text) >= wanted.shortest and all(accepted[:cut]) and not any(accepted[cut:]):
            yield text
        if longest is not None and len(text) >= longest:
            continue
        for character in alphabet:
            steps += 1
            if steps > MAX_STEPS:
                raise TooHardError("too many texts to look at")
            after = tuple(walker.step(stand, character) for walker, stand in zip(walkers, stands, strict=True))
            if any(final in stand[0] for final, stand in _finals(wanted.failing, after[cut:])):
                continue  # it matches what must not match, whatever follows
            mark = (after, min(len(text) + 1, wanted.shortest))
            if mark in seen and not (exhaustive and len(text) < 3):
                continue
            seen.add(mark)
            queue.append((after, text + character))


def _finals(walkers: Sequence[_Walker], stands: Sequence[_Stand]) -> Iterator[tuple[int, _Stand]]:
    return ((walker.machine.final, stand) for walker, stand in zip(walkers, stands, strict=True))


def _alphabet(walkers: Sequence[_Walker], *, varied: bool) -> list[str]:
    """Return one character, the most readable one, of each class that no machine tells apart."""
    cuts = {0, 0x0A, 0x0B, 0x30, 0x3A, 0x41, 0x5B, 0x5F, 0x60, 0x61, 0x7B, 0x110000}
    for walker in walkers:
        for low, high in walker.machine.ranges:
            cuts |= {low, high + 1}
    borders = sorted(cuts)
    found = []
    for low, high in pairwise(borders):
        readable = [c for c in _PREFERRED if low <= ord(c) < high]
        if readable:
            found += readable if varied else readable[:1]
            continue
        point = low if low >= 0x20 or high <= 0x20 else 0x20
        if 0xD800 <= point <= 0xDFFF:
            if high <= 0xE000:
                continue  # halves of pairs are no characters
            point = 0xE000
        found.append(chr(point))
    return sorted(found, key=lambda c: (_PREFERRED.find(c) if c in _PREFERRED else 99, ord(c)))
