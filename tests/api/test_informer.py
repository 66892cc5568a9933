"""Informers against a running kcp: everything comes once, over connections that break and watches too old."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from kcp.client import StatusError
from kcp.client.connection import Connection
from kcp.client.informer import Change, Informer
from kcp.client.places import Resource
from kcp.client.session import Session
from tests.proxy import Proxy, proxy_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from tests.conftest import KcpServer

MAPS = Resource("", "v1", "configmaps")
SECONDS = 30


@pytest.fixture
def url(kcp_server: KcpServer) -> str:
    return kcp_server.new_cluster()


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    with proxy_to(url) as proxy:
        yield proxy


def connection(server: KcpServer, url: str) -> Connection:
    return Connection(server=url, authority=server.ca, token=server.tokens["admin"])


@asynccontextmanager
async def session(server: KcpServer, url: str) -> AsyncIterator[Session]:
    session = Session(connection(server, url))
    try:
        yield session
    finally:
        await session.close()


class Seen:
    """What an informer told, to be waited for."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str]] = []
        self._new = trio.Event()

    def __call__(self, change: Change) -> None:
        self.changes.append((change.type, change.name[1]))
        self._new.set()
        self._new = trio.Event()

    async def wait_for(self, *expected: tuple[str, str]) -> None:
        """Wait until this, and nothing else, was told since the last time, in this order."""
        with trio.fail_after(SECONDS):
            while len(self.changes) < len(expected):
                await self._new.wait()
        assert self.changes == list(expected)
        self.changes.clear()


def map_of(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"kept": "yes"}}, "data": data}


async def test_changes_arrive_and_the_store_is_what_the_server_has(kcp_server: KcpServer, url: str) -> None:
    async with session(kcp_server, url) as client, trio.open_nursery() as nursery:
        seen = Seen()
        for number in range(3):
            await client.post(MAPS.collection("default"), map_of(f"before-{number}"))
        await client.post(MAPS.collection("default"), {"metadata": {"name": "unlabelled"}})
        informer = Informer(client, MAPS, labels="kept=yes", handler=seen)
        nursery.start_soon(informer.run)
        with trio.fail_after(SECONDS):
            await informer.wait_synced()
        await seen.wait_for(("added", "before-0"), ("added", "before-1"), ("added", "before-2"))
        await client.post(MAPS.collection("default"), map_of("new"))
        await client.merge_patch(MAPS.object("default", "new"), {"data": {"a": "1"}})
        await client.delete(MAPS.object("default", "before-1"))
        # Leaving the selection is leaving the store.
        await client.merge_patch(MAPS.object("default", "before-2"), {"metadata": {"labels": None}})
        await seen.wait_for(("added", "new"), ("updated", "new"), ("deleted", "before-1"), ("deleted", "before-2"))
        assert informer.store["default", "new"] == await client.get(MAPS.object("default", "new"))
        assert sorted(name for _, name in informer.store) == ["before-0", "new"]
        nursery.cancel_scope.cancel()


async def test_a_list_of_many_pages_is_whole(kcp_server: KcpServer, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kcp.client.informer.PAGE", 7)
    async with session(kcp_server, url) as client, trio.open_nursery() as nursery:
        names = [f"many-{number:02}" for number in range(30)]
        for name in names:
            await client.post(MAPS.collection("default"), map_of(name))
        informer = Informer(client, MAPS, namespace="default", labels="kept=yes")
        nursery.start_soon(informer.run)
        with trio.fail_after(SECONDS):
            await informer.wait_synced()
        assert [name for _, name in informer.store] == names
        nursery.cancel_scope.cancel()


async def test_a_watch_cut_in_two_goes_on_without_loss_or_repetition(
    kcp_server: KcpServer, url: str, proxy: Proxy
) -> None:
    async with (
        session(kcp_server, url) as writer,
        session(kcp_server, proxy.url) as reader,
        trio.open_nursery() as nursery,
    ):
        seen = Seen()
        informer = Informer(reader, MAPS, labels="kept=yes", handler=seen)
        nursery.start_soon(informer.run)
        with trio.fail_after(SECONDS):
            await informer.wait_synced()
        for round_ in range(5):
            name = f"round-{round_}"
            await writer.post(MAPS.collection("default"), map_of(name))
            await seen.wait_for(("added", name))
            assert proxy.cut() >= 1
            await writer.merge_patch(MAPS.object("default", name), {"data": {"a": "1"}})
            await seen.wait_for(("updated", name))
        with proxy.down():
            await writer.delete(MAPS.object("default", "round-0"))
            await writer.post(MAPS.collection("default"), map_of("meanwhile"))
            with trio.fail_after(SECONDS):
                await informer.wait_troubled()
            assert seen.changes == []
            assert ("default", "round-0") in informer.store
            assert informer.trouble
        await seen.wait_for(("deleted", "round-0"), ("added", "meanwhile"))
        assert informer.trouble == ""
        nursery.cancel_scope.cancel()


class Forgetful(Session):
    """Says of the first watch, when it is told to, that what it asks for is forgotten."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.forget = trio.Event()

    @asynccontextmanager
    async def watch(
        self, path: str, query: Mapping[str, str], *, seconds: int
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        if not self.forget.is_set():
            await self.forget.wait()
            raise StatusError({"code": 410, "reason": "Expired", "message": "too old resource version"})
        async with super().watch(path, query, seconds=seconds) as events:
            yield events


async def test_a_watch_that_is_too_old_tells_the_difference(kcp_server: KcpServer, url: str) -> None:
    client = Forgetful(connection(kcp_server, url))
    async with session(kcp_server, url) as writer, trio.open_nursery() as nursery:
        seen = Seen()
        for name in ("changes", "goes", "returns", "stays"):
            await writer.post(MAPS.collection("default"), map_of(name))
        informer = Informer(client, MAPS, labels="kept=yes", handler=seen)
        nursery.start_soon(informer.run)
        await seen.wait_for(*(("added", name) for name in ("changes", "goes", "returns", "stays")))
        await writer.delete(MAPS.object("default", "goes"))
        await writer.delete(MAPS.object("default", "returns"))
        await writer.post(MAPS.collection("default"), map_of("returns"))
        await writer.merge_patch(MAPS.object("default", "changes"), {"data": {"a": "1"}})
        client.forget.set()
        await seen.wait_for(("deleted", "goes"), ("updated", "changes"), ("deleted", "returns"), ("added", "returns"))
        assert [name for _, name in sorted(informer.store)] == ["changes", "returns", "stays"]
        nursery.cancel_scope.cancel()
    await client.close()


async def test_who_may_not_list_is_told_why_and_nothing_is_lost(kcp_server: KcpServer, url: str) -> None:
    stranger = Connection(server=url, authority=kcp_server.ca, token=kcp_server.tokens["alice"])
    client = Session(stranger)
    async with trio.open_nursery() as nursery:
        informer = Informer(client, MAPS)
        nursery.start_soon(informer.run)
        with trio.fail_after(SECONDS):
            await informer.wait_troubled()
        assert "alice" in informer.trouble
        assert not informer.is_synced
        nursery.cancel_scope.cancel()
    await client.close()
