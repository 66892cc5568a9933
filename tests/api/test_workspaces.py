"""The life of workspaces: born whole, of a type, initialized, and gone with all that they held."""

from __future__ import annotations

import hashlib
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.api.conftest import CONFIGMAPS, RBAC, Door, configmap

if TYPE_CHECKING:
    from tests.api.conftest import Houses, Json

WORKSPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
CLUSTER = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
MERGE = "application/merge-patch+json"
SECONDS = 60.0
UNIVERSAL = {"name": "universal", "path": "root"}


def workspace(name: str, type_name: str = "", path: str = "", **more: Json) -> Json:
    """Return a Workspace to create."""
    spec: dict[str, Json] = dict(more)
    if type_name:
        spec["type"] = {"name": type_name, **({"path": path} if path else {})}
    return {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name}, "spec": spec}


def workspace_type(name: str, **spec: Json) -> Json:
    """Return a WorkspaceType to create."""
    kind = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


def unique(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"{prefix}-{secrets.token_hex(4)}"


def enter(houses: Houses, made: Json, user: str = "kcp-admin") -> Door:
    """Return a user's way into a workspace."""
    return houses.door(houses.server.cluster(made["spec"]["cluster"]), user)


def patch(door: Door, path: str, body: Json, code: int = 200) -> Json:
    """Merge into an object."""
    answer = door.ask("PATCH", path, body, content_type=MERGE)
    assert answer.status_code == code, answer.text
    return answer.json()


def wait_for(door: Door, path: str, true: str, deadline: float = SECONDS) -> Json:
    """Watch an object until it is gone, or until `true` stands in its phase or a condition's reason."""
    with ExitStack() as stack:
        found = door.ask("GET", path)
        if found.status_code == 404:
            return None
        item, began = found.json(), time.monotonic()
        collection, _, name = path.rpartition("/")
        events = door.events(stack, collection, item["metadata"]["resourceVersion"])
        while true not in said(item):
            event = next(events)
            assert time.monotonic() - began < deadline, item
            if event["object"]["metadata"]["name"] != name:
                continue
            if event["type"] == "DELETED":
                return None
            item = event["object"]
        return item


def said(item: Json) -> set[str]:
    """Return the phase of an object and the reasons of its conditions."""
    status = item.get("status", {})
    return {status.get("phase", ""), *(one.get("reason", "") for one in status.get("conditions", []))}


def wait_gone(door: Door, path: str) -> None:
    """Wait until an object is gone."""
    assert wait_for(door, path, "never") is None


def test_a_workspace_is_ready_in_the_answer_to_its_create(houses: Houses, root: Door) -> None:
    """Name, address, type, phase and rights are there with the create, and so is what a cluster is born with."""
    name = unique("born")
    made = root.post(WORKSPACES, workspace(name))
    assert made["status"]["phase"] == "Ready"
    assert made["metadata"]["labels"]["tenancy.kcp.io/phase"] == "Ready"
    assert made["spec"]["type"] == {"name": "organization", "path": "root"}
    assert made["spec"]["URL"].endswith(f"/clusters/root:{name}")
    assert "core.kcp.io/logicalcluster" in made["metadata"]["finalizers"]
    inside = enter(houses, made)
    row = inside.get(CLUSTER)
    assert row["status"]["phase"] == "Ready"
    assert row["status"]["URL"].endswith(f"/clusters/{made['spec']['cluster']}")
    assert row["spec"]["owner"] == {
        "apiVersion": "tenancy.kcp.io/v1alpha1",
        "resource": "workspaces",
        "name": name,
        "cluster": "root",
        "uid": made["metadata"]["uid"],
    }
    assert row["spec"]["createdBy"]["username"] == "kcp-admin"
    notes = row["metadata"]["annotations"]
    assert (notes["kcp.io/path"], notes["internal.tenancy.kcp.io/type"]) == (f"root:{name}", "root:organization")
    binding = inside.get(f"{RBAC}/clusterrolebindings/workspace-admin")
    assert binding["subjects"] == [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "kcp-admin"}]
    assert [item["metadata"]["name"] for item in inside.get("/api/v1/namespaces")["items"]] == ["default"]
    root.ask("DELETE", f"{WORKSPACES}/{name}")
    wait_gone(root, f"{WORKSPACES}/{name}")


def test_one_name_is_taken_once(root: Door) -> None:
    """Of many creates of one name at a time one is made, and one logical cluster with it."""
    name = unique("race")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: root.ask("POST", WORKSPACES, workspace(name)), range(16)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    root.ask("DELETE", f"{WORKSPACES}/{name}")
    wait_gone(root, f"{WORKSPACES}/{name}")


