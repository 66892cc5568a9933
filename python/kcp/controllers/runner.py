"""How a controller runs: keys in, reconciled a few at a time, tried again while something stands in the way."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import trio

from kcp.client import Client, StatusError, User

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kcp.client import Key
    from kcp.client.in_process import Caller

logger = logging.getLogger(__name__)

# Who controllers act as.
USER = User("system:kcp:controller", ("system:masters",))
# Keys of one controller that are worked on at a time.
WORKERS = 8
# Seconds until a key is tried again: doubled each time, up to the last.
FIRST_DELAY = 0.05
LAST_DELAY = 10.0

Reconcile: TypeAlias = "Callable[[Client, Key], Awaitable[bool]]"
"""Brings one object nearer to its end; True when nothing is left to do."""


class Source(Protocol):
    """Where unfinished work comes from: `kcp.core.Server`."""

    async def take_work(self, kind: str) -> list[Key]:
        """Return keys of a kind; they stay until the work is done."""
        ...

    async def wait_work(self, kind: str) -> None:
        """Wait until a kind has new keys since it was last taken."""
        ...


@dataclass(frozen=True, slots=True)
class Controller:
    """A name, a kind of unfinished work, and what is done about it."""

    name: str
    work: str
    reconcile: Reconcile


class Delays:
    """When keys that could not be finished are tried again."""

    def __init__(self) -> None:
        """Begin without a key."""
        self._tries: dict[Key, tuple[float, float]] = {}

    def due(self, key: Key, now: float) -> bool:
        """Tell whether a key may be worked on."""
        return self._tries.get(key, (0.0, 0.0))[0] <= now

    def failed(self, key: Key, now: float) -> None:
        """Put a key off, twice as long as the last time."""
        delay = min(self._tries.get(key, (0.0, FIRST_DELAY / 2))[1] * 2, LAST_DELAY)
        self._tries[key] = (now + delay, delay)

    def keep(self, keys: list[Key]) -> None:
        """Forget every other key: its work is done."""
        wanted = set(keys)
        self._tries = {key: entry for key, entry in self._tries.items() if key in wanted}

    def next(self, now: float) -> float:
        """Return the seconds until the next key is due; infinite without one."""
        return min((when - now for when, _ in self._tries.values()), default=float("inf"))


async def run(controller: Controller, source: Source, caller: Caller) -> None:
    """Work for ever; returns only when cancelled.

    A key whose reconcile raises is logged once an attempt and tried again; it never stops the others.
    """
    delays = Delays()
    while True:
        keys = await source.take_work(controller.work)
        delays.keep(keys)
        now = trio.current_time()
        due = [key for key in keys if delays.due(key, now)]
        if not due:
            with trio.move_on_after(max(delays.next(now), 0.0)):
                await source.wait_work(controller.work)
            continue
        limit = trio.CapacityLimiter(WORKERS)
        async with trio.open_nursery() as nursery:
            for key in due:
                nursery.start_soon(_work_on, controller, caller, key, delays, limit)


async def _work_on(
    controller: Controller, caller: Caller, key: Key, delays: Delays, limit: trio.CapacityLimiter
) -> None:
    async with limit:
        try:
            done = await controller.reconcile(Client(caller, key.cluster, USER), key)
        except StatusError as error:
            done = False
            if not error.is_conflict:
                logger.warning("%s: %s/%s: %s", controller.name, key.cluster, key.name, error)
        except Exception:  # one object's trouble must not stop the controller
            done = False
            logger.exception("%s: %s/%s", controller.name, key.cluster, key.name)
        # A finished key leaves the index; until then it waits its turn.
        if not done:
            delays.failed(key, trio.current_time())
        else:
            delays.failed(key, trio.current_time() - FIRST_DELAY / 2)
