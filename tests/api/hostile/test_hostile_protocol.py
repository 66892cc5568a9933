"""Below the level of requests: broken TLS, slow peers, HTTP/2 storms, readers that do not read."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import ssl
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from tests.api.hostile.raw import CONFIGMAPS, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.hostile.raw import Victim

pytestmark = pytest.mark.usefixtures("unharmed")

CLUSTER = "/clusters/protocol"
COLLECTION = CLUSTER + CONFIGMAPS
MEGABYTE = 1024 * 1024


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Poll what only the operating system tells, for at most so long."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def ends(connection: socket.socket, seconds: float) -> bool:
    """Read until the other side closes; whether it did in time."""
    deadline = time.monotonic() + seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(65_536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


class Http2:
    """One HTTP/2 connection whose every frame the test decides on."""

    def __init__(self, victim: Victim, user: str | None = "admin") -> None:
        self.socket = victim.connect_tls("h2")
        assert self.socket.selected_alpn_protocol() == "h2"
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.h2.initiate_connection()
        self.token = None if user is None else victim.server.tokens[user]
        self.codes: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.reset: set[int] = set()
        self.closed = False
        self.flush()

    def __enter__(self) -> Http2:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def headers(self, method: str, path: str) -> list[tuple[str, str]]:
        pseudo = [(":method", method), (":scheme", "https"), (":authority", "127.0.0.1"), (":path", path)]
        return pseudo if self.token is None else [*pseudo, ("authorization", f"Bearer {self.token}")]

    def open(self, path: str, method: str = "GET", *, end: bool = True) -> int:
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, self.headers(method, path), end_stream=end)
        return stream

    def flush(self) -> None:
        """Send what was decided; a server that has closed is no error here."""
        try:
            self.socket.sendall(self.h2.data_to_send())
        except OSError:
            self.closed = True

    def read_until(self, done: Callable[[], bool], seconds: float = 20) -> bool:
        """Take in frames until `done` or the connection's end; whether it was done."""
        deadline = time.monotonic() + seconds
        while not done() and not self.closed and (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65_536)
                events = self.h2.receive_data(data) if data else []
            except (OSError, ProtocolError):
                data, events = b"", []
            for event in events:
                if isinstance(event, ResponseReceived) and event.stream_id is not None:
                    self.codes[event.stream_id] = dict(event.headers or [])[b":status"]
                elif isinstance(event, StreamEnded) and event.stream_id is not None:
                    self.ended.add(event.stream_id)
                elif isinstance(event, StreamReset) and event.stream_id is not None:
                    self.reset.add(event.stream_id)
                elif isinstance(event, ConnectionTerminated):
                    self.closed = True
            if not data:
                self.closed = True
            elif not self.closed:
                self.flush()
        return done()

    def answers(self, path: str = "/readyz") -> bool:
        """Whether the connection still serves a request."""
        if self.closed:
            return False
        stream = self.open(path)
        self.flush()
        return self.read_until(lambda: stream in self.ended) and self.codes[stream] == b"200"


# --- TLS ---

GARBAGE = {
    "plain HTTP": b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
    "plain HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "zeros": b"\0" * 4096,
    "ones": b"\xff" * 4096,
    "noise": bytes((i * 7919) % 251 for i in range(65_536)),
    "an empty handshake record": b"\x16\x03\x01\x00\x00" * 100,
    "a record beyond all sizes": b"\x16\x03\x01\xff\xff" + b"\x01" * 65_535,
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "application data first": b"\x17\x03\x03\x00\x10" + b"x" * 16,
    "SSLv2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x01" * 40,
}


@pytest.mark.parametrize("case", GARBAGE)
def test_what_is_no_tls_is_cut(victim: Victim, case: str) -> None:
    with victim.connect() as connection:
        with contextlib.suppress(OSError):
            connection.sendall(GARBAGE[case])
        assert ends(connection, 14)