def test_types_are_found_upwards(houses: Houses, org: Door) -> None:
    """A type without a path is the nearest above; its path is written down."""
    org.post(TYPES, workspace_type("special", extend={"with": [{"name": "universal", "path": "root"}]}))
    middle = enter(houses, org.post(WORKSPACES, workspace("middle", "universal")))
    below = middle.post(WORKSPACES, workspace("below", "special"))
    assert below["spec"]["type"]["path"].startswith("root:org-")


def test_a_changed_type_counts_at_once(houses: Houses, org: Door) -> None:
    """What a type amounts to is never older than the types it extends."""
    inside = enter(houses, org.post(WORKSPACES, workspace("types", "universal")))
    inside.post(TYPES, workspace_type("base"))
    own = inside.get(TYPES + "/base")["metadata"]["annotations"]["kcp.io/path"]
    inside.post(TYPES, workspace_type("derived", extend={"with": [{"name": "base", "path": own}]}))
    assert inside.post(WORKSPACES, workspace("before", "derived"))["status"]["phase"] == "Ready"
    patch(inside, f"{TYPES}/base", {"spec": {"limitAllowedParents": {"none": True}}})
    assert "cannot have any parent" in inside.fails(403, "POST", WORKSPACES, workspace("after", "derived"))["message"]


