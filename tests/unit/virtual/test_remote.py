"""The server behind over HTTP: what reaches it, what comes back, and how a body is left."""

from __future__ import annotations

import gzip
import json
import socket
import stat
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from kcp.client import StatusError, User
from kcp.client.connection import Connection
from kcp.virtual import Remote
from kcp.virtual.remote import identity

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

ANN = User("ann", ("developers", "system:authenticated"), "ann-uid", (("example.com/Team é", ("a", "b")),))
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclass
class Behind:
    """A server that keeps what it was sent and answers as the test says."""

    answer: Callable[[trio.SocketStream], Awaitable[None]]
    heads: list[list[bytes]] = field(default_factory=list)

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while piece := await stream.receive_some():
                received += piece
                while b"\r\n\r\n" in received:
                    head, _, received = received.partition(b"\r\n\r\n")
                    self.heads.append(head.split(b"\r\n"))
                    await self.answer(stream)


def saying(*pieces: bytes) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """Return what answers with these bytes."""

    async def answer(stream: trio.SocketStream) -> None:
        for piece in pieces:
            await stream.send_all(piece)

    return answer


@asynccontextmanager
async def behind(answer: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[tuple[Behind, Remote]]:
    async with trio.open_nursery() as nursery:
        server = Behind(answer)
        listeners = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        remote = Remote(Connection(server=f"http://127.0.0.1:{port}/front/clusters/root", token="ours"))
        yield server, remote
        await remote.close()
        nursery.cancel_scope.cancel()


async def test_the_user_is_acted_as_with_the_kubeconfigs_own_credentials() -> None:
    async with behind(saying(PLAIN)) as (server, remote):
        target = "/clusters/one/api/v1/x%3Ay?labelSelector=a%3Db&x=%2F"
        answer = await remote.call("GET", target, headers=[(b"accept", b"text/plain")], user=ANN)
    assert (answer.status, answer.body) == (200, b"{}")
    (line, *lines) = server.heads[0]
    # The path as it was decided about, below what the kubeconfig says.
    assert line == b"GET /front" + target.encode() + b" HTTP/1.1"
    headers = [tuple(line.split(b": ", 1)) for line in lines]
    assert sorted((name.lower(), value) for name, value in headers if name.lower() != b"host") == [
        (b"accept", b"text/plain"),
        (b"authorization", b"Bearer ours"),
        (b"impersonate-extra-example.com%2f%54eam%20%c3%a9".lower(), b"a"),
        (b"impersonate-extra-example.com%2f%54eam%20%c3%a9".lower(), b"b"),
        (b"impersonate-group", b"developers"),
        (b"impersonate-group", b"system:authenticated"),
        (b"impersonate-uid", b"ann-uid"),
        (b"impersonate-user", b"ann"),
    ]


@pytest.mark.parametrize(
    "text", ["", " ann", "ann ", "ann\t", "a\r\nImpersonate-Group: system:masters", "a\0", "a\x7f"]
)
def test_a_name_that_a_header_would_change_is_refused(text: str) -> None:
    with pytest.raises(StatusError) as refused:
        identity(User(text, ("g",)))
    assert refused.value.code == 403
    if text:
        for user in (User("ann", (text,)), User("ann", uid=text), User("ann", extra=(("k", (text,)),))):
            with pytest.raises(StatusError):
                identity(user)


async def test_bytes_pass_as_they_are() -> None:
    packed = gzip.compress(b"hello" * 1000)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with behind(saying(head, packed)) as (_, remote):
        answer = await remote.call("GET", "/x", user=ANN)
    assert answer.body == packed
    assert (answer.header(b"content-encoding"), answer.header(b"content-length")) == (b"gzip", b"%d" % len(packed))


async def test_a_reader_that_waits_makes_the_server_wait() -> None:
    sent = 0
    full = trio.Event()

    async def answer(stream: trio.SocketStream) -> None:
        nonlocal sent
        await stream.send_all(STREAM)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        for _ in range(1_000):
            with trio.move_on_after(0.5) as patience:
                await stream.send_all(chunk(b"x" * 100_000))
            if patience.cancelled_caught:
                full.set()
                return
            sent += 100_000

    async with behind(answer) as (_, remote), remote.stream("GET", "/x?watch=true", user=ANN) as body:
        assert await anext(aiter(body))
        with trio.fail_after(30):
            await full.wait()
    assert sent < 50_000_000


async def test_leaving_a_body_or_a_request_closes_its_connection() -> None:
    closed = [trio.Event(), trio.Event()]

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(STREAM + chunk(b"first"))
        assert await stream.receive_some() == b""
        closed[len(server.heads) - 1].set()

    async with behind(answer) as (server, remote):
        async with remote.stream("GET", "/x?watch=1", user=ANN) as body:
            assert await anext(aiter(body)) == b"first"
        with trio.fail_after(30):
            await closed[0].wait()
        with trio.move_on_after(30) as scope:
            async with remote.stream("GET", "/x", user=ANN) as body:
                async for _ in body:
                    scope.cancel()
        with trio.fail_after(30):
            await closed[1].wait()
    assert len(server.heads) == 2


async def test_an_answer_that_breaks_off_is_no_whole_one() -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(STREAM + chunk(b"first"))
        await stream.aclose()

    async with behind(answer) as (_, remote):
        with pytest.raises(BrokenPipeError):
            await remote.call("GET", "/x", user=ANN)


async def test_watches_end_when_they_are_told_and_lists_do_not() -> None:
    go_on = trio.Event()

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(STREAM + chunk(b"first"))
        await go_on.wait()
        await stream.send_all(chunk(b"second") + chunk(b""))

    async with behind(answer) as (_, remote):
        async with (
            remote.stream("GET", "/x?watch=true", user=ANN) as watch,
            remote.stream("GET", "/x?watch=false", user=ANN) as listed,
        ):
            assert [await anext(aiter(watch)), await anext(aiter(listed))] == [b"first", b"first"]
            async with trio.open_nursery() as nursery:

                async def rest() -> None:
                    assert [piece async for piece in watch] == []

                nursery.start_soon(rest)
                await trio.testing.wait_all_tasks_blocked()
                remote.end_watches()
            go_on.set()
            assert [piece async for piece in listed] == [b"second"]
        async with remote.stream("GET", "/x?watch=true", user=ANN) as late:
            assert [piece async for piece in late] == []


async def test_refused_credentials_of_the_kubeconfig_are_not_the_callers_401() -> None:
    refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}"
    async with behind(saying(refusal)) as (_, remote):
        with pytest.raises(StatusError) as refused:
            await remote.call("GET", "/x", user=ANN)
    assert (refused.value.code, refused.value.reason) == (503, "ServiceUnavailable")