def client_hello(victim: Victim) -> bytes:
    """Return the first bytes a TLS client sends."""
    context = ssl.create_default_context(cadata=victim.server.ca.decode())
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.fixture(scope="module")
def lingering(victim: Victim) -> Iterator[dict[str, socket.socket]]:
    """Connections that stopped half-way when this module began, and hold on while its other tests run."""
    hello = client_hello(victim)
    silent, half = victim.connect(), victim.connect()
    half.sendall(hello[: len(hello) // 2])
    body = victim.connect_tls()
    head = f"Host: x\r\nAuthorization: Bearer {victim.server.tokens['admin']}\r\nContent-Type: application/json"
    body.sendall(f"POST {COLLECTION} HTTP/1.1\r\n{head}\r\nContent-Length: 100\r\n\r\n{{".encode())
    found: dict[str, socket.socket] = {"silent": silent, "half a handshake": half, "half a body": body}
    yield found
    for connection in found.values():
        connection.close()


@pytest.fixture(scope="module", autouse=True)
def _begin(lingering: dict[str, socket.socket]) -> None:
    """Let the slow ones begin before the first test."""


def test_many_half_handshakes_leave_room_for_others(victim: Victim) -> None:
    hello = client_hello(victim)
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(victim.connect()).sendall(hello[:50])
        assert victim.request("GET", "/readyz", user=None).code == 200


# --- HTTP/1.1 ---


def test_a_head_that_drips_is_served_to_nobody_else(victim: Victim) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(victim.connect_tls()) for _ in range(20)]
        for connection in slow:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert victim.request("GET", "/readyz", user=None).code == 200
        for connection in slow:
            connection.sendall(b"1\r\nConnection: close\r\n\r\n")
        assert {read_answer(connection).code for connection in slow} == {200}


def test_pipelined_requests_are_answered_in_order(victim: Victim) -> None:
    with victim.connect_tls() as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + b"GET /x\0 HTTP/1.1\r\n\r\n")
        received = b""
        while data := connection.recv(65_536):
            received += data
    assert received.count(b"HTTP/1.1 200 ") == 50
    assert received.count(b"HTTP/1.1 400 ") == 1


# --- HTTP/2 ---


def test_a_storm_of_resets_ends_its_connection_at_worst(victim: Victim) -> None:
    before = victim.memory()
    with Http2(victim) as storm, Http2(victim, None) as bystander:
        for _ in range(20):
            for _ in range(100):
                stream = storm.open(f"{COLLECTION}?limit=1")
                storm.h2.reset_stream(stream)
            storm.flush()
            if storm.closed:
                break
        assert bystander.answers()
        storm.read_until(lambda: False, 0.2)
        assert storm.closed or storm.answers()
    assert victim.memory() - before < 64 * MEGABYTE


def test_idle_streams_are_bounded_and_harm_nobody(victim: Victim) -> None:
    before = victim.memory()
    with Http2(victim) as idle, Http2(victim, None) as bystander:
        assert idle.read_until(lambda: idle.h2.remote_settings.max_concurrent_streams < 2**20)
        allowed = idle.h2.remote_settings.max_concurrent_streams
        assert 100 <= allowed <= 1000
        watches = [idle.open(f"{COLLECTION}?watch=1") for _ in range(allowed)]
        idle.flush()
        assert idle.read_until(lambda: len(idle.codes) == allowed, 40)
        assert {idle.codes[stream] for stream in watches} == {b"200"}
        assert bystander.answers()
    assert victim.memory() - before < 64 * MEGABYTE


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


FLOODS = {
    "settings": frame(4, 0, 0, b"\0\x03\0\0\0\x64") * 5000,
    "empty settings": frame(4, 0, 0, b"") * 20_000,
    "pings": frame(6, 0, 0, b"12345678") * 20_000,
    "window updates": frame(8, 0, 0, b"\0\0\0\x01") * 20_000,
    "priorities": frame(2, 0, 1, b"\0\0\0\0\x10") * 20_000,
    "resets of nothing": frame(3, 0, 1, b"\0\0\0\x08") * 2000,
    "a window beyond 2^31": frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "continuations of nothing": frame(9, 0, 1, b"x" * 100) * 2000,
    "endless continuations": frame(1, 1, 1, b"\x82") + frame(9, 0, 1, b"\x40\x01a\x01b" * 3000) * 500,
    "a frame beyond all sizes": b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 100_000,
    "a promise": frame(5, 4, 1, b"\0\0\0\x02\x82"),
    "unknown frames": frame(0xFA, 0xFF, 1, b"x" * 64) * 5000,
}


