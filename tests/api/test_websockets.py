"""Watches over WebSocket (kube-api 3.5.14), with a client library that was not made for us."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import websocket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import KcpServer

BEARER = "base64url.bearer.authorization.k8s.io."
SECONDS = 30


@contextmanager
def connect(
    server: KcpServer, url: str, *, token: str = "", accept: str = "*/*", subprotocols: list[str] | None = None
) -> Iterator[websocket.WebSocket]:
    """Open a WebSocket, with a bearer token in a header if one is given."""
    header = [f"Accept: {accept}", *([f"Authorization: Bearer {token}"] if token else [])]
    target = urlsplit(url)
    assert target.hostname
    context = ssl.create_default_context(cadata=server.ca.decode())
    # A socket of our own, encrypted already, which is closed however the library leaves it.
    with (
        socket.create_connection((target.hostname, target.port or 443), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=target.hostname) as encrypted,
    ):
        address = url.replace("https://", "ws://", 1)
        yield websocket.create_connection(address, SECONDS, socket=encrypted, header=header, subprotocols=subprotocols)


def subprotocol(token: str) -> str:
    """Return the subprotocol that is a bearer token."""
    return BEARER + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def maps(server: KcpServer) -> str:
    """Return the config maps of a new logical cluster."""
    return f"{server.new_cluster()}/api/v1/namespaces/default/configmaps"


def create(server: KcpServer, url: str, name: str) -> None:
    """Create a config map."""
    server.send("POST", url, json.dumps({"metadata": {"name": name}}).encode())


def test_each_event_is_one_text_message(kcp_server: KcpServer) -> None:
    """kube-api 3.5.14: events that are there and events that come are messages of their own."""
    url = maps(kcp_server)
    for name in ("a", "b"):
        create(kcp_server, url, name)
    watch = f"{url}?watch=1&timeoutSeconds={SECONDS}"
    with connect(kcp_server, watch, token=kcp_server.tokens["admin"]) as messages:
        seen = []
        for _ in range(3):
            kind, data = messages.recv_data()
            assert kind == websocket.ABNF.OPCODE_TEXT
            seen.append(json.loads(data)["object"]["metadata"]["name"])
        assert seen == ["a", "b", "kube-root-ca.crt"]
        create(kcp_server, url, "c")
        event = json.loads(messages.recv())
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "c")
        # A client may say what it likes; nobody listens, and the events go on.
        messages.send("hello")
        messages.ping()
        kcp_server.send("DELETE", f"{url}/c")
        assert json.loads(messages.recv())["type"] == "DELETED"


def test_a_watch_that_ends_takes_leave(kcp_server: KcpServer) -> None:
    """kube-api 3.5.14: the end of the watch is the end of the socket, with a close frame."""
    watch = f"{maps(kcp_server)}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dnone"
    with connect(kcp_server, watch, token=kcp_server.tokens["admin"]) as messages:
        kind, data = messages.recv_data()
        assert (kind, int.from_bytes(data[:2])) == (websocket.ABNF.OPCODE_CLOSE, websocket.STATUS_NORMAL)


def test_protobuf_events_are_binary_messages(kcp_server: KcpServer) -> None:
    """kube-api 3.5.14: binary for protobuf, and no length before a message that knows its own."""
    url = maps(kcp_server)
    create(kcp_server, url, "a")
    accept = "application/vnd.kubernetes.protobuf;stream=watch"
    watch = f"{url}?watch=1&timeoutSeconds={SECONDS}"
    with connect(kcp_server, watch, token=kcp_server.tokens["admin"], accept=accept) as messages:
        kind, data = messages.recv_data()
        assert kind == websocket.ABNF.OPCODE_BINARY
        assert data.startswith(b"\x0a\x05ADDED")
        assert b"k8s\0" in data


def test_a_token_may_be_a_subprotocol(kcp_server: KcpServer) -> None:
    """kube-api 3.5.14: for browsers; the subprotocol that is answered is the other one."""
    url = maps(kcp_server)
    create(kcp_server, url, "a")
    watch = f"{url}?watch=1&timeoutSeconds={SECONDS}"
    protocols = [subprotocol(kcp_server.tokens["admin"]), "base64.binary.k8s.io"]
    with connect(kcp_server, watch, subprotocols=protocols) as messages:
        assert messages.getsubprotocol() == "base64.binary.k8s.io"
        assert json.loads(messages.recv())["object"]["metadata"]["name"] == "a"


@pytest.mark.parametrize(
    ("protocols", "status"),
    [
        pytest.param(["base64.binary.k8s.io"], 403, id="no token is nobody"),
        pytest.param([subprotocol("wrong"), "base64.binary.k8s.io"], 401, id="unknown token"),
        pytest.param(["%s", "%s", "base64.binary.k8s.io"], 401, id="two tokens"),
        pytest.param(["%s"], 401, id="no other subprotocol"),
        pytest.param([BEARER + "!", "base64.binary.k8s.io"], 401, id="no base64"),
    ],
)
def test_strangers_get_no_socket(kcp_server: KcpServer, protocols: list[str], status: int) -> None:
    """kube-api 3.5.14: credentials are asked for before anything is upgraded."""
    url = f"{maps(kcp_server)}?watch=1&timeoutSeconds=1"
    given = [p.replace("%s", subprotocol(kcp_server.tokens["admin"])) for p in protocols]
    with (
        pytest.raises(websocket.WebSocketBadStatusException) as refused,
        connect(kcp_server, url, subprotocols=given),
    ):
        pass
    assert refused.value.status_code == status


def test_refusals_come_before_the_upgrade(kcp_server: KcpServer) -> None:
    """A watch that cannot begin is answered as any other, with a Status."""
    url = maps(kcp_server).replace("configmaps", "nothings")
    with (
        pytest.raises(websocket.WebSocketBadStatusException) as refused,
        connect(kcp_server, f"{url}?watch=1", token=kcp_server.tokens["admin"]),
    ):
        pass
    assert refused.value.status_code == 404
