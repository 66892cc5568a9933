"""How a controller runs: keys in, reconciled a few at a time, tried again while something stands in the way."""

from __future__ import annotations

import heapq
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import trio

from kcp.client import Client, Facts, StatusError, User

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kcp.client import Key
    from kcp.client.facts import Asker
    from kcp.client.in_process import Caller

logger = logging.getLogger(__name__)

# Who controllers act as.
USER = User("system:kcp:controller", ("system:masters",))
# Keys of one kind of work that are worked on at a time.
WORKERS = 8
# Seconds until a key is tried again: doubled each time, up to the last.
FIRST_DELAY = 0.05
LAST_DELAY = 10.0
# Seconds until the index is read again after it could not be.
AFTER_FAILURE = 1.0

Reconcile: TypeAlias = "Callable[[Client, Facts, Key], Awaitable[bool]]"
"""Brings one object nearer to its end; True when nothing is left to do."""


class Source(Protocol):
    """Where unfinished work comes from: `kcp.core.Server`."""

    async def take_work(self, kind: str, after: Key | None = None) -> list[Key]:
        """Return a page of the keys of a kind, in order; empty at their end. They stay until the work is done."""
        ...

    async def wait_work(self, kind: str) -> None:
        """Wait until a kind has new keys since its first page was last taken."""
        ...


@dataclass(frozen=True, slots=True)
class Controller:
    """A name, a kind of unfinished work, and what is done about it. Controllers of one name are chosen together."""

    name: str
    work: str
    reconcile: Reconcile


class Queue:
    """Keys that wait for their turn, each once, in the order in which they are due.

    A key that is offered while it is worked on is worked on once more afterwards: what was offered may be newer than
    what the worker saw.
    """

    def __init__(self) -> None:
        """Begin without a key."""
        self._due: list[tuple[float, Key]] = []
        self._waiting: dict[Key, float] = {}
        self._delays: dict[Key, float] = {}
        self._busy: dict[Key, bool] = {}
        self._changed = trio.Event()

    def __len__(self) -> int:
        """Return how many keys wait or are worked on."""
        return len(self._waiting) + len(self._busy)

    def offer(self, key: Key, now: float) -> None:
        """Add a key that is due now, unless it waits already."""
        if key in self._busy:
            self._busy[key] = True
        elif key not in self._waiting:
            self._put(key, now)

    async def take(self) -> Key:
        """Wait for the next key that is due; the taker has to call `done` or `failed` with it."""
        while True:
            while self._due and self._waiting.get(self._due[0][1]) != self._due[0][0]:
                heapq.heappop(self._due)  # put off or taken since
            now = trio.current_time()
            if self._due and self._due[0][0] <= now:
                _, key = heapq.heappop(self._due)
                del self._waiting[key]
                self._busy[key] = False
                return key
            with trio.move_on_at(self._due[0][0] if self._due else float("inf")):
                await self._changed.wait()

    def done(self, key: Key, now: float) -> None:
        """Forget a key, unless it was offered meanwhile."""
        self._delays.pop(key, None)
        if self._busy.pop(key):
            self._put(key, now)

    def failed(self, key: Key, now: float) -> None:
        """Put a key off, twice as long as the last time."""
        del self._busy[key]
        delay = self._delays[key] = min(self._delays.get(key, FIRST_DELAY / 2) * 2, LAST_DELAY)
        self._put(key, now + delay)

    def _put(self, key: Key, when: float) -> None:
        self._waiting[key] = when
        heapq.heappush(self._due, (when, key))
        self._changed.set()
        self._changed = trio.Event()


async def run(controller: Controller, source: Source, caller: Caller, asker: Asker) -> None:
    """Work for ever; returns only when cancelled.

    The index is read from its beginning to its end when there are new keys, page by page, so that no number of keys
    that cannot be finished hides the others. A key whose reconcile raises is logged and tried again; it never stops the
    others.
    """
    queue = Queue()
    async with trio.open_nursery() as nursery:
        for _ in range(WORKERS):
            nursery.start_soon(_work, controller, caller, asker, queue)
        while True:
            began = trio.current_time()
            try:
                await _read(controller.work, source, queue)
            except OSError as error:
                logger.warning("%s: %s", controller.name, error)
                await trio.sleep(AFTER_FAILURE)
                continue
            # A long index is not read all the time.
            await trio.sleep(trio.current_time() - began)
            await source.wait_work(controller.work)


async def _read(work: str, source: Source, queue: Queue) -> None:
    after = None
    while keys := await source.take_work(work, after):
        now = trio.current_time()
        for key in keys:
            queue.offer(key, now)
        after = keys[-1]


async def _work(controller: Controller, caller: Caller, asker: Asker, queue: Queue) -> None:
    while True:
        key = await queue.take()
        done = False
        try:
            client = Client(caller, key.cluster, USER, agent=controller.name)
            done = await controller.reconcile(client, Facts(asker), key)
        except StatusError as error:
            if not error.is_conflict:
                logger.warning("%s: %s/%s: %s", controller.name, key.cluster, key.name, error)
        except Exception:  # one object's trouble must not stop the controller
            logger.exception("%s: %s/%s", controller.name, key.cluster, key.name)
        (queue.done if done else queue.failed)(key, trio.current_time())
