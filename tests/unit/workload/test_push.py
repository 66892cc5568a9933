"""The syncer of a registration: begun, ended and begun again; syncers are played."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from kcp.client.connection import Connection
from kcp.client.places import Resource
from kcp.syncer.discovery import SyncerError
from kcp.syncer.plan import Kind
from kcp.workload import push
from kcp.workload.conditions import UnreadyError
from kcp.workload.push import START_SECONDS, Push

if TYPE_CHECKING:
    from collections.abc import Callable

UP = Connection(server="https://kcp/clusters/a")
EAST, WEST = Connection(server="https://east"), Connection(server="https://west")


class Flow:
    def __init__(self, name: str, by_label: bool) -> None:
        self.resource = Resource("", "v1", name)
        self.kind = Kind("v1", "X", False, by_label)


class Syncer:
    """What runs instead of a syncer, and what is asked of it."""

    def __init__(self) -> None:
        self.flows = {"services": Flow("services", True), "secrets": Flow("secrets", False)}
        self.troubles: list[str] = []
        self.running: list[str] = []
        self.refusal: Exception | None = None
        self.begins = True
        self.break_off = trio.Event()

    async def __call__(
        self, upstream: Connection, downstream: Connection, *, task_status: trio.TaskStatus[Syncer], **_: object
    ) -> None:
        if self.refusal is not None:
            raise self.refusal
        if not self.begins:
            await trio.sleep_forever()
        self.running.append(downstream.server)
        try:
            async with trio.open_nursery():  # as an engine has
                task_status.started(self)
                await self.break_off.wait()
                raise RuntimeError("broken")
        finally:
            self.running.remove(downstream.server)


@pytest.fixture
def syncer(monkeypatch: pytest.MonkeyPatch) -> Syncer:
    played = Syncer()
    monkeypatch.setattr(push, "run_syncer", played)
    return played


async def refused(pushing: Push, to: Connection = EAST) -> UnreadyError:
    with pytest.raises(UnreadyError) as caught:
        await pushing.ensure(to)
    return caught.value


async def in_nursery(work: Callable[[Push], Any]) -> None:
    async with trio.open_nursery() as nursery:
        await work(Push(nursery, UP, "east", ("services",)))
        nursery.cancel_scope.cancel()


async def test_there_is_one_and_it_goes_where_the_registration_leads(syncer: Syncer) -> None:
    async def work(pushing: Push) -> None:
        assert await pushing.ensure(EAST) == ("services",)
        assert await pushing.ensure(EAST) == ("services",)
        assert syncer.running == ["https://east"]
        await pushing.ensure(WEST)
        assert syncer.running == ["https://west"]
        await pushing.stop()
        await pushing.stop()
        assert syncer.running == []

    await in_nursery(work)


async def test_one_that_breaks_is_begun_again_and_breaks_nobody_else(
    syncer: Syncer, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(pushing: Push) -> None:
        await pushing.ensure(EAST)
        syncer.break_off.set()
        await trio.testing.wait_all_tasks_blocked()
        assert syncer.running == []
        assert "syncer to east ended: broken" in caplog.text
        syncer.break_off = trio.Event()
        assert await pushing.ensure(EAST) == ("services",)
        assert syncer.running == ["https://east"]

    await in_nursery(work)


async def test_one_that_cannot_begin_or_hears_nothing_says_why(
    syncer: Syncer, autojump_clock: trio.testing.MockClock
) -> None:
    async def work(pushing: Push) -> None:
        syncer.refusal = SyncerError("no resource")
        verdict = (await refused(pushing)).verdict
        assert (verdict.reason, verdict.message, verdict.resources) == ("ErrorStartingSyncer", "no resource", ())
        syncer.refusal, syncer.begins = None, False
        began = trio.current_time()
        assert "within 30 seconds" in str(await refused(pushing))
        assert trio.current_time() - began == pytest.approx(START_SECONDS)
        syncer.begins, syncer.troubles = True, ["upstream services: not listed yet"]
        verdict = (await refused(pushing)).verdict
        # It runs: what was said to be synced still is.
        assert (verdict.reason, verdict.resources) == ("SyncerNotReady", None)
        assert syncer.running == ["https://east"]

    await in_nursery(work)
