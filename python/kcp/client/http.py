"""The transport over a socket: HTTP to whatever a kubeconfig names.

`HttpClient` blocks and is what commands use; `HttpCaller` is awaited under trio and is what `Client` speaks through.
"""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import httpx

from kcp.client.connection import trust
from kcp.client.credentials import authorization, with_plugin
from kcp.client.status import StatusError, UnreachableError
from kcp.kubeconfig import KubeconfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from types import TracebackType
    from typing import Self

    from kcp.client.connection import Connection
    from kcp.core import Answer, Headers, User

# Seconds: to a server that does not answer at all, and between two pieces of an answer.
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
# Connections of a client, so that a command that asks much at once does not open hundreds.
CONNECTIONS = 16
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


def _settings(connection: Connection) -> dict[str, Any]:
    try:
        url = httpx.URL(connection.server)
        if url.scheme not in {"http", "https"} or not url.host:
            raise httpx.InvalidURL("")
        proxy = httpx.Proxy(connection.proxy_url) if connection.proxy_url else None
    except (httpx.InvalidURL, ValueError):
        raise KubeconfigError(f'"{connection.proxy_url or connection.server}" is not a URL that can be used') from None
    return {
        "verify": trust(connection) if url.scheme == "https" else True,
        "proxy": proxy,
        "timeout": httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        "limits": httpx.Limits(max_connections=CONNECTIONS),
        "headers": {"accept-encoding": "identity"} if connection.disable_compression else None,
        "follow_redirects": False,
    }


