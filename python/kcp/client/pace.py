"""How fast something is done: waits between tries, and a limit over everything.

What belongs here: time that is counted by trio's clock, so that tests jump over it. What stays out: what is done.
"""

from __future__ import annotations

import random

import trio


class Backoff:
    """Seconds between tries: doubled each time up to the last, each drawn between half and all of it."""

    def __init__(self, first: float, last: float, chance: random.Random | None = None) -> None:
        """Begin with `first` seconds and end with `last`; `chance` draws."""
        self._first, self._last = first, last
        self._next = first
        self._chance = chance or random.Random()

    def next(self) -> float:
        """Return the seconds to wait now, and wait longer the next time."""
        delay, self._next = self._next, min(self._next * 2, self._last)
        return delay * self._chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin with the first wait again: something worked."""
        self._next = self._first


class Limiter:
    """A bucket of tokens: `burst` at once, then `rate` each second. Waiters are served in the order they came."""

    def __init__(self, rate: float, burst: int) -> None:
        """Begin with a full bucket."""
        self._rate, self._burst = rate, burst
        self._tokens, self._at = float(burst), -float("inf")
        self._turn = trio.Lock()

    async def wait(self) -> None:
        """Wait for a token and take it; cancelled, none is taken."""
        async with self._turn:
            now = trio.current_time()
            if self._tokens < self._burst:
                self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            if self._tokens < 1:
                await trio.sleep((1 - self._tokens) / self._rate)
                self._tokens, self._at = 1.0, trio.current_time()
            self._tokens -= 1
