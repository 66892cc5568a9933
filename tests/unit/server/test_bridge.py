"""The ASGI bridge: requests come in as in-process calls, and over a socket where the protocol matters."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
from quart import Response, request
from quart_trio import QuartTrio

from kcp.core import Answer, Options, Request, Server, User
from kcp.server import files
from kcp.server.bridge import answer
from kcp.server.lazy import LazyApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from kcp.server.bridge import ASGI, Receive, Scope, Send

PAGE = [(b"accept", b"text/html")]
ADMIN = User("admin", ("system:masters",))
HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


@asynccontextmanager
async def serving(app: ASGI, options: Options | None = None) -> AsyncIterator[Server]:
    server = Server(options or Options(bridge=True))

    async def handle(server: Server, request: Request) -> None:
        await answer(app, server, request)

    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run, handle)
            yield server
            nursery.cancel_scope.cancel()
    finally:
        server.close()


async def page(server: Server, content: bytes = b"") -> Answer:
    return await server.call("GET", "/", headers=PAGE, body=content, user=ADMIN)


async def test_the_application_sees_who_asks_for_what() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send(HEAD)
        await send(body(b"hello"))

    async with serving(app) as server:
        got = await server.call("GET", "/clusters/one/?a=b", headers=PAGE, user=ADMIN)
    assert (got.status, got.body) == (200, b"hello")
    assert got.header(b"content-type") == b"text/plain"
    (scope,) = seen
    assert (scope["method"], scope["path"], scope["query_string"]) == ("GET", "/", b"a=b")
    assert scope["extensions"]["kcp"]["cluster"] == "one"
    assert scope["extensions"]["kcp"]["user"] == "admin"


async def test_an_end_that_is_sent_while_cancelled_is_an_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(HEAD)
        await send(body(b"whole", more=True))
        with trio.CancelScope() as scope_of_the_end:
            scope_of_the_end.cancel()
            await send(body(b""))

    async with serving(app) as server:
        assert (await page(server)).body == b"whole"


async def test_a_long_answer_arrives_whole_through_a_narrow_way() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(HEAD)
        for number in range(200):
            await send(body(bytes([number]) * 50_000, more=True))
        await send(body(b"end"))

    async with serving(app) as server:
        got = await page(server)
    assert len(got.body) == 200 * 50_000 + 3
    assert got.body.endswith(b"end")


async def test_a_long_request_body_is_read_piece_by_piece() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        length = 0
        more = True
        while more:
            message = await receive()
            length += len(message["body"])
            more = message["more_body"]
        await send(HEAD)
        await send(body(str(length).encode()))

    async with serving(app) as server:
        assert (await page(server, b"x" * 100)).body == b"100"
        assert (await page(server, b"x" * 1_000_000)).body == b"1000000"


async def test_an_application_is_cancelled_when_its_client_goes() -> None:
    begun, cancelled = trio.Event(), trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with serving(app) as server:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(page, server)
                await begun.wait()
                nursery.cancel_scope.cancel()
            await cancelled.wait()
        while server.statistics()["requests_bridged"]:
            await trio.lowlevel.checkpoint()


async def test_a_stream_nobody_reads_ends_before_it_has_sent_much() -> None:
    sent = 0
    ended = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        try:
            await send(HEAD)
            while True:
                await send(body(b"x" * 65_536, more=True))
                sent += 65_536
        finally:
            ended.set()

    async with serving(app) as server:
        with trio.fail_after(10):
            async with server.stream("GET", "/", headers=PAGE, user=ADMIN) as streamed:
                await streamed.read()
            await ended.wait()
    assert sent < 20 * 65_536


async def test_a_parked_receive_hears_that_the_client_has_gone_while_the_application_sends() -> None:
    heard = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

        async def listen() -> None:
            with trio.CancelScope(shield=True):
                message = await receive()
            if message["type"] == "http.disconnect":
                heard.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await send(HEAD)
            while True:
                await send(body(b"x" * 1000, more=True))

    async with serving(app) as server:
        with trio.fail_after(10):
            async with server.stream("GET", "/", headers=PAGE, user=ADMIN) as streamed:
                for _ in range(100):
                    await streamed.read()
            await heard.wait()


async def test_an_application_that_fails_before_its_head_is_a_500() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("as the test wanted")

    async with serving(app) as server:
        got = await page(server)
    assert got.status == 500
    assert b"as the test wanted" not in got.body


async def test_an_application_that_fails_later_breaks_the_body_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(HEAD)
        await send(body(b"half", more=True))
        raise ValueError("as the test wanted")

    async with serving(app) as server:
        with pytest.raises(BrokenPipeError):
            await page(server)


async def test_two_hundred_clients_are_answered_at_once_and_a_flood_is_told_to_come_back() -> None:
    arrived = 0
    go = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal arrived
        arrived += 1
        await go.wait()
        await send(HEAD)
        await send(body(b"ok"))

    statuses: list[int] = []

    async def ask(server: Server) -> None:
        got = await page(server)
        statuses.append(got.status)
        if got.status == 429:
            assert got.header(b"retry-after") == b"1"

    async with serving(app) as server:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for _ in range(200):
                    nursery.start_soon(ask, server)
                while arrived < 200:
                    await trio.lowlevel.checkpoint()
                for _ in range(100):
                    nursery.start_soon(ask, server)
                while len(statuses) < 44:
                    await trio.lowlevel.checkpoint()
                go.set()
    assert sorted(statuses) == [200] * 256 + [429] * 44


def echo_app() -> QuartTrio:
    app = QuartTrio(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 100_000

    @app.get("/")
    async def index() -> Response:
        return Response(str(len(await request.get_data())))

    return app


@pytest.mark.parametrize("http2", [False, True])
async def test_a_body_beyond_the_applications_limit_is_a_413_over_both_protocols(tmp_path: Path, http2: bool) -> None:
    certificates = files.own_serving(tmp_path, "127.0.0.1")
    options = Options(bridge=True, listen=("127.0.0.1", 0), certificate=certificates.certificate, key=certificates.key)
    app: Any = echo_app()
    trust = ssl.create_default_context(cadata=certificates.ca.decode())
    async with serving(app, options) as server:
        server.listen()
        assert server.address is not None
        url = f"https://127.0.0.1:{server.address[1]}/"
        async with httpx.AsyncClient(http2=http2, verify=trust, timeout=20) as client:
            ask = partial(client.request, "GET", url, headers={"accept": "text/html"})
            assert (await ask(content=b"x" * 99_000)).text == "99000"
            assert (await ask(content=b"x" * 500_000)).status_code == 413
            assert (await ask(content=b"x" * 10)).text == "10"


async def test_the_index_page_is_for_browsers_and_the_list_of_paths_for_programs() -> None:
    server = Server(Options(bridge=True))
    async with trio.open_nursery() as nursery:
        lazy = LazyApp(lambda: "https://example.test:1<2>", nursery)
        await nursery.start(server.run, lazy.answer)
        got = await server.call("GET", "/", headers=PAGE, user=ADMIN)
        assert (got.status, got.header(b"content-type")) == (200, b"text/html; charset=utf-8")
        assert b"https://example.test:1&lt;2&gt;/clusters/root" in got.body
        assert all(link in got.body for link in (b"/healthz", b"/metrics", b"/openapi/v3"))
        assert b"default-src 'none'" in (got.header(b"content-security-policy") or b"")
        paths = await server.call("GET", "/", headers=[(b"accept", b"application/json")], user=ADMIN)
        assert b'"paths"' in paths.body
        await lazy.close()
        nursery.cancel_scope.cancel()
    server.close()
