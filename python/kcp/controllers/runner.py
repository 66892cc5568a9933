"""How a controller runs: keys in, reconciled a few at a time, tried again while something stands in the way."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import trio

from kcp.client import Client, Facts, Key, StatusError, User
from kcp.client.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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


async def run(controller: Controller, source: Source, caller: Caller, asker: Asker) -> None:
    """Work for ever; returns only when cancelled.

    The index is read from its beginning to its end when there are new keys, page by page, so that no number of keys
    that cannot be finished hides the others. A key whose reconcile raises is logged and tried again; it never stops the
    others.
    """
    queue: Queue[Key] = Queue(FIRST_DELAY, LAST_DELAY)
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


async def _read(work: str, source: Source, queue: Queue[Key]) -> None:
    after = None
    while keys := await source.take_work(work, after):
        now = trio.current_time()
        for key in keys:
            queue.offer(key, now)
        after = keys[-1]


async def _work(controller: Controller, caller: Caller, asker: Asker, queue: Queue[Key]) -> None:
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
