"""The virtual workspace of the how-to page, as the page has it, over a real core."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from kcp.core import Options, Server, User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE = Path(__file__).resolve().parents[3] / "docs" / "virtual-workspaces.md"
MAPS = "/api/v1/namespaces/default/configmaps"
MASTER = User("admin", ("system:masters",))
BASE = "/services/published/clusters/house"
TABLE = b"application/json;as=Table;v=v1;g=meta.k8s.io"


def example() -> dict[str, Any]:
    """Run the page's code and return what it defines."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert found is not None
    assert len(found[1].splitlines()) <= 30
    defined: dict[str, Any] = {"__name__": "example"}
    exec(compile(found[1], str(PAGE), "exec"), defined)
    return defined


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Return a core in memory with a published and a private config map."""
    server = Server(Options(clusters=("house", "root")))
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            for name, labels in (("open", {"published": "true"}), ("private", {})):
                body = json.dumps({"metadata": {"name": name, "labels": labels}}).encode()
                headers = [(b"content-type", b"application/json")]
                made = await server.call("POST", f"/clusters/house{MAPS}", headers=headers, body=body, user=MASTER)
                assert made.status == 201, made.body
            yield server
            nursery.cancel_scope.cancel()
    finally:
        server.close()


async def ask(server: Server, path: str, method: str = "GET", accept: bytes = b"application/json") -> tuple[int, Any]:
    """Send a request as somebody who is known."""
    sent: list[Any] = []

    async def send(message: Any) -> None:  # noqa: ANN401 (ASGI)
        sent.append(message)
        await trio.lowlevel.checkpoint()

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {"type": "http.request", "body": b"{}", "more_body": False}

    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "raw_path": (BASE + path).encode(),
        "query_string": query.encode(),
        "headers": [(b"accept", accept)],
        "extensions": {"kcp": {"user": "ann", "groups": ("system:authenticated",)}},
    }
    await example()["application"](server)(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body)


async def test_the_window_shows_what_is_labelled(server: Server) -> None:
    status, found = await ask(server, MAPS)
    assert (status, [item["metadata"]["name"] for item in found["items"]]) == (200, ["open"])
    _, table = await ask(server, MAPS, accept=TABLE)
    assert [row["cells"][0] for row in table["rows"]] == ["open"]
    assert (await ask(server, f"{MAPS}/open"))[0] == 200
    # A client's selector narrows, and cannot widen.
    assert (await ask(server, f"{MAPS}?labelSelector=published!%3Dtrue"))[1]["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{MAPS}/private", 404),
        ("GET", f"{MAPS}/absent", 404),
        ("GET", "/api/v1/namespaces/default/secrets", 404),
        ("DELETE", f"{MAPS}/open", 405),
        ("POST", MAPS, 405),
        ("GET", "/apis/apps/v1", 404),
        ("GET", "/api/v1/namespaces/default/..%2fsecrets", 400),
    ],
)
async def test_nothing_else_is_there(server: Server, method: str, path: str, status: int) -> None:
    code, found = await ask(server, path, method)
    assert (code, found["kind"], found["code"]) == (status, "Status", status)


async def test_discovery_tells_the_views_alone(server: Server) -> None:
    _, found = await ask(server, "/api/v1")
    assert [(one["name"], one["verbs"]) for one in found["resources"]] == [("configmaps", ["get", "list", "watch"])]
    assert (await ask(server, "/apis"))[1]["groups"] == []
    aggregated = b"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, found = await ask(server, "/api", accept=aggregated)
    assert [one["resource"] for one in found["items"][0]["versions"][0]["resources"]] == ["configmaps"]
    _, found = await ask(server, "/openapi/v3")
    assert found["paths"] == {"api/v1": {"serverRelativeURL": f"{BASE}/openapi/v3/api/v1"}}
    assert "paths" in (await ask(server, "/openapi/v3/api/v1"))[1]
