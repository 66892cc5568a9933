"""A work queue: keys that wait for their turn, each once, put off longer each time they fail."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Hashable

# Seconds until a key is tried again: doubled each time, up to the last.
FIRST_DELAY = 0.005
LAST_DELAY = 1000.0

K = TypeVar("K", bound="Hashable")


class Queue(Generic[K]):
    """Keys in the order in which they are due. No key is with two takers at once.

    A key that is offered while it is worked on is worked on once more afterwards: what was offered may be newer than
    what the worker saw. Times are seconds of trio's clock. Bounded by the number of keys there are.
    """

    def __init__(self, first: float = FIRST_DELAY, last: float = LAST_DELAY) -> None:
        """Begin without a key; `first` and `last` are the shortest and the longest time a key is put off."""
        self._first, self._last = first, last
        # The number keeps keys from being compared.
        self._due: list[tuple[float, int, K]] = []
        self._numbers = count()
        self._waiting: dict[K, int] = {}
        self._delays: dict[K, float] = {}
        self._busy: dict[K, bool] = {}
        self._changed = trio.Event()

    def __len__(self) -> int:
        """Return how many keys wait or are worked on."""
        return len(self._waiting) + len(self._busy)

    def offer(self, key: K, now: float) -> None:
        """Add a key that is due now, unless it waits already; one that is put off stays so."""
        if key in self._busy:
            self._busy[key] = True
        elif key not in self._waiting:
            self._put(key, now)

    def hasten(self, key: K, now: float) -> None:
        """Add a key that is due now, also when it was put off: what it is about has changed."""
        if key in self._busy:
            self._busy[key] = True
        elif key not in self._waiting or key in self._delays:
            self._put(key, now)

    async def take(self) -> K:
        """Wait for the next key that is due; the taker has to call `done` or `failed` with it.

        Cancelled, no key is taken.
        """
        while True:
            while self._due and self._waiting.get(self._due[0][2]) != self._due[0][1]:
                heapq.heappop(self._due)  # put elsewhere or taken since
            now = trio.current_time()
            if self._due and self._due[0][0] <= now:
                _, _, key = heapq.heappop(self._due)
                del self._waiting[key]
                self._busy[key] = False
                return key
            with trio.move_on_at(self._due[0][0] if self._due else float("inf")):
                await self._changed.wait()

    def done(self, key: K, now: float) -> None:
        """Forget a key, unless it was offered meanwhile."""
        self._delays.pop(key, None)
        if self._busy.pop(key):
            self._put(key, now)

    def failed(self, key: K, now: float) -> float:
        """Put a key off, twice as long as the last time; returns the seconds."""
        del self._busy[key]
        delay = self._delays[key] = min(self._delays.get(key, self._first / 2) * 2, self._last)
        self._put(key, now + delay)
        return delay

    def _put(self, key: K, when: float) -> None:
        number = next(self._numbers)
        self._waiting[key] = number
        heapq.heappush(self._due, (when, number, key))
        self._changed.set()
        self._changed = trio.Event()
