"""Services are inside authentication and have authorizers of their own: nobody gets in by a header."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from kcp.virtual import Services, VirtualWorkspace, Window
from kcp.virtual.visit import refuse
from tests.api.test_workspaces import WORKSPACES, unique, workspace

if TYPE_CHECKING:
    from typing import Any

    from kcp.virtual import Visit
    from tests.api.conftest import Houses

LIST = f"/services/workspaces/all/clusters/*{WORKSPACES}"
CLAIMED = {"x_remote_user": "admin", "x_remote_group": "system:masters", "x_remote_extra_scopes": "x"}


@pytest.mark.parametrize("path", [LIST, "/services/", "/services/unknown", "/services/workspaces/all/clusters/a:b/api"])
def test_strangers_are_refused_whatever_their_headers_say(houses: Houses, path: str) -> None:
    stranger = houses.stranger(houses.services_url)
    for headers in ({}, CLAIMED):
        answer = stranger.ask("GET", path, **headers)
        assert answer.status_code == 403, answer.text
        assert answer.json()["kind"] == "Status"
    wrong = houses.door(houses.services_url, "no-such-token")
    wrong.fails(401, "GET", path)


def test_claimed_identities_change_nothing(houses: Houses) -> None:
    root = houses.door(houses.server.cluster("root"), "kcp-admin")
    name = unique("hidden")
    root.post(WORKSPACES, workspace(name, "organization"))
    alice = houses.door(houses.services_url, "alice").ask("GET", LIST, **CLAIMED)
    assert alice.status_code == 200, alice.text
    assert name not in [item["metadata"]["name"] for item in alice.json()["items"]]


def test_unresolved_paths_are_404_for_masters(houses: Houses) -> None:
    houses.door(houses.services_url).fails(404, "GET", "/services/unknown/clusters/*/api")
    houses.door(houses.services_url, "alice").fails(403, "GET", "/services/unknown/clusters/*/api")


class Open(VirtualWorkspace):
    """Lets everybody in, so that only the guard in front of it can refuse."""

    name = "open"

    async def authorize(self, visit: Visit) -> None:
        await trio.lowlevel.checkpoint()

    def views(self, visit: Visit) -> list[Window]:
        raise refuse(418, "reached")


@pytest.mark.parametrize(
    ("extensions", "status"),
    [({}, 401), ({"kcp": {"user": "", "groups": ()}}, 401), ({"kcp": {"user": "alice", "groups": ()}}, 418)],
)
async def test_a_request_nobody_authenticated_is_401(extensions: dict[str, Any], status: int) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:  # noqa: ANN401 (ASGI)
        sent.append(message)
        await trio.lowlevel.checkpoint()

    async def receive() -> Any:  # noqa: ANN401 (ASGI)
        await trio.sleep_forever()

    upstream: Any = None
    headers = [(b"x-remote-user", b"admin"), (b"x-remote-group", b"system:masters"), (b"authorization", b"Bearer x")]
    scope = {"type": "http", "method": "GET", "raw_path": b"/services/open/clusters/root/api", "query_string": b""}
    await Services(upstream, [Open()])({**scope, "headers": headers, "extensions": extensions}, receive, send)
    assert sent[0]["status"] == status