@pytest.mark.parametrize("case", FLOODS)
def test_a_flood_of_frames_harms_only_its_connection(victim: Victim, case: str) -> None:
    before = victim.memory()
    with Http2(victim) as flood, Http2(victim, None) as bystander:
        # The flood reads nothing back, so what the server would answer has to be bounded too.
        flood.socket.settimeout(3)
        with contextlib.suppress(OSError):
            flood.socket.sendall(FLOODS[case])
        assert bystander.answers()
        assert victim.memory() - before < 32 * MEGABYTE


# --- readers that do not read ---


def http(victim: Victim) -> httpx.Client:
    context = ssl.create_default_context(cadata=victim.server.ca.decode())
    headers = {"authorization": f"Bearer {victim.server.tokens['admin']}"}
    return httpx.Client(base_url=victim.server.url, verify=context, headers=headers, timeout=60)


def narrow(victim: Victim) -> ssl.SSLSocket:
    """Connect with a small window, so that the operating system holds little for the reader."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(30)
    plain.connect(("127.0.0.1", victim.port))
    context = ssl.create_default_context(cadata=victim.server.ca.decode())
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


CHANGES = 5000
WRITERS = 16


def test_a_watcher_that_never_reads_is_closed_and_holds_little(victim: Victim) -> None:
    cluster = f"/clusters/slow-{os.urandom(4).hex()}"
    filler = "x" * 2000

    def change(client: httpx.Client, first: int) -> None:
        for i in range(first, CHANGES, WRITERS):
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{i}"}, "data": {"k": filler}}
            answer = client.post(cluster + CONFIGMAPS, json=body)
            assert answer.status_code == 201

    seen = 0

    def follow(client: httpx.Client) -> None:
        nonlocal seen
        query = {"watch": "1", "timeoutSeconds": "100"}
        with client.stream("GET", cluster + CONFIGMAPS, params=query) as answer:
            for line in answer.iter_lines():
                seen += '"k":"x' in line
                if seen == CHANGES:
                    return

    with http(victim) as writer, http(victim) as reader, narrow(victim) as lazy:
        assert writer.post(cluster + CONFIGMAPS, json={"metadata": {"name": "first"}}).status_code in (201, 400)
        token = victim.server.tokens["admin"]
        request = f"GET {cluster}{CONFIGMAPS}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        lazy.sendall(request.encode())
        before = victim.memory()
        follower = threading.Thread(target=follow, args=(reader,))
        follower.start()
        with ThreadPoolExecutor(WRITERS) as pool:
            for done in [pool.submit(change, writer, first) for first in range(WRITERS)]:
                done.result()
        follower.join(60)
        assert seen == CHANGES
        assert victim.memory() - before < 64 * MEGABYTE
        # What was on its way arrives; then the stream ends, long before the last change.
        received = 0
        lazy.settimeout(20)
        with contextlib.suppress(ssl.SSLEOFError, ConnectionError):
            while data := lazy.recv(65_536):
                received += data.count(b'"k":"x')
                if data.endswith(b"0\r\n\r\n"):
                    break
        assert received < CHANGES


def test_connections_leave_neither_files_nor_memory_behind(victim: Victim) -> None:
    def visit(number: int) -> int:
        if number % 3 == 0:
            with victim.connect():
                return 200  # opened and closed without a word
        return victim.request("GET", "/readyz", user=None).code

    visit(1)
    gc.collect()
    files, memory = victim.open_files(), victim.memory()
    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(visit, range(300))) == {200}
    assert wait_until(lambda: victim.open_files() <= files, 20)
    assert victim.memory() - memory < 32 * MEGABYTE


# --- what was begun first, last ---


def test_who_stops_half_way_is_cut(lingering: dict[str, socket.socket]) -> None:
    assert ends(lingering["silent"], 15)
    assert ends(lingering["half a handshake"], 15)
    body = lingering["half a body"]
    body.settimeout(45)
    answer = body.recv(65_536)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 "))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["kind"] == "Status"
    assert ends(body, 15)
