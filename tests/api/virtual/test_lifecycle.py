"""Initializers and terminators: what waits for them, what they may do there, and when that ends."""

from __future__ import annotations

import hashlib
import json
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests.api.conftest import CONFIGMAPS, RBAC, Door, configmap
from tests.api.test_workspaces import TYPES, WORKSPACES, unique, workspace, workspace_type
from tests.e2e.conftest import TOOLS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.conftest import Houses, Json

ROWS = "/apis/core.kcp.io/v1alpha1/logicalclusters"
ROW = f"{ROWS}/cluster"
MERGE = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A workspace that waits for its initializer, and the ways to it."""

    houses: Houses
    initializer: str
    cluster: str
    administrator: Door

    def door(self, user: str = "alice", cluster: str = "", kind: str = "initializing") -> Door:
        """Return a user's way through the virtual workspace."""
        base = f"{self.houses.services_url}/services/{kind}workspaces/{self.initializer}"
        return self.houses.door(f"{base}/clusters/{cluster or self.cluster}", user)


def grant(door: Door, name: str, rules: list[Json], *, entry: bool = True) -> None:
    """Give alice a role in a logical cluster, and entry."""
    kind = "rbac.authorization.k8s.io/v1"
    access = [{"nonResourceURLs": ["/"], "verbs": ["access"]}] if entry else []
    body = {"apiVersion": kind, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [*access, *rules]}
    door.post(f"{RBAC}/clusterroles", body)
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subjects = [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}]
    binding = {"apiVersion": kind, "kind": "ClusterRoleBinding", "metadata": {"name": name}}
    door.post(f"{RBAC}/clusterrolebindings", {**binding, "roleRef": role, "subjects": subjects})