async def test_a_server_that_is_not_there_is_503() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        remote = Remote(Connection(server=f"http://127.0.0.1:{probe.getsockname()[1]}"))
        with pytest.raises(StatusError) as refused:
            await remote.call("GET", "/x", user=ANN)
    assert refused.value.code == 503
    assert "127.0.0.1" not in str(refused.value)  # where it would be is not for callers


async def test_an_exec_plugin_is_asked_again_when_its_credentials_are_refused(tmp_path: Path) -> None:
    plugin, count = tmp_path / "plugin", tmp_path / "count"
    plugin.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib\n"
        f"count = pathlib.Path({str(count)!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "status = {'token': f'token-{number}'}\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        " 'status': status}))\n"
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}"

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(PLAIN if b"Bearer token-2" in b"".join(server.heads[-1]) else refusal)

    async with behind(answer) as (server, remote):
        words = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
        renewing = Remote(Connection(server=remote._connection.server, exec_plugin=words))
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                assert (await renewing.call("GET", "/x", user=ANN)).status == 200

            for _ in range(3):
                nursery.start_soon(ask)
        assert count.read_text() == "2"  # once for all
        await renewing.close()


async def test_only_what_has_a_path_is_asked() -> None:
    async with behind(saying(PLAIN)) as (server, remote):
        question = {"question": "entries", "user": "a&b", "groups": ["g h", "i"], "after": "x", "limit": 5}
        await remote.ask(json.dumps(question).encode())
        with pytest.raises(StatusError):
            await remote.ask(b'{"question": "finish", "record": {}}')
    assert len(server.heads) == 1
    assert server.heads[0][0] == (b"GET /front/internal/entries?user=a%26b&after=x&limit=5&group=g+h&group=i HTTP/1.1")
