"""Connections of requests that are awaited: what a kubeconfig says about reaching a server, as httpx wants it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import httpx

from kcp.client.connection import trust
from kcp.kubeconfig import KubeconfigError

if TYPE_CHECKING:
    from kcp.client.connection import Connection

# Connections kept open without a request. How many are open with one is bounded by the requests under way.
IDLE = 32
# Less than the time after which a kcp closes what is idle.
IDLE_SECONDS = 30.0
# A server whose machine vanished says nothing for ever; the operating system finds out.
KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
for _name, _seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15)):
    if hasattr(socket, _name):  # not everywhere
        KEEPALIVE.append((socket.IPPROTO_TCP, getattr(socket, _name), _seconds))


def open_transport(connection: Connection, base: str) -> httpx.AsyncHTTPTransport:
    """Return what sends requests to the server at `base` as `connection` says, through the environment's proxy too.

    Raises:
        KubeconfigError: the connection cannot be used.
    """
    try:
        url = httpx.URL(base)
        if url.scheme not in {"http", "https"} or not url.host:
            raise httpx.InvalidURL("")
        named = connection.proxy_url or ("" if proxy_bypass(url.host) else getproxies().get(url.scheme, ""))
        proxy = httpx.Proxy(named) if named else None
    except (httpx.InvalidURL, ValueError):
        raise KubeconfigError(f'"{connection.proxy_url or connection.server}" is not a URL that can be used') from None
    return httpx.AsyncHTTPTransport(
        verify=trust(connection) if url.scheme == "https" else True,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=IDLE, keepalive_expiry=IDLE_SECONDS),
        proxy=proxy,
        socket_options=KEEPALIVE,
    )