def make(houses: Houses, *, granted: bool = True, second: bool = True, told: str = "", **spec: Json) -> Waiting:
    """Create a type with an initializer, and a workspace of it; alice may initialize such.

    The type says that virtual workspaces are at `told`, where that is not where they are.
    """
    root = houses.door(houses.server.cluster("root"), "kcp-admin")
    org = root.post(WORKSPACES, workspace(unique("org"), "organization"))
    inside = houses.door(houses.server.cluster(org["spec"]["cluster"]), "kcp-admin")
    other = inside.post(TYPES, workspace_type(unique("other"), initializer=second))["metadata"]["name"]
    extend = {"with": [{"name": "universal", "path": "root"}, {"name": other}]}
    kind = workspace_type(unique("type"), initializer=True, extend=extend, **spec)
    made = inside.post(TYPES, kind)
    name = made["metadata"]["name"]
    initializer = f"{org['spec']['cluster']}:{name}"
    if granted:
        rule = {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspacetypes"], "resourceNames": [name]}
        grant(inside, unique("initialize"), [{**rule, "verbs": ["initialize", "terminate"]}])
    urls = {entry["type"]: entry["url"] for entry in made["status"]["virtualWorkspaces"]}
    assert urls["initializing"] == f"{told or houses.services_url}/services/initializingworkspaces/{initializer}"
    path = org["spec"]["URL"].rpartition("/")[2]
    child = inside.post(WORKSPACES, workspace(unique("child"), name, path))
    cluster = child["spec"]["cluster"]
    return Waiting(houses, initializer, cluster, houses.door(houses.server.cluster(cluster), "kcp-admin"))


@pytest.fixture
def waiting(houses: Houses) -> Waiting:
    return make(houses)


def take_off(waiting: Waiting) -> None:
    """Say that the initializer has done its part."""
    door = waiting.door()
    left = [name for name in door.get(ROW)["status"]["initializers"] if name != waiting.initializer]
    answer = door.ask("PATCH", f"{ROW}/status", {"status": {"initializers": left}}, content_type=MERGE)
    assert answer.status_code == 200, answer.text


def test_only_logical_clusters_that_wait_are_listed(waiting: Waiting) -> None:
    everywhere = waiting.door(cluster="*")
    listed = everywhere.get(ROWS)
    assert [item["metadata"]["annotations"]["kcp.io/cluster"] for item in listed["items"]] == [waiting.cluster]
    digest = hashlib.sha224(waiting.initializer.encode()).hexdigest()
    assert listed["items"][0]["metadata"]["labels"][f"initializer.internal.kcp.io/{digest[:35]}"] == digest
    table = everywhere.ask("GET", ROWS, accept=TABLE).json()
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Phase", "URL", "Age"]
    assert len(table["rows"]) == 1
    assert everywhere.get(f"{ROWS}?labelSelector=nothing=here")["items"] == []


@pytest.mark.parametrize(("second", "phase"), [(True, "Initializing"), (False, "Ready")])
def test_a_logical_cluster_leaves_the_watch_with_its_initializer(houses: Houses, second: bool, phase: str) -> None:
    waiting = make(houses, second=second)
    everywhere = waiting.door(cluster="*")
    since = everywhere.get(ROWS)["metadata"]["resourceVersion"]
    with ExitStack() as stack:
        events = everywhere.events(stack, ROWS, since)
        take_off(waiting)
        event = next(events)
        assert event["type"] == "DELETED"
        assert event["object"]["metadata"]["annotations"]["kcp.io/cluster"] == waiting.cluster
    assert everywhere.get(ROWS)["items"] == []
    waiting.door().fails(404, "GET", ROW)
    assert waiting.administrator.get(ROW)["status"]["phase"] == phase


@pytest.mark.parametrize(
    "status",
    [
        {"initializers": []},
        {"initializers": ["root:other"]},
        {"phase": "Ready"},
        {"URL": "https://elsewhere"},
        {"terminators": ["root:mine"]},
    ],
)
def test_an_initializer_takes_only_itself_off(waiting: Waiting, status: Json) -> None:
    door = waiting.door()
    before = waiting.administrator.get(ROW)
    answer = door.ask("PATCH", f"{ROW}/status", {"status": status}, content_type=MERGE)
    assert answer.status_code == 422, answer.text
    assert waiting.administrator.get(ROW)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_the_object_itself_is_not_written(waiting: Waiting) -> None:
    door = waiting.door()
    body = {"spec": {"directlyDeletable": True}}
    assert door.ask("PATCH", ROW, body, content_type=MERGE).status_code == 405
    door.fails(405, "DELETE", ROW)


def test_content_is_reached_as_the_creator_until_the_initializer_goes(waiting: Waiting) -> None:
    door = waiting.door()
    waiting.houses.door(waiting.administrator.base, "alice").fails(403, "GET", CONFIGMAPS)
    door.post(CONFIGMAPS, configmap("greeting", hello="world"))
    assert waiting.administrator.get(f"{CONFIGMAPS}/greeting")["data"] == {"hello": "world"}
    since = door.get(CONFIGMAPS)["metadata"]["resourceVersion"]
    with ExitStack() as stack:
        events = door.events(stack, CONFIGMAPS, since)
        door.post(CONFIGMAPS, configmap("second"))
        assert next(events)["object"]["metadata"]["name"] == "second"
        take_off(waiting)
        assert list(events) == []  # the watch ends, too
    door.fails(403, "GET", CONFIGMAPS)


def test_permissions_of_the_type_bound_what_an_initializer_does(houses: Houses) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get"]}]
    waiting = make(houses, initializerPermissions=rules)
    door = waiting.door()
    door.post(CONFIGMAPS, configmap("mine"))
    door.get(f"{CONFIGMAPS}/mine")
    refused = door.fails(403, "GET", CONFIGMAPS)
    assert f'initializer "{waiting.initializer}" denied by initializerPermissions' in refused["message"]
    door.fails(403, "GET", "/api/v1/namespaces/default/secrets")
    door.fails(403, "DELETE", f"{CONFIGMAPS}/mine")
    # Ways around the parse.
    for path in ("/api/v1/watch/configmaps", "/api/v1/namespaces/default/configm%61ps", "/api/v1/x/..%2fsecrets"):
        assert door.ask("GET", path).status_code in {400, 403, 404}, path


def test_the_verb_on_the_type_is_the_gate(houses: Houses) -> None:
    waiting = make(houses, granted=False)
    for cluster in ("*", waiting.cluster):
        for path in (ROWS, "/api", "/apis", "/openapi/v3", CONFIGMAPS, ROW):
            waiting.door(cluster=cluster).fails(403, "GET", path)
    nobody = replace(waiting.door(cluster="*"), token=None)
    nobody.fails(403, "GET", ROWS)


def test_the_verb_counts_for_those_who_may_enter_the_types_logical_cluster(houses: Houses) -> None:
    waiting = make(houses, granted=False)
    cluster, _, name = waiting.initializer.rpartition(":")
    inside = houses.door(houses.server.cluster(cluster), "kcp-admin")
    rule = {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspacetypes"], "resourceNames": [name]}
    grant(inside, unique("initialize"), [{**rule, "verbs": ["initialize"]}], entry=False)
    waiting.door(cluster="*").fails(403, "GET", ROWS)
    grant(inside, unique("enter"), [])
    assert len(waiting.door(cluster="*").get(ROWS)["items"]) == 1


def test_another_logical_cluster_is_not_reached(waiting: Waiting, houses: Houses) -> None:
    other = make(houses)
    through = waiting.door(cluster=other.cluster)
    through.fails(404, "GET", ROW)
    through.fails(403, "GET", CONFIGMAPS)
    refused = through.ask("PATCH", f"{ROW}/status", {"status": {"initializers": []}}, content_type=MERGE)
    assert refused.status_code == 404
    waiting.door(cluster="root").fails(403, "GET", CONFIGMAPS)


def test_a_terminator_holds_content_until_it_takes_itself_off(houses: Houses) -> None:
    waiting = make(houses, terminator=True)
    take_off(waiting)
    row = waiting.administrator.get(ROW)
    for name in row["status"].get("initializers", []):  # what the system still has to do
        left = [one for one in row["status"]["initializers"] if one != name]
        waiting.administrator.ask("PATCH", f"{ROW}/status", {"status": {"initializers": left}}, content_type=MERGE)
    everywhere = waiting.door(cluster="*", kind="terminating")
    before = everywhere.get(ROWS)
    assert before["items"] == []
    owner = waiting.administrator.get(ROW)["spec"]["owner"]
    parent = houses.door(houses.server.cluster(owner["cluster"]), "kcp-admin")
    with ExitStack() as stack:
        events = everywhere.events(stack, ROWS, before["metadata"]["resourceVersion"])
        assert parent.ask("DELETE", f"{WORKSPACES}/{owner['name']}").is_success
        event = next(events)
    assert event["type"] == "ADDED"
    assert event["object"]["metadata"]["annotations"]["kcp.io/cluster"] == waiting.cluster
    door = waiting.door(kind="terminating")
    door.get(CONFIGMAPS)
    left = [name for name in door.get(ROW)["status"]["terminators"] if name != waiting.initializer]
    answer = door.ask("PATCH", f"{ROW}/status", {"status": {"terminators": left}}, content_type=MERGE)
    assert answer.status_code == 200, answer.text
    assert everywhere.get(ROWS)["items"] == []


def test_kubectl_prints_columns(waiting: Waiting, tmp_path: Path) -> None:
    server = waiting.houses.server
    authority = tmp_path / "ca.crt"
    authority.write_bytes(waiting.houses.services_ca)
    command = [str(TOOLS / "kubectl"), "--kubeconfig", "/dev/null", "--cache-dir", str(tmp_path / "cache")]
    command += ["--token", server.tokens["alice"], "--certificate-authority", str(authority)]

    def kubectl(door: Door, *words: str) -> str:
        done = subprocess.run(
            [*command, "--server", door.base, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    head, line = kubectl(waiting.door(cluster="*"), "get", "logicalclusters").splitlines()
    assert head.split() == ["NAME", "PHASE", "URL", "AGE"]
    assert line.split()[:2] == ["cluster", "Initializing"]
    resources = kubectl(waiting.door(cluster="*"), "api-resources", "--no-headers")
    assert [row.split()[0] for row in resources.splitlines()] == ["logicalclusters"]
    kubectl(waiting.door(), "create", "configmap", "by-kubectl", "--from-literal=a=b")
    assert json.loads(kubectl(waiting.door(), "get", "cm", "by-kubectl", "-o", "json"))["data"] == {"a": "b"}