def test_a_type_takes_the_verb_use_of_each_that_it_extends(houses: Houses, org: Door) -> None:
    """Asked in the logical cluster of each type, whether or not the maker of the workspace may enter there."""
    types = enter(houses, org.post(WORKSPACES, workspace("types", "universal")))
    path = types.get(CLUSTER)["metadata"]["annotations"]["kcp.io/path"]
    types.post(TYPES, workspace_type("hidden"))
    org.post(TYPES, workspace_type("private", extend={"with": [{"name": "hidden", "path": path}, UNIVERSAL]}))
    alice = houses.door(org.base, "alice")

    def allow(door: Door, name: str, *rules: Json) -> None:
        kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
        door.post(f"{RBAC}/clusterroles", {**kind, "kind": "ClusterRole", "rules": list(rules)})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}]
        binding = {**kind, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": subjects}
        door.post(f"{RBAC}/clusterrolebindings", binding)

    def rule(resource: str, verb: str, *names: str) -> Json:
        return {"apiGroups": ["tenancy.kcp.io"], "resources": [resource], "verbs": [verb], "resourceNames": list(names)}

    make = {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspaces"], "verbs": ["create"]}
    allow(org, "make", {"nonResourceURLs": ["/"], "verbs": ["access"]}, make)
    for door, name in ((org, "private"), (types, "hidden")):
        refused = alice.fails(403, "POST", WORKSPACES, workspace("mine", "private"))
        assert f":{name}: missing verb='use' permission on workspacetype" in refused["message"]
        allow(door, f"use-{name}", rule("workspacetypes", "use", name))
    assert alice.post(WORKSPACES, workspace("mine", "private"))["status"]["phase"] == "Ready"


def test_initializers_hold_a_workspace_until_the_last_is_off(houses: Houses, org: Door) -> None:
    """The phase follows the list in the same commit, on the LogicalCluster and on its Workspace."""
    types = enter(houses, org.post(WORKSPACES, workspace("types", "universal")))
    mine = types.post(TYPES, workspace_type("waiting", initializer=True))["metadata"]["annotations"]
    identifier = f"{mine['kcp.io/cluster']}:waiting"
    extended = types.post(
        TYPES,
        workspace_type(
            "both",
            initializer=True,
            extend={"with": [{"name": "waiting", "path": mine["kcp.io/path"]}, {"name": "universal", "path": "root"}]},
        ),
    )
    assert extended["metadata"]["generation"] == 1
    made = types.post(WORKSPACES, workspace("held", "both"))
    names = [f"{mine['kcp.io/cluster']}:both", identifier]
    assert (made["status"]["phase"], made["status"]["initializers"]) == ("Initializing", names)
    inside = enter(houses, made)
    row = inside.get(CLUSTER)
    assert (row["spec"]["initializers"], row["status"]["initializers"]) == (names, names)
    assert "InitializerExists" in said(row)
    patch(inside, f"{CLUSTER}/status", {"status": {"initializers": [identifier]}})
    assert types.get(f"{WORKSPACES}/held")["status"]["initializers"] == [identifier]
    assert inside.ask("PATCH", CLUSTER, {"spec": {"initializers": []}}, content_type=MERGE).status_code == 403
    done = patch(inside, f"{CLUSTER}/status", {"status": {"initializers": []}})
    shown = types.get(f"{WORKSPACES}/held")
    assert (done["status"]["phase"], shown["status"]["phase"]) == ("Ready", "Ready")
    assert shown["metadata"]["labels"]["tenancy.kcp.io/phase"] == "Ready"
    # What is done stays done.
    again = inside.ask("PATCH", f"{CLUSTER}/status", {"status": {"initializers": names}}, content_type=MERGE)
    assert again.status_code == 403


def test_a_workspace_goes_with_all_beneath_it(houses: Houses, root: Door) -> None:
    """Children, their children and content: nothing is left, and the names are free again."""
    name = unique("tree")
    made = root.post(WORKSPACES, workspace(name, "organization"))
    clusters = [made["spec"]["cluster"]]
    top = enter(houses, made)
    for child in range(5):
        below = top.post(WORKSPACES, workspace(f"child-{child}", "universal"))
        clusters.append(below["spec"]["cluster"])
        inside = enter(houses, below)
        inside.post("/api/v1/namespaces", {"metadata": {"name": "more"}})
        inside.post("/api/v1/namespaces/more/configmaps", configmap("content", a="b"))
        clusters.append(inside.post(WORKSPACES, workspace("leaf", "universal"))["spec"]["cluster"])
    assert root.ask("DELETE", f"{WORKSPACES}/{name}").status_code == 200
    wait_gone(root, f"{WORKSPACES}/{name}")
    everywhere = houses.door(houses.server.cluster("*"), "kcp-admin")
    for path in (
        WORKSPACES,
        "/apis/core.kcp.io/v1alpha1/logicalclusters",
        "/api/v1/configmaps",
        "/api/v1/namespaces",
        "/api/v1/serviceaccounts",
        f"{RBAC}/clusterrolebindings",
    ):
        held = {item["metadata"]["annotations"]["kcp.io/cluster"] for item in everywhere.get(path)["items"]}
        assert not held & set(clusters), path
    again = root.post(WORKSPACES, workspace(name, "organization"))
    assert again["spec"]["cluster"] not in clusters
    root.ask("DELETE", f"{WORKSPACES}/{name}")
    wait_gone(root, f"{WORKSPACES}/{name}")


def test_what_a_workspace_owns_goes_after_it(houses: Houses, org: Door) -> None:
    """An object beside a Workspace whose only owner it is has nobody any more."""
    made = org.post(WORKSPACES, workspace("owning", "universal"))
    reference = {
        "apiVersion": made["apiVersion"],
        "kind": made["kind"],
        "name": "owning",
        "uid": made["metadata"]["uid"],
    }
    owned = configmap("owned", a="b")
    owned["metadata"]["ownerReferences"] = [reference]
    org.post(CONFIGMAPS, owned)
    org.post(CONFIGMAPS, configmap("beside", a="b"))
    org.ask("DELETE", f"{WORKSPACES}/owning")
    wait_gone(org, f"{WORKSPACES}/owning")
    wait_gone(org, f"{CONFIGMAPS}/owned")
    assert org.get(f"{CONFIGMAPS}/beside")["data"] == {"a": "b"}


def test_what_blocks_a_deletion_is_told_and_the_owner_keeps_access(houses: Houses, org: Door) -> None:
    """The condition names kinds, counts and finalizers; when they let go, the workspace goes."""
    made = org.post(WORKSPACES, workspace("blocked", "universal"))
    inside = enter(houses, made)
    held = configmap("held", a="b")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    inside.post(CONFIGMAPS, held)
    inside.post(CONFIGMAPS, configmap("free", a="b"))
    org.ask("DELETE", f"{WORKSPACES}/blocked")
    shown = wait_for(org, f"{WORKSPACES}/blocked", "SomeResourcesRemain")
    condition = next(one for one in shown["status"]["conditions"] if one["type"] == "WorkspaceContentDeleted")
    assert condition["status"] == "False"
    assert "configmaps. has 1 resource instances" in condition["message"]
    assert "example.com/hold in 1 resource instances" in condition["message"]
    assert shown["status"]["phase"] == "Deleting"
    assert inside.get(f"{RBAC}/clusterrolebindings/workspace-admin")["metadata"]["name"] == "workspace-admin"
    refused = inside.fails(403, "POST", CONFIGMAPS, configmap("late", a="b"))
    assert "is being deleted" in refused["message"]
    patch(inside, f"{CONFIGMAPS}/held", {"metadata": {"finalizers": None}})
    wait_gone(org, f"{WORKSPACES}/blocked")


def test_terminators_come_before_the_content_goes(houses: Houses, org: Door) -> None:
    """The phase is Terminating while somebody has a part to do, and the content stays as it is."""
    types = enter(houses, org.post(WORKSPACES, workspace("types", "universal")))
    types.post(TYPES, workspace_type("careful", terminator=True))
    made = types.post(WORKSPACES, workspace("kept", "careful"))
    assert made["status"]["phase"] == "Ready"
    inside = enter(houses, made)
    inside.post(CONFIGMAPS, configmap("content", a="b"))
    types.ask("DELETE", f"{WORKSPACES}/kept")
    row = wait_for(inside, CLUSTER, "Terminating")
    assert len(row["status"]["terminators"]) == 1
    assert inside.get(f"{CONFIGMAPS}/content")["data"] == {"a": "b"}
    patch(inside, f"{CLUSTER}/status", {"status": {"terminators": []}})
    wait_gone(types, f"{WORKSPACES}/kept")


def test_what_is_waited_for_beneath_a_workspace_that_goes_is_waited_for(houses: Houses, org: Door) -> None:
    """Small children may go at once, never one with a terminator, a finalizer or an object that is held."""
    made = org.post(WORKSPACES, workspace(unique("waits"), "universal"))
    path = f"{WORKSPACES}/{made['metadata']['name']}"
    top = enter(houses, made)
    top.post(TYPES, workspace_type("careful", terminator=True))
    careful = enter(houses, top.post(WORKSPACES, workspace("careful", "careful")))
    busy = enter(houses, top.post(WORKSPACES, workspace("busy", "universal")))
    held = configmap("held", a="b")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    busy.post(CONFIGMAPS, held)
    pinned = workspace("pinned", "universal")
    pinned["metadata"]["finalizers"] = ["example.com/pin"]
    top.post(WORKSPACES, pinned)
    top.post(WORKSPACES, workspace("free", "universal"))
    assert org.ask("DELETE", path).status_code == 200
    wait_for(careful, CLUSTER, "Terminating")
    wait_for(busy, CLUSTER, "SomeResourcesRemain")
    wait_gone(top, f"{WORKSPACES}/free")
    assert top.get(f"{WORKSPACES}/pinned")["metadata"]["deletionTimestamp"]
    patch(careful, f"{CLUSTER}/status", {"status": {"terminators": []}})
    patch(busy, f"{CONFIGMAPS}/held", {"metadata": {"finalizers": None}})
    wait_gone(top, f"{WORKSPACES}/busy")
    left = top.get(f"{WORKSPACES}/pinned")["metadata"]["finalizers"]
    patch(top, f"{WORKSPACES}/pinned", {"metadata": {"finalizers": [one for one in left if one != "example.com/pin"]}})
    wait_gone(org, path)


def test_a_directly_deletable_cluster_takes_its_workspace_along(houses: Houses, org: Door) -> None:
    """Deleting the LogicalCluster deletes what it exists for."""
    made = org.post(WORKSPACES, workspace("inside-out", "universal"))
    masters = enter(houses, made, "admin")
    patch(masters, CLUSTER, {"spec": {"directlyDeletable": True}})
    assert enter(houses, made).ask("DELETE", CLUSTER).status_code == 200
    wait_gone(org, f"{WORKSPACES}/inside-out")


def test_a_home_is_there_for_who_asks_for_it(houses: Houses) -> None:
    """A user's home is named by the user alone, belongs to the user, and is made when it is asked for."""
    alice = houses.door(houses.server.cluster("root"), "alice")
    home = alice.get(f"{WORKSPACES}/~")
    digest = hashlib.sha224(b"alice").digest()[:8]
    number, name = int.from_bytes(digest, "big"), ""
    while number:
        number, digit = divmod(number, 36)
        name = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + name
    name = "0" * (len(digest) - len(digest.lstrip(b"\0"))) + name
    assert (home["kind"], home["metadata"]["name"], home["status"]["phase"]) == ("Workspace", "cluster", "Ready")
    assert home["spec"]["cluster"] == name
    assert home["spec"]["URL"].endswith(f"/clusters/{name}")
    inside = houses.door(houses.server.cluster(name), "alice")
    inside.post(CONFIGMAPS, configmap("mine", a="b"))
    assert inside.get(CLUSTER)["metadata"]["annotations"]["kcp.io/path"] == "user:alice"
    by_path = houses.door(houses.server.cluster("user:alice"), "alice")
    assert by_path.get(f"{CONFIGMAPS}/mine")["data"] == {"a": "b"}
    assert alice.get(f"{WORKSPACES}/~")["metadata"]["uid"] == home["metadata"]["uid"]
    assert houses.stranger(houses.server.cluster("root")).ask("GET", f"{WORKSPACES}/~").status_code == 403
