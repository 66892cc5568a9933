"""A server that knows a tree of workspaces and nothing else; it speaks HTTP on a port of loopback.

It answers what the plugins ask, with the documents a real server answers, and remembers what it was asked. Paths that
nobody may enter answer 403, as a server does that tells nothing.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TENANCY = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
LOGICAL_CLUSTER = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
HOME = "2k7gx0c4hsjy9qwe"


@dataclass
class Workspaces:
    """The tree: path → Workspace object (`root` and homes have none), and who has been asked what."""

    url: str = ""
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    roots: set[str] = field(default_factory=lambda: {"root", HOME})
    denied: set[str] = field(default_factory=set)
    bindings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    slow: int = 0
    """How many times a new workspace is still being initialized when somebody asks."""

    def add(self, path: str, kind: str = "universal", **changes: object) -> dict[str, Any]:
        """Add a workspace that is ready."""
        name = path.rpartition(":")[2]
        self.objects[path] = {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "kind": "Workspace",
            "metadata": {"name": name},
            "spec": {
                "type": {"name": kind, "path": "root"},
                "URL": f"{self.url}/clusters/{path}",
                "cluster": f"c{len(self.objects)}",
            },
            "status": {"phase": "Ready"},
            **changes,
        }
        return self.objects[path]

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        """Answer a request."""
        cluster, _, rest = path.removeprefix("/clusters/").partition("/")
        rest = f"/{rest}".partition("?")[0]
        if rest == f"{TENANCY}/~" and cluster == "root":
            return 200, {
                "apiVersion": "tenancy.kcp.io/v1alpha1",
                "kind": "Workspace",
                "metadata": {"name": "cluster"},
                "spec": {"URL": f"{self.url}/clusters/{HOME}", "cluster": HOME},
                "status": {"phase": "Ready"},
            }
        if cluster in self.denied or (cluster not in self.objects and cluster not in self.roots):
            return status(403, "Forbidden", f'forbidden: User "u" cannot get path "{rest}": access denied')
        if method == "POST" and rest == TENANCY:
            assert body is not None
            return self._create(cluster, body)
        if rest.startswith(f"{TENANCY}/"):
            return self._workspace(cluster, rest.rpartition("/")[2])
        return self._document(cluster, rest)

    def _create(self, cluster: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = body["metadata"]["name"]
        path = f"{cluster}:{name}"
        if path in self.objects:
            return status(409, "AlreadyExists", f'workspaces.tenancy.kcp.io "{name}" already exists')
        made = self.add(path)
        made["spec"].update(
            {**body["spec"], "type": {"path": "root", "name": "universal", **body["spec"].get("type", {})}}
        )
        if self.slow:
            made["status"]["phase"] = "Initializing"
        return 201, made

    def _workspace(self, cluster: str, name: str) -> tuple[int, dict[str, Any]]:
        found = self.objects.get(f"{cluster}:{name}")
        if found is None:
            return status(404, "NotFound", f'workspaces.tenancy.kcp.io "{name}" not found')
        if found["status"]["phase"] == "Initializing":
            self.slow -= 1
            if self.slow <= 0:
                found["status"]["phase"] = "Ready"
        return 200, found

    def _document(self, cluster: str, rest: str) -> tuple[int, dict[str, Any]]:
        if rest == TENANCY:
            below = {path: ws for path, ws in self.objects.items() if path.rpartition(":")[0] == cluster}
            return 200, listing("tenancy.kcp.io/v1alpha1", "WorkspaceList", list(below.values()))
        if rest.endswith("/apibindings"):
            version = rest.split("/")[3]
            return 200, listing(f"apis.kcp.io/{version}", "APIBindingList", self.bindings.get(cluster, []))
        if rest == LOGICAL_CLUSTER:
            return 200, {
                "apiVersion": "core.kcp.io/v1alpha1",
                "kind": "LogicalCluster",
                "metadata": {"name": "cluster", "annotations": {"kcp.io/cluster": "c"}},
                "status": {"phase": "Ready"},
            }
        return DISCOVERY.get(rest, status(404, "NotFound", "the server could not find the requested resource"))


def status(code: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    """Return a refusal."""
    return code, {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def listing(version: str, kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a list."""
    return {"apiVersion": version, "kind": kind, "metadata": {"resourceVersion": "1"}, "items": items}


def _group(name: str, *versions: str) -> dict[str, Any]:
    served = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": served, "preferredVersion": served[0]}


def _resources(version: str, **resources: str) -> tuple[int, dict[str, Any]]:
    rows = [
        {"name": name, "singularName": "", "namespaced": False, "kind": kind, "verbs": ["get", "list"]}
        for name, kind in resources.items()
    ]
    return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": rows}


DISCOVERY: dict[str, tuple[int, dict[str, Any]]] = {
    "/api": (200, {"kind": "APIVersions", "versions": ["v1"]}),
    "/apis": (
        200,
        {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [
                _group("tenancy.kcp.io", "v1alpha1"),
                _group("core.kcp.io", "v1alpha1"),
                _group("apis.kcp.io", "v1alpha2", "v1alpha1"),
            ],
        },
    ),
    "/apis/tenancy.kcp.io/v1alpha1": _resources("tenancy.kcp.io/v1alpha1", workspaces="Workspace"),
    "/apis/core.kcp.io/v1alpha1": _resources("core.kcp.io/v1alpha1", logicalclusters="LogicalCluster"),
    "/apis/apis.kcp.io/v1alpha2": _resources("apis.kcp.io/v1alpha2", apibindings="APIBinding"),
    "/apis/apis.kcp.io/v1alpha1": _resources("apis.kcp.io/v1alpha1", apibindings="APIBinding"),
}


@contextmanager
def serving(workspaces: Workspaces) -> Iterator[Workspaces]:
    """Serve a tree on a free port until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            workspaces.asked.append((self.command, self.path))
            workspaces.headers.append({name.lower(): value for name, value in self.headers.items()})
            code, document = workspaces.answer(self.command, self.path, body)
            raw = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = handle_one

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    workspaces.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield workspaces
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":  # to try a plugin by hand against it
    with serving(Workspaces(slow=2)) as tree:
        for path in ("root:org", "root:org:team", "root:org:other", "root:org:team:a", "root:zoo"):
            tree.add(path, "organization" if path.count(":") == 1 else "universal")
        tree.add("root:org:gone", status={"phase": "Terminating"})
        tree.add("root:org:shy")
        tree.add(
            "root:org:mounted",
            spec={
                "mount": {"ref": {"kind": "K", "name": "n", "apiVersion": "v1"}},
                "URL": "https://elsewhere/clusters/x",
            },
        )

        tree.bindings["root:zoo"] = [
            {
                "apiVersion": "apis.kcp.io/v1alpha2",
                "kind": "APIBinding",
                "metadata": {"name": "b"},
                "spec": {"permissionClaims": [{"resource": "secrets", "verbs": ["*"], "state": "Accepted"}]},
                "status": {
                    "exportPermissionClaims": [
                        {"resource": "secrets", "verbs": ["get"]},
                        {"group": "g.io", "resource": "things", "identityHash": "abc", "verbs": ["get"]},
                    ]
                },
            }
        ]
        print(tree.url, flush=True)
        threading.Event().wait()
