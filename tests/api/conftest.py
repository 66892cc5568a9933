"""Two logical clusters with a definition of one name, and a third without.

Left serves v1, right v1 with another schema, and v2; bare holds no definition.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from tests.api.town import Town
    from tests.conftest import KcpServer

# A decoded JSON document.
Json = Any

SECONDS = 60
GROUP = "isolation.example.com"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRD = f"{CRDS}/widgets.{GROUP}"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
WIDGETS = f"/apis/{GROUP}/v1/namespaces/default/widgets"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class Door:
    """One user's way into one logical cluster."""

    client: httpx.Client
    base: str
    token: str | None

    def ask(self, method: str, path: str, body: Json = None, **headers: str) -> httpx.Response:
        """Send a request and return the answer, whatever it is."""
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        media_type = {"content-type": "application/json"} if content else {}
        return self.client.request(method, self.base + path, content=content, headers=media_type | named)

    def get(self, path: str, **headers: str) -> Json:
        """Read what must be there."""
        answer = self.ask("GET", path, **headers)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, body: Json) -> Json:
        """Create what must be accepted."""
        answer = self.ask("POST", path, body)
        assert answer.is_success, f"POST {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def fails(self, code: int, method: str, path: str, body: Json = None) -> Json:
        """Send a request that must be refused and return the Status."""
        answer = self.ask(method, path, body)
        assert answer.status_code == code, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def events(self, stack: ExitStack, path: str, since: str) -> Iterator[Json]:
        """Open a watch and return its events."""
        headers = {"authorization": f"Bearer {self.token}"}
        url = f"{self.base}{path}?watch=true&resourceVersion={since}"
        answer = stack.enter_context(self.client.stream("GET", url, headers=headers))
        assert answer.status_code == 200
        return (json.loads(line) for line in answer.iter_lines())


@dataclass(frozen=True, slots=True)
class Houses:
    """The server with its clusters' base URLs."""

    server: KcpServer
    client: httpx.Client
    left_url: str
    right_url: str
    bare_url: str
    services_url: str
    """Below which virtual workspaces are, `/services/…`: the server's own, or another process's."""
    services_ca: bytes
    """Whom that is known by."""

    def door(self, url: str, user: str = "admin") -> Door:
        """Return a user's way into a cluster; a token may stand in for a user's name."""
        return Door(self.client, url, self.server.tokens.get(user, user))

    def stranger(self, url: str) -> Door:
        """Return the way of somebody without credentials."""
        return Door(self.client, url, None)

    @property
    def left(self) -> Door:
        """The administrator in the left cluster."""
        return self.door(self.left_url)

    @property
    def right(self) -> Door:
        """The administrator in the right cluster."""
        return self.door(self.right_url)

    @property
    def bare(self) -> Door:
        """The administrator in the cluster without a definition."""
        return self.door(self.bare_url)


def version(name: str, field: str, kind: str, *, storage: bool) -> Json:
    """Return a served version with one field in its spec."""
    spec = {"type": "object", "properties": {field: {"type": kind, "description": f"The {field} of it."}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    return {"name": name, "served": True, "storage": storage, "schema": schema}


def definition(short: str, versions: list[Json]) -> Json:
    """Return the definition of widgets."""
    names = {"plural": "widgets", "kind": "Widget", "shortNames": [short]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": versions},
    }


LEFT = definition("lw", [version("v1", "size", "integer", storage=True)])
RIGHT = definition(
    "rw",
    [version("v1", "colour", "string", storage=True), version("v2", "colour", "string", storage=False)],
)


def widget(name: str, **spec: Json) -> Json:
    """Return a widget of v1."""
    return {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def configmap(name: str, **data: str) -> Json:
    """Return a configmap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A server of its own with two workspaces and everybody who asks, the same for all that only look."""
    from tests.api.town import running

    with running(tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest.fixture
def houses(kcp_server: KcpServer) -> Iterator[Houses]:
    trust = ssl.create_default_context(cadata=kcp_server.ca.decode())
    with httpx.Client(verify=trust, timeout=SECONDS) as client:
        yield furnished(kcp_server, client, kcp_server.url, kcp_server.ca)


def furnished(server: KcpServer, client: httpx.Client, services_url: str, services_ca: bytes) -> Houses:
    """Return new clusters with their definitions."""
    left, right, bare = (server.new_cluster() for _ in range(3))
    houses = Houses(server, client, left, right, bare, services_url, services_ca)
    houses.left.post(CRDS, LEFT)
    houses.right.post(CRDS, RIGHT)
    houses.bare.post(CONFIGMAPS, configmap("first"))
    return houses


def bind(door: Door, subject: Json, verbs: list[str], resources: list[str]) -> None:
    """Give a subject a cluster role of an always equal name, readers, who may enter."""
    rules = [
        {"apiGroups": ["", GROUP], "resources": resources, "verbs": verbs},
        {"nonResourceURLs": ["/"], "verbs": ["access"]},
    ]
    kind = "rbac.authorization.k8s.io/v1"
    metadata = {"name": "readers"}
    door.post(
        f"{RBAC}/clusterroles",
        {"apiVersion": kind, "kind": "ClusterRole", "metadata": metadata, "rules": rules},
    )
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "readers"}
    door.post(
        f"{RBAC}/clusterrolebindings",
        {
            "apiVersion": kind,
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [subject],
        },
    )


ALICE = {"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}
ROBOT = {"kind": "ServiceAccount", "name": "robot", "namespace": "default"}


@pytest.fixture
def root(houses: Houses) -> Door:
    """Return the administrator of all workspaces in the logical cluster where paths begin."""
    return houses.door(houses.server.cluster("root"), "kcp-admin")


@pytest.fixture
def org(houses: Houses, root: Door) -> Iterator[Door]:
    """Return the way into an organization of the test's own, which goes with it."""
    from tests.api.test_workspaces import WORKSPACES, enter, unique, wait_gone, workspace

    name = unique("org")
    made = root.post(WORKSPACES, workspace(name, "organization"))
    yield enter(houses, made)
    root.ask("DELETE", f"{WORKSPACES}/{name}")
    wait_gone(root, f"{WORKSPACES}/{name}")
