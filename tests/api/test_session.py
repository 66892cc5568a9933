"""Requests under trio to a running kcp: credentials that are asked for, refusals, answers that are no objects."""

from __future__ import annotations

import gc
import json
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from kcp.client import StatusError, UnreachableError
from kcp.client.connection import Connection
from kcp.client.places import Resource
from kcp.client.session import Session
from kcp.kubeconfig import KubeconfigError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import KcpServer

MAPS = Resource("", "v1", "configmaps")
VERSION = "client.authentication.k8s.io/v1"


def plugin(directory: Path, *tokens: str) -> dict[str, object]:
    """Return an exec plugin that prints one token after the other, and fails when it has none left."""
    left = directory / "tokens"
    left.write_text("\n".join(tokens))
    script = directory / "plugin.py"
    script.write_text(
        "import json, pathlib, sys\n"
        f"left = pathlib.Path({str(left)!r})\n"
        "tokens = left.read_text().split()\n"
        "if not tokens: sys.exit(1)\n"
        "left.write_text(' '.join(tokens[1:]))\n"
        f"head = {{'apiVersion': {VERSION!r}, 'kind': 'ExecCredential'}}\n"
        "print(json.dumps({**head, 'status': {'token': tokens[0]}}))\n"
    )
    return {"apiVersion": VERSION, "command": sys.executable, "args": [str(script)], "interactiveMode": "Never"}


async def test_a_plugin_is_asked_again_when_its_credentials_are_refused(kcp_server: KcpServer, tmp_path: Path) -> None:
    admin = kcp_server.tokens["admin"]
    connection = Connection(
        server=kcp_server.new_cluster(), authority=kcp_server.ca, exec_plugin=plugin(tmp_path, "stale", admin)
    )
    session = Session(connection)
    assert (await session.get(MAPS.collection()))["kind"] == "ConfigMapList"
    async with session.watch(MAPS.collection(), {}, seconds=1) as events:
        assert [event["type"] async for event in events][-1:] in ([], ["ADDED"])
    await session.close()
    assert (tmp_path / "tokens").read_text() == ""


async def test_a_plugin_that_fails_says_so(kcp_server: KcpServer, tmp_path: Path) -> None:
    connection = Connection(server=kcp_server.url, authority=kcp_server.ca, exec_plugin=plugin(tmp_path))
    session = Session(connection)
    with pytest.raises(KubeconfigError, match="failed with exit code 1"):
        await session.get("/version")
    await session.close()


async def test_refusals_are_told_apart_from_silence(kcp_server: KcpServer) -> None:
    url = kcp_server.new_cluster()
    session = Session(Connection(server=url, authority=kcp_server.ca, token=kcp_server.tokens["admin"]))
    with pytest.raises(StatusError) as refused:
        await session.get(MAPS.object("default", "nothing"))
    assert refused.value.is_not_found
    with pytest.raises(UnreachableError, match="something that is no object"):
        await session.get("/healthz")
    made = await session.apply(
        MAPS.object("default", "a"),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "1"}},
        manager="tester",
    )
    assert json.loads(json.dumps(made["data"])) == {"a": "1"}
    with pytest.raises(StatusError) as refused:
        await session.delete(MAPS.object("default", "a"), uid="another")
    assert refused.value.is_conflict
    await session.delete(MAPS.object("default", "a"), uid=made["metadata"]["uid"])
    with pytest.raises(StatusError) as refused:
        async with session.watch("/api/v1/nothings", {}, seconds=1):
            pytest.fail("there is nothing to watch")
    assert refused.value.code == 404
    await session.close()
    away = Session(Connection(server="http://127.0.0.1:1"))
    with pytest.raises(UnreachableError):
        await away.get("/version")
    await away.close()


async def test_a_connection_that_breaks_in_the_middle_of_a_body_leaves_nothing_open() -> None:
    # The library's generator over the body was left to the garbage collector, which complained.
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    async with trio.open_nursery() as nursery:
        listen = partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1")
        [listener] = await nursery.start(listen)
        port = listener.socket.getsockname()[1]
        client = Session(Connection(server=f"http://127.0.0.1:{port}"))
        with pytest.raises(UnreachableError):
            await client.post("/api", {"data": "x" * 10_000_000})
        await client.close()
        gc.collect()
        nursery.cancel_scope.cancel()
