"""What a syncer makes of answers that are wrong or do not come: between two logical clusters of a running kcp."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from kcp.client import StatusError
from kcp.client.connection import Connection
from kcp.client.places import Resource
from kcp.client.session import Session
from kcp.syncer.engine import Engine
from kcp.syncer.names import Site
from kcp.syncer.plan import Kind
from kcp.syncer.run import run_syncer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from kcp.client.informer import Change
    from tests.conftest import KcpServer

SECONDS = 30
MAPS = Resource("", "v1", "configmaps")
SECRETS = Resource("", "v1", "secrets")
RESOURCES = {MAPS: Kind("v1", "ConfigMap", False, True), SECRETS: Kind("v1", "Secret", False, False)}
LABELS = {"workload.kcp.io/cluster": "east"}
Object = dict[str, Any]


class Lying(Session):
    """A server that says of what is asked by path what `answers` has: an object, or a refusal."""

    answers: Mapping[str, Object | StatusError]

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, *, accept: str = "application/json"
    ) -> Object:
        answer = self.answers.get(path)
        if isinstance(answer, StatusError):
            raise answer
        # As of now, so that a watch from there on tells nothing that was before.
        return {**await super().get(path, query, accept=accept), **(answer or {})}


class Town:
    """A logical cluster with a synced configmap, and the one that it was synced to."""

    def __init__(self, server: KcpServer) -> None:
        self.ends = [
            Connection(server=server.new_cluster(), authority=server.ca, token=server.tokens["admin"]) for _ in range(2)
        ]
        self.site = Site(self.ends[0].server.rpartition("/")[2], "east")
        self.copy = MAPS.object(self.site.namespace("default"), "a")

    @asynccontextmanager
    async def engine(self, **answers: Object | StatusError) -> AsyncIterator[Engine]:
        """Give an engine that is told `answers` about the configmap (`one`) and all of them (`all`) upstream."""
        upstream, downstream = Lying(self.ends[0]), Session(self.ends[1])
        paths = {"one": MAPS.object("default", "a"), "all": MAPS.collection()}
        upstream.answers = {paths[which]: answer for which, answer in answers.items()}
        yield Engine(self.site, upstream, downstream, RESOURCES)
        await upstream.close()
        await downstream.close()


@pytest.fixture
async def town(kcp_server: KcpServer) -> Town:
    """Sync one configmap and stop."""
    town = Town(kcp_server)
    above = Session(town.ends[0])
    async with trio.open_nursery() as nursery:
        engine = await nursery.start(_start, town)
        copied = trio.Event()

        def seen(change: Change) -> None:
            if change.name[1] == "a":
                copied.set()

        engine.flows["configmaps"].below.add_handler(seen)
        await above.post(MAPS.collection("default"), {"metadata": {"name": "a", "labels": LABELS}})
        with trio.fail_after(SECONDS):
            await copied.wait()
        nursery.cancel_scope.cancel()
    await above.close()
    return town


async def _start(town: Town, task_status: trio.TaskStatus[Engine]) -> None:
    await run_syncer(*town.ends, cluster="east", resources=["configmaps"], task_status=task_status)


EMPTY: Object = {"items": []}


async def test_an_empty_list_deletes_nothing_that_is_there_by_name(town: Town) -> None:
    async with town.engine(all=EMPTY) as engine:
        assert await engine.plan() == []


@pytest.mark.parametrize(
    "refusal",
    [
        StatusError.of(404, b"404 page not found\n"),
        StatusError({"code": 404, "reason": "NotFound", "details": {"kind": "configmaps"}}),
        StatusError({"code": 404, "reason": "NotFound", "details": {"kind": "configmaps", "name": "other"}}),
        StatusError({"code": 403, "reason": "Forbidden", "details": {"name": "a"}}),
        StatusError({"code": 503}),
    ],
)
async def test_a_refusal_is_not_taken_for_absence(town: Town, refusal: StatusError) -> None:
    async with town.engine(all=EMPTY, one=refusal) as engine:
        with pytest.raises(ExceptionGroup) as caught:
            await engine.plan()
        assert caught.value.exceptions == (refusal,)


async def test_what_is_gone_by_name_goes(town: Town) -> None:
    gone = StatusError({"code": 404, "reason": "NotFound", "details": {"kind": "configmaps", "name": "a"}})
    async with town.engine(all=EMPTY, one=gone) as engine:
        assert await engine.plan() == ["configmaps default/a: delete downstream: it is gone upstream"]


async def test_as_long_as_a_list_fails_nothing_is_done_at_all(town: Town) -> None:
    """Not even what the other lists say."""
    async with town.engine(all=StatusError({"code": 500, "message": "broken"})) as engine:
        with trio.move_on_after(1) as scope:
            await engine.run()
        assert scope.cancelled_caught
        assert engine.counts == {}
        assert "upstream configmaps: broken" in engine.troubles
    below = Session(town.ends[1])
    assert (await below.get(town.copy))["metadata"]["name"] == "a"
    await below.close()