def _headers(connection: Connection, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    credential = authorization(connection)
    mine = [("authorization", credential)] if credential else []
    return [*mine, *connection.impersonation, *headers]


def _extensions(connection: Connection) -> dict[str, Any]:
    return {"sni_hostname": connection.tls_server_name} if connection.tls_server_name else {}


def unreachable(connection: Connection, error: Exception) -> UnreachableError:
    """Say in one line why no answer came from the server of `connection`."""
    url = httpx.URL(connection.server)
    host = f"{url.scheme}://{url.netloc.decode()}"
    reason = str(error) or "no answer in time"
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"its certificate does not hold: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return UnreachableError(f"Unable to connect to the server {host}: {' '.join(reason.split())[:300]}")


class HttpClient:
    """Verbs over HTTP, blocking; safe to use from several threads. A context manager that closes its connections.

    Targets are absolute URLs or paths below the connection's server. Every verb raises `StatusError` for answers of
    400 and above, and `UnreachableError` when no answer comes.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        agent: str = "kubectl-kcp",
        seconds: float | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        """Reach the server of `connection`.

        Args:
            connection: server and credentials.
            agent: what the requests say of the program.
            seconds: bounds each step of a request, instead of the defaults.
            told: gets a line about every answer: method, URL, code.

        Raises:
            KubeconfigError: the connection cannot be used, or its exec plugin fails.
        """
        self._connection = with_plugin(connection)
        settings = _settings(self._connection)
        if seconds is not None:
            settings["timeout"] = httpx.Timeout(seconds)
        self._agent = agent
        self._told = told
        self._client = httpx.Client(**settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, target: str, *, query: Mapping[str, str] | None = None, accept: str = JSON) -> dict[str, Any]:
        """Return an object, a list or a document; `accept` names the forms of it that are wanted, as in HTTP."""
        return self._request("GET", target, query, None, accept)

    def post(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object."""
        return self._request("POST", target, None, body)

    def put(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace an object."""
        return self._request("PUT", target, None, body)

    def patch(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        """Merge a patch into an object."""
        return self._request("PATCH", target, None, body, sends=MERGE_PATCH)

    def delete(self, target: str) -> dict[str, Any]:
        """Delete an object or a collection."""
        return self._request("DELETE", target, None, None)

    def list_all(self, target: str, *, page: int = 500) -> list[dict[str, Any]]:
        """Return all objects of a collection, read page by page; begins anew once when a page has expired."""
        for last_try in (False, True):
            try:
                return self._pages(target, page)
            except StatusError as error:
                if error.code != 410 or last_try:
                    raise
        raise AssertionError("unreachable")

    def watch(self, target: str, query: Mapping[str, str]) -> Generator[dict[str, Any]]:
        """Yield the events of a collection as they come, until the server ends the watch.

        Args:
            target: the collection.
            query: selectors, `resourceVersion` and `timeoutSeconds`, as in a watch's URL.
        """
        connection, url = self._connection, self._url(target)
        headers = _headers(connection, [("accept", JSON), ("user-agent", self._agent)])
        try:
            with self._client.stream(
                "GET", url, params={**query, "watch": "true"}, headers=headers, extensions=_extensions(connection)
            ) as answer:
                if answer.status_code >= 400:
                    raise StatusError.of(answer.status_code, answer.read())
                for line in answer.iter_lines():
                    event: dict[str, Any] = json.loads(line)
                    if event.get("type") == "ERROR":
                        raise StatusError(event["object"])
                    yield event
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, ValueError) as error:
            raise unreachable(connection, error) from error

    def _url(self, target: str) -> str:
        server = self._connection.server
        url = target if "://" in target else server.rstrip("/") + target
        if httpx.URL(url).netloc != httpx.URL(server).netloc:
            raise UnreachableError(f"{url} is not on {server}; credentials are sent nowhere else")
        return url

    def _pages(self, target: str, page: int) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        query = {"limit": str(page)}
        while True:
            answer = self.get(target, query=query)
            items += answer.get("items") or []
            if not (more := (answer.get("metadata") or {}).get("continue")):
                return items
            query = {"limit": str(page), "continue": more}

    def _request(
        self,
        method: str,
        target: str,
        query: Mapping[str, str] | None,
        body: dict[str, Any] | None,
        accept: str = JSON,
        sends: str = JSON,
    ) -> dict[str, Any]:
        connection = self._connection
        url = self._url(target)
        headers = [("accept", accept), ("user-agent", self._agent)]
        if body is not None:
            headers.append(("content-type", sends))
        try:
            answer = self._client.request(
                method,
                url,
                params=query,
                headers=_headers(connection, headers),
                content=None if body is None else json.dumps(body).encode(),
                extensions=_extensions(connection),
            )
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, ValueError) as error:
            raise unreachable(connection, error) from error
        if self._told is not None:
            self._told(f"{method} {answer.url} {answer.status_code}")
        if answer.status_code >= 400:
            raise StatusError.of(answer.status_code, answer.content)
        return _decoded(connection, answer)


def _decoded(connection: Connection, answer: httpx.Response) -> dict[str, Any]:
    try:
        decoded = answer.json()
    except (ValueError, RecursionError):
        decoded = None
    if answer.status_code >= 300 or not isinstance(decoded, dict):
        raise UnreachableError(f"{connection.server} answered {answer.status_code} with something that is no object")
    return decoded


class HttpCaller:
    """Requests over HTTP under trio; what `Client` speaks through instead of the core.

    `server` of the connection is the server itself: logical clusters come with the targets.
    """

    def __init__(self, connection: Connection) -> None:
        """Reach the server of `connection`.

        Raises:
            KubeconfigError: the connection cannot be used, or its exec plugin fails.
        """
        self._connection = with_plugin(connection)
        self._client = httpx.AsyncClient(**_settings(self._connection))

    async def call(
        self, method: str, target: str, *, headers: Headers | None, body: bytes, user: User | None
    ) -> Answer:
        """Make a request and return its whole answer.

        Args:
            method: of HTTP.
            target: path and query.
            headers: of the request; the connection's credentials are added.
            body: of the request, empty for none.
            user: is impersonated; None: the connection's own.

        Raises:
            UnreachableError: no answer came.

        Cancellation closes the request's stream; a write that arrived may still happen.
        """
        from kcp.core import Answer

        mine = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers or ()]
        if user is not None:
            mine += [("Impersonate-User", user.name), *(("Impersonate-Group", group) for group in user.groups)]
        connection = self._connection
        try:
            answer = await self._client.request(
                method,
                connection.server.rstrip("/") + target,
                headers=_headers(connection, mine),
                content=body or None,
                extensions=_extensions(connection),
            )
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            raise unreachable(connection, error) from error
        raw = [(name.lower(), value) for name, value in answer.headers.raw]
        return Answer(answer.status_code, raw, answer.content)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
