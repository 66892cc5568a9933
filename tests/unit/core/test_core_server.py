from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from kcp.core import Key, Options, Server, StoreError, User

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADMIN = User("admin", ("system:masters",))
CONFIGMAPS = "/clusters/one/api/v1/namespaces/default/configmaps"
JSON = [(b"content-type", b"application/json")]


def configmap(name: str) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(Options())
    yield server
    server.close()


async def test_a_call_goes_through_the_whole_chain(server: Server, nursery: trio.Nursery) -> None:
    await nursery.start(server.run)
    created = await server.call("POST", CONFIGMAPS, headers=JSON, body=configmap("a"), user=ADMIN)
    assert created.status == 201
    got = await server.call("GET", f"{CONFIGMAPS}/a", user=ADMIN)
    assert json.loads(got.body)["metadata"]["name"] == "a"
    assert got.header(b"content-type") == b"application/json"


async def test_a_call_without_a_user_is_a_strangers(server: Server, nursery: trio.Nursery) -> None:
    await nursery.start(server.run)
    assert (await server.call("GET", f"{CONFIGMAPS}/a")).status == 403
    wrong = await server.call("GET", f"{CONFIGMAPS}/a", headers=[(b"authorization", b"Bearer wrong")])
    assert wrong.status == 401


def test_a_blocking_call_needs_no_loop(server: Server) -> None:
    created = server.call_blocking("POST", CONFIGMAPS, headers=JSON, body=configmap("b"), user=ADMIN)
    assert created.status == 201


def test_a_malformed_call_is_a_value_error(server: Server) -> None:
    with pytest.raises(ValueError, match="invalid"):
        server.call_blocking("GET", "not a path", user=ADMIN)
    with pytest.raises(ValueError, match="header"):
        server.call_blocking("GET", "/version", headers=[(b"bad name", b"x")], user=ADMIN)


async def test_a_watch_is_read_as_it_happens_and_ends_with_the_drain(server: Server, nursery: trio.Nursery) -> None:
    await nursery.start(server.run)
    async with server.stream("GET", f"{CONFIGMAPS}?watch=true", user=ADMIN) as watch:
        assert watch.status == 200
        await server.call("POST", CONFIGMAPS, headers=JSON, body=configmap("seen"), user=ADMIN)
        event = b""
        while b'"seen"' not in event:
            event += await watch.read()
        assert json.loads(event.splitlines()[-1])["type"] == "ADDED"
        await server.drain(5)
        with trio.fail_after(5):
            while await watch.read():
                pass


async def test_a_cancelled_call_is_forgotten(server: Server, nursery: trio.Nursery) -> None:
    await nursery.start(server.run)
    with trio.move_on_after(0.05):
        async with server.stream("GET", f"{CONFIGMAPS}?watch=true", user=ADMIN) as watch:
            while True:
                await watch.read()
    assert server.statistics()["calls"] == 0


async def test_many_calls_at_once_are_all_answered(server: Server, nursery: trio.Nursery) -> None:
    await nursery.start(server.run)
    statuses = []

    async def create(number: int) -> None:
        answer = await server.call("POST", CONFIGMAPS, headers=JSON, body=configmap(f"many-{number}"), user=ADMIN)
        statuses.append(answer.status)

    async with trio.open_nursery() as calls:
        for number in range(500):
            calls.start_soon(create, number)
    assert statuses == [201] * 500


async def test_unfinished_work_is_told_and_stays_until_it_is_done(server: Server, nursery: trio.Nursery) -> None:
    await nursery.start(server.run)
    assert await server.take_work("namespace-deletion") == []
    body = json.dumps({"metadata": {"name": "doomed"}}).encode()
    await server.call("POST", "/clusters/one/api/v1/namespaces", headers=JSON, body=body, user=ADMIN)
    await server.call("DELETE", "/clusters/one/api/v1/namespaces/doomed", user=ADMIN)
    with trio.fail_after(5):
        await server.wait_work("namespace-deletion")
    expected = [Key("namespaces", "one", "", "doomed")]
    assert await server.take_work("namespace-deletion") == expected
    assert await server.take_work("namespace-deletion") == expected


async def test_two_servers_in_one_process_share_nothing(server: Server, nursery: trio.Nursery) -> None:
    other = Server(Options())
    try:
        await nursery.start(server.run)
        await nursery.start(other.run)
        await server.call("POST", CONFIGMAPS, headers=JSON, body=configmap("mine"), user=ADMIN)
        assert (await other.call("GET", f"{CONFIGMAPS}/mine", user=ADMIN)).status == 404
    finally:
        other.close()


def test_a_closed_server_refuses_and_gives_its_descriptors_back() -> None:
    Server(Options()).close()  # what is opened once a process is opened now
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(5):
        server = Server(Options())
        server.close()
        server.close()
        with pytest.raises(RuntimeError, match="the server is closed"):
            server.call_blocking("GET", "/version")
        del server
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before


def test_a_store_outlives_its_server(tmp_path: Path) -> None:
    first = Server(Options(store=tmp_path / "store"))
    first.call_blocking("POST", CONFIGMAPS, headers=JSON, body=configmap("kept"), user=ADMIN)
    first.close()
    second = Server(Options(store=tmp_path / "store"))
    assert second.call_blocking("GET", f"{CONFIGMAPS}/kept", user=ADMIN).status == 200
    second.close()


def test_a_store_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    first = Server(Options(store=tmp_path / "store"))
    with pytest.raises(StoreError, match="in use") as raised:
        Server(Options(store=tmp_path / "store"))
    assert "\n" not in str(raised.value)
    first.close()


FORKING = """
import os, sys
from kcp.core import Options, Server
server = Server(Options())
child = os.fork()
if child == 0:
    sys.exit(7)  # runs what the interpreter runs at its end, where joining absent threads would hang
_, status = os.waitpid(child, 0)
assert server.call_blocking("GET", "/healthz").status == 200
server.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_ends_by_itself_and_the_parent_goes_on() -> None:
    done = subprocess.run([sys.executable, "-c", FORKING], timeout=60, check=False)
    assert done.returncode == 7


@pytest.mark.parametrize(("certificate", "message"), [(b"", "holds no PEM certificate"), (b"x", "certificate")])
def test_an_unusable_certificate_is_a_value_error(certificate: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Server(Options(listen=("127.0.0.1", 0), certificate=certificate, key=b""))
