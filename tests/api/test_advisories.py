"""Three faults that control planes of this kind had, asked of a whole server.

Groups that count everywhere are handed on through impersonation; something inside answers without asking who calls; a
header says who calls. Each guard by itself is held by `rust/kcp-apiserver/tests/auth/advisories.rs`.
"""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kcp.core import Options, Server, User
from kcp.virtual import Services, VirtualWorkspace, Window
from tests.api.conftest import CONFIGMAPS
from tests.api.test_workspaces import WORKSPACES
from tests.conftest import start_kcp, stop_kcp

if TYPE_CHECKING:
    from collections.abc import Iterator

    import trio

    from kcp.core import Headers
    from kcp.virtual import Visit
    from tests.api.oracle import Json
    from tests.api.town import Town

VIEW = f"/services/workspaces/all/clusters/*{WORKSPACES}"
GLOBAL = [
    "system:masters",
    "system:kcp:admin",
    "system:kcp:logical-cluster-admin",
    "system:kcp:external-logical-cluster-admin",
    "system:kcp:tenancy:workspace-bootstrapper",
    "system:kcp:initializer:root:universal",
    "system:kcp:terminator:root:universal",
]
CLAIMS = {
    "x-remote-user": "shard-admin",
    "x-remote-group": "system:masters",
    "x-remote-extra-authorization.kcp.io%2fwarrant": '{"user":"shard-admin","groups":["system:masters"]}',
}
LISTENING = "0A"


def warrant(group: str) -> str:
    """Return a warrant of somebody in a group."""
    return json.dumps({"user": "somebody", "groups": [group]})


@pytest.mark.parametrize("group", GLOBAL)
def test_advisory_owners_do_not_hand_on_groups_that_count_elsewhere(town: Town, group: str) -> None:
    """Wherever it is asked for: in the owner's workspace, in another's, by path, over all, below services."""
    key = "impersonate-extra-authorization.kcp.io%2fwarrant"
    scopes = {"impersonate-extra-authentication.kcp.io%2fscopes": f"cluster:{town.here}"}
    forms: list[dict[str, str]] = [
        {"impersonate-group": group},
        {"impersonate-group": group, **scopes},
        {key: warrant(group)},
        {key: warrant(group), **scopes},
    ]
    places = [f"/clusters/{place}{CONFIGMAPS}" for place in (town.here, town.there, "root:here", "*", "root", "none")]
    for who in ("owner", "account", "impersonator", "stranger"):
        identity = town.identities[who]
        for form in forms:
            for path in [*places, VIEW]:
                headers = identity.headers | {"impersonate-user": "viewer"} | form
                answer = town.client.get(town.url + path, headers=headers)
                # An account's token is none in other clusters.
                codes = {401, 403} if who == "account" else {403}
                assert answer.status_code in codes, f"{who} {path}: {answer.text}"
                assert "items" not in answer.text


def listening(pid: int) -> tuple[list[str], list[str]]:
    """Return the addresses of TCP and the names of Unix sockets on which a process and its children listen."""
    tree = [pid, *children(pid)]
    links = [link for process in tree for link in Path(f"/proc/{process}/fd").iterdir()]
    inodes = {os.readlink(link)[8:-1] for link in links if os.readlink(link).startswith("socket:[")}
    tcp = []
    for table in ("tcp", "tcp6"):
        rows = [line.split() for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
        tcp += [row[1] for row in rows if row[3] == LISTENING and row[9] in inodes]
    rows = [line.split() for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]]
    accepting = 0x10000
    return tcp, [row[-1] for row in rows if row[6] in inodes and int(row[3], 16) & accepting]


