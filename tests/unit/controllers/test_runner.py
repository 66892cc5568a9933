"""How keys come to workers: each in turn, none forgotten, none hiding the others."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from kcp.client import Key, StatusError
from kcp.controllers import runner
from kcp.controllers.runner import FIRST_DELAY, LAST_DELAY, Controller
from kcp.core import Options, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kcp.client import Client, Facts

# Tries after which the delay has long reached its end: it doubles seven or eight times before.
TRIES = 12


def key(number: int) -> Key:
    return Key("things", "one", "", f"{number:06}")


class Index:
    """A source whose keys stand in a set; pages are small."""

    PAGE = 100

    def __init__(self, keys: set[Key]) -> None:
        self.keys = keys
        self.new = trio.Event()
        self.pages = 0

    def add(self, key: Key) -> None:
        self.keys.add(key)
        self.new.set()

    async def take_work(self, kind: str, after: Key | None = None) -> list[Key]:
        del kind
        await trio.lowlevel.checkpoint()
        if after is None:
            self.new = trio.Event()
        self.pages += 1
        return sorted(key for key in self.keys if after is None or key > after)[: self.PAGE]

    async def wait_work(self, kind: str) -> None:
        del kind
        await self.new.wait()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server without a listener, in memory: what reconciles are handed a client of."""
    server = Server(Options())
    yield server
    server.close()


@pytest.fixture
def start(nursery: trio.Nursery, server: Server) -> Callable[[Index, runner.Reconcile], None]:
    def begin(index: Index, reconcile: runner.Reconcile) -> None:
        nursery.start_soon(runner.run, Controller("tester", "things", reconcile), index, server, server)

    return begin


async def test_keys_that_cannot_be_finished_do_not_hide_the_others(
    start: Callable[[Index, runner.Reconcile], None], autojump_clock: trio.testing.MockClock
) -> None:
    stuck = {key(number) for number in range(2_000)}
    index = Index(stuck | {key(5_000)})
    finished = trio.Event()

    async def reconcile(client: Client, facts: Facts, key: Key) -> bool:
        del client, facts
        await trio.sleep(0.01)
        if key in stuck:
            return False
        index.keys.discard(key)
        if len(index.keys) == len(stuck):
            finished.set()
        return True

    start(index, reconcile)
    with trio.fail_after(10):
        await finished.wait()
    finished = trio.Event()
    index.add(key(6_000))  # sorts after all that are stuck
    with trio.fail_after(LAST_DELAY):
        await finished.wait()


async def test_waiting_keys_are_tried_again_without_reading_the_index(
    start: Callable[[Index, runner.Reconcile], None], autojump_clock: trio.testing.MockClock
) -> None:
    index, tries, enough = Index({key(1)}), [], trio.Event()

    async def reconcile(client: Client, facts: Facts, key: Key) -> bool:
        del client, facts, key
        tries.append(trio.current_time())
        if len(tries) == TRIES:
            enough.set()
        return False

    start(index, reconcile)
    with trio.fail_after(TRIES * LAST_DELAY):
        await enough.wait()
    waits = [later - sooner for sooner, later in pairwise(tries)]
    assert waits[:3] == pytest.approx([FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY])
    assert waits[-1] == pytest.approx(LAST_DELAY)
    assert index.pages == 2  # the page with the key, and the empty one after it


async def test_a_reconcile_that_raises_is_tried_again_and_stops_nobody(
    start: Callable[[Index, runner.Reconcile], None], autojump_clock: trio.testing.MockClock
) -> None:
    index, seen, enough = Index({key(1), key(2), key(3)}), [], trio.Event()

    async def reconcile(client: Client, facts: Facts, key: Key) -> bool:
        del client, facts
        await trio.lowlevel.checkpoint()
        seen.append(key)
        if len(seen) == 5:
            enough.set()
        if seen.count(key) == 1 and key.name == "000001":
            raise ValueError(key)
        if seen.count(key) == 1 and key.name == "000002":
            raise StatusError.of(409, b"{}")
        return True

    start(index, reconcile)
    with trio.fail_after(LAST_DELAY):
        await enough.wait()
    await trio.testing.wait_all_tasks_blocked()
    assert [seen.count(key(number)) for number in (1, 2, 3)] == [2, 2, 1]
