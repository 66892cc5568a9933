"""Keys come each in turn, once at a time, and later after each failure."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
import trio.testing

from kcp.client.pace import Backoff, Limiter
from kcp.client.queue import FIRST_DELAY, LAST_DELAY, Queue

# Tries after which the delay has long reached its end: it doubles eighteen times before.
TRIES = 24


async def test_a_key_offered_while_it_is_worked_on_is_worked_on_again() -> None:
    queue: Queue[str] = Queue()
    queue.offer("one", trio.current_time())
    taken = await queue.take()
    for again in (queue.offer, queue.hasten):
        again(taken, trio.current_time())
        with trio.move_on_after(0):
            pytest.fail(f"{await queue.take()} is with two at once")
    queue.done(taken, trio.current_time())
    with trio.fail_after(1):
        assert await queue.take() == taken
    queue.done(taken, trio.current_time())
    assert len(queue) == 0


async def test_a_key_that_waits_is_not_hurried_by_being_offered(autojump_clock: trio.testing.MockClock) -> None:
    queue: Queue[str] = Queue()
    queue.offer("one", trio.current_time())
    for _ in range(TRIES):
        queue.failed(await queue.take(), trio.current_time())
    began = trio.current_time()
    queue.offer("one", began)
    queue.offer("two", began)
    assert await queue.take() == "two"
    assert await queue.take() == "one"
    assert trio.current_time() - began == pytest.approx(LAST_DELAY)


async def test_a_key_whose_object_changed_does_not_wait(autojump_clock: trio.testing.MockClock) -> None:
    queue: Queue[str] = Queue()
    queue.offer("one", trio.current_time())
    for _ in range(TRIES):
        queue.failed(await queue.take(), trio.current_time())
    began = trio.current_time()
    queue.hasten("one", began)
    assert await queue.take() == "one"
    assert trio.current_time() == began
    # It is still one that fails.
    assert queue.failed("one", began) == LAST_DELAY


async def test_waits_double_from_five_milliseconds_to_a_thousand_seconds() -> None:
    queue: Queue[str] = Queue()
    queue.offer("one", trio.current_time())
    delays = []
    for _ in range(TRIES):
        key = await queue.take()
        delays.append(queue.failed(key, trio.current_time()))
        queue.hasten(key, trio.current_time())
    assert delays[0] == FIRST_DELAY
    assert all(later == min(sooner * 2, LAST_DELAY) for sooner, later in pairwise(delays))
    assert delays[-1] == LAST_DELAY
    key = await queue.take()
    queue.done(key, trio.current_time())
    queue.offer(key, trio.current_time())
    assert queue.failed(await queue.take(), trio.current_time()) == FIRST_DELAY


async def test_a_taker_that_is_cancelled_takes_nothing() -> None:
    queue: Queue[str] = Queue()
    with trio.move_on_after(0):
        await queue.take()
    queue.offer("one", trio.current_time())
    with trio.fail_after(1):
        assert await queue.take() == "one"


async def test_a_limiter_lets_a_burst_through_and_then_its_rate(autojump_clock: trio.testing.MockClock) -> None:
    limiter = Limiter(10, 100)
    began = trio.current_time()
    for _ in range(100):
        await limiter.wait()
    assert trio.current_time() == began
    for _ in range(20):
        await limiter.wait()
    assert trio.current_time() - began == pytest.approx(2)
    await trio.sleep(100)
    began = trio.current_time()
    for _ in range(101):
        await limiter.wait()
    assert trio.current_time() - began == pytest.approx(0.1)


def test_waits_of_a_backoff_differ_and_end() -> None:
    backoff = Backoff(1, 8)
    waits = [backoff.next() for _ in range(8)]
    for wait, most in zip(waits, (1, 2, 4, 8, 8, 8, 8, 8), strict=True):
        assert most / 2 <= wait <= most
    assert len(set(waits)) == len(waits)
    backoff.reset()
    assert backoff.next() <= 1