def children(pid: int) -> Iterator[int]:
    """Yield the processes that a process started, and those that they started."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from children(int(child))


@pytest.mark.parametrize("listener", ["native", "hypercorn"])
def test_advisory_nothing_inside_answers_without_asking_who_calls(tmp_path: Path, listener: str) -> None:
    """One socket takes connections, and behind it everything but health and version asks for a credential."""
    process, url = start_kcp(tmp_path / "root", "--listener", listener, "--unsafe-no-fsync")
    try:
        tcp, local = listening(process.pid)
        port = int(url.rpartition(":")[2])
        assert [int(address.rpartition(":")[2], 16) for address in tcp] == [port]
        assert local == []
        trust = ssl.create_default_context(cafile=str(tmp_path / "root" / "ca.crt"))
        with httpx.Client(base_url=url, verify=trust, timeout=60) as client:
            closed = ["/metrics", "/services/", "/services/x", VIEW, "/services/cache/shards/root/clusters/*/api"]
            closed += [
                "/debug/pprof/",
                "/debug/flags/v",
                "/configz",
                "/statusz",
                "/logs/",
                "/api",
                "/apis",
                "/openapi/v3",
            ]
            for path in closed:
                for prefix in ("", "/clusters/root", "/clusters/none"):
                    for headers in ({}, CLAIMS):
                        code = client.get(prefix + path, headers=headers).status_code
                        assert code == (501 if prefix and path == "/metrics" else 403), prefix + path
            for path in [*closed, "/", "/healthz", "/version"]:
                wrong = client.get(path, headers={"authorization": "Bearer wrong", **CLAIMS})
                assert (wrong.status_code, wrong.json()["kind"]) == (401, "Status"), path
    finally:
        stop_kcp(process)


def test_advisory_headers_name_nobody_below_services(town: Town) -> None:
    """Below services everybody sees what he sees without them, and nobody acts as another."""
    for who in ("viewer", "stranger", "account", "owner"):
        identity = town.identities[who]
        plain = town.client.get(town.url + VIEW, headers=identity.headers)
        claimed = town.client.get(town.url + VIEW, headers=identity.headers | CLAIMS)
        assert (plain.status_code, claimed.status_code) == (200, 200)
        assert plain.json()["items"] == claimed.json()["items"], who
        for name in ("viewer", "owner", "shard-admin", "system:kcp:virtual-workspaces"):
            acting = town.client.get(town.url + VIEW, headers=identity.headers | {"impersonate-user": name})
            assert acting.status_code == 403, f"{who} as {name}: {acting.text}"
    assert town.client.get(town.url + VIEW, headers=CLAIMS).status_code == 403


class Everything(VirtualWorkspace):
    """Shows config maps, read as the server itself, to whoever is known."""

    name = "everything"

    async def authorize(self, visit: Visit) -> None:
        assert visit.user.name == "alice"

    def views(self, visit: Visit) -> list[Window]:
        return [Window("", "v1", "configmaps", {"shown": "yes"})]


CLAIMED: Headers = [
    (b"X-Remote-User", b"nobody"),
    (b"x-remote-group", b"system:masters"),
    (b"Impersonate-User", b"nobody"),
    (b"impersonate-group", b"nothing"),
    (b"Authorization", b"Bearer wrong"),
    (b"x-kubernetes-cluster", b"two"),
    (b"x-kcp-internal-deep-subjectaccessreview", b"true"),
    (b"sec-websocket-protocol", b"base64url.bearer.authorization.k8s.io.d3Jvbmc"),
]


async def test_advisory_an_embedded_application_passes_no_identity_on(nursery: trio.Nursery) -> None:
    """Headers that reach a virtual workspace, whoever runs it, change neither who asks nor what is asked for."""
    server = Server(Options())
    try:
        await nursery.start(server.run)
        admin = User("admin", ("system:masters",))
        for cluster in ("one", "two"):
            body = json.dumps({"metadata": {"name": f"in-{cluster}", "labels": {"shown": "yes"}}}).encode()
            sent = [(b"content-type", b"application/json")]
            made = await server.call("POST", f"/clusters/{cluster}{CONFIGMAPS}", headers=sent, body=body, user=admin)
            assert made.status == 201
        plain, claimed = [await visit(server, headers) for headers in ([], CLAIMED)]
        assert [item["metadata"]["name"] for item in plain["items"]] == ["in-one"]
        assert claimed == plain
    finally:
        server.close()


async def visit(server: Server, headers: Headers) -> Json:
    """Call the application as somebody who embeds it does, and return the document it answers with."""
    pieces: list[bytes] = []

    async def send(message: Any) -> None:  # noqa: ANN401 (ASGI)
        pieces.append(message.get("body", b""))

    async def receive() -> Any:  # noqa: ANN401 (ASGI)
        return {"type": "http.request", "body": b"", "more_body": False}

    extensions = {"kcp": {"user": "alice", "groups": ("system:authenticated",)}}
    path = f"/services/everything/clusters/one{CONFIGMAPS}".encode()
    scope: dict[str, Any] = {"type": "http", "method": "GET", "raw_path": path, "query_string": b""}
    application = Services(server, [Everything()])
    await application({**scope, "headers": headers, "extensions": extensions}, receive, send)
    return json.loads(b"".join(pieces))
