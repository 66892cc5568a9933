"""What workspaces, their types and logical clusters refuse, in which words, and that nothing is written then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.conftest import CONFIGMAPS, CRDS, Door, configmap
from tests.api.test_workspaces import CLUSTER, MERGE, TYPES, WORKSPACES, enter, patch, workspace, workspace_type

if TYPE_CHECKING:
    from tests.api.conftest import Houses, Json


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (workspace("x", "nowhere"), "workspace type nowhere cannot be found"),
        (workspace("x", "universal", "root:no:such"), "workspace type root:no:such:universal cannot be found"),
        (workspace("x", "root"), "workspace type root:root cannot have any parent"),
        (workspace("x", "team"), "only allows [root:organization, root:team]"),
        (workspace("x", cluster="abc"), "spec.cluster can only be set by system privileged users"),
        (workspace("x", URL="https://elsewhere"), "spec.URL can only be set by system privileged users"),
    ],
)
def test_what_may_not_be_is_refused(root: Door, body: Json, text: str) -> None:
    """Unknown types, forbidden parents and fields that the server sets are 403 in words, and nothing is written."""
    refused = root.fails(403, "POST", WORKSPACES, body)
    assert text in refused["message"]
    root.fails(404, "GET", f"{WORKSPACES}/x")


@pytest.mark.parametrize("name", ["UPPER", "under_score", "-dash", "a.b", "x" * 64])
def test_invalid_names_are_told(root: Door, name: str) -> None:
    """A workspace's name is a word of a path."""
    assert "metadata.name" in root.fails(422, "POST", WORKSPACES, workspace(name))["message"]


@pytest.mark.parametrize("name", ["UPPER", "under_score", "-dash", "dash-", "a.b", "x" * 64])
def test_invalid_names_of_types_are_told(org: Door, name: str) -> None:
    """A type's name is a word of a path, too."""
    assert "metadata.name" in org.fails(422, "POST", TYPES, workspace_type(name))["message"]


@pytest.mark.parametrize("name", ["", "UPPER", "under_score", "1digit"])
def test_invalid_names_of_types_are_told_in_workspaces(org: Door, name: str) -> None:
    """A reference to a type that cannot be is refused by its field."""
    refused = org.fails(422, "POST", WORKSPACES, workspace("x", type={"name": name, "path": "root"}))
    assert "spec.type.name" in refused["message"]


def test_a_type_without_children_has_none(houses: Houses, org: Door) -> None:
    """The limit of the parent's type, none and list, is told with both types."""
    types = enter(houses, org.post(WORKSPACES, workspace("types", "universal")))
    path = types.get(CLUSTER)["metadata"]["annotations"]["kcp.io/path"]
    types.post(TYPES, workspace_type("barren", limitAllowedChildren={"none": True}))
    inside = enter(houses, types.post(WORKSPACES, workspace("barren", "barren")))
    refused = inside.fails(403, "POST", WORKSPACES, workspace("x", "universal"))
    assert f"workspace type {path}:barren cannot have any child" in refused["message"]
    inside.fails(404, "GET", f"{WORKSPACES}/x")
    types.post(TYPES, workspace_type("picky", limitAllowedParents={"types": [{"name": "barren", "path": path}]}))
    refused = types.fails(403, "POST", WORKSPACES, workspace("x", "picky"))
    assert f"only allows [{path}:barren]" in refused["message"]
    itself = {"with": [{"name": "itself", "path": path}]}
    refused = types.fails(403, "POST", TYPES, workspace_type("itself", extend=itself))
    assert f"{path}:itself" in refused["message"]


def test_children_are_of_the_types_that_their_parent_allows(houses: Houses, org: Door) -> None:
    """A type counts as what it extends; what a parent's type does not list is refused."""
    team = org.post(WORKSPACES, workspace("team", "team"))
    assert team["spec"]["type"]["name"] == "team"
    assert "cannot have any parent" in org.fails(403, "POST", WORKSPACES, workspace("home", "home"))["message"]
    inside = enter(houses, team)
    refused = inside.fails(403, "POST", WORKSPACES, workspace("org", "organization"))
    assert "root:organization only allows [root:root]" in refused["message"]
    child = inside.post(WORKSPACES, workspace("below"))
    assert child["spec"]["type"]["name"] == "universal"
    assert child["spec"]["URL"].endswith(":team:below")


def test_types_that_cannot_be_are_refused(houses: Houses, org: Door) -> None:
    """Circles, missing types, references without a path and what a later release brings are told by name."""
    inside = enter(houses, org.post(WORKSPACES, workspace("types", "universal")))
    path = inside.get(CLUSTER)["metadata"]["annotations"]["kcp.io/path"]
    inside.post(TYPES, workspace_type("one"))
    inside.post(TYPES, workspace_type("two", extend={"with": [{"name": "one", "path": path}]}))
    answer = inside.ask(
        "PATCH", f"{TYPES}/one", {"spec": {"extend": {"with": [{"name": "two", "path": path}]}}}, content_type=MERGE
    )
    assert answer.status_code == 403
    assert f"in a circle: {path}:one -> {path}:two -> {path}:one" in answer.json()["message"]

    def refused(name: str, **spec: Json) -> str:
        message: str = inside.fails(403, "POST", TYPES, workspace_type(name, **spec))["message"]
        return message

    missing = {"with": [{"name": "missing", "path": path}]}
    assert f"workspace type {path}:missing" in refused("lost", extend=missing)
    assert 'the path of type "universal" is required' in refused(
        "bare", defaultChildWorkspaceType={"name": "universal"}
    )
    assert "not served by this release" in refused("bound", defaultAPIBindings=[{"path": "root", "export": "today"}])
    assert "belongs to the type of the logical cluster root" in refused("root")
    both = {"none": True, "types": [{"name": "universal", "path": "root"}]}
    answer = inside.fails(422, "POST", TYPES, workspace_type("both", limitAllowedChildren=both))
    assert "exactly one of none and types has to be set" in answer["message"]
    for name in ("any", "system"):
        assert "is reserved" in inside.fails(422, "POST", TYPES, workspace_type(name))["message"]


def test_what_the_server_says_of_a_workspace_cannot_be_changed(houses: Houses, org: Door) -> None:
    """Cluster, URL, type, provenance and the finalizer are the server's."""
    made = org.post(WORKSPACES, workspace("fixed", "universal"))
    path = f"{WORKSPACES}/fixed"
    for body, text in (
        ({"spec": {"cluster": "other"}}, "cluster"),
        ({"spec": {"URL": "https://elsewhere"}}, "URL"),
        ({"spec": {"type": {"name": "team"}}}, "name is immutable"),
        ({"metadata": {"finalizers": []}}, "core.kcp.io/logicalcluster"),
        ({"metadata": {"annotations": {"experimental.tenancy.kcp.io/owner": "{}"}}}, "owner"),
    ):
        answer = org.ask("PATCH", path, body, content_type=MERGE)
        assert answer.status_code in (403, 422), answer.text
        assert text in answer.json()["message"]
    inside = enter(houses, made)
    assert inside.ask("DELETE", CLUSTER).status_code == 403
    for annotation in ("kcp.io/path", "core.kcp.io/max-total-objects", "internal.tenancy.kcp.io/type"):
        body = {"metadata": {"annotations": {annotation: "1"}}}
        assert inside.ask("PATCH", CLUSTER, body, content_type=MERGE).status_code == 403


def test_root_cannot_be_deleted(houses: Houses, root: Door) -> None:
    """Not even by those who may do everything."""
    assert root.ask("DELETE", CLUSTER).status_code == 403
    assert houses.door(houses.server.cluster("root")).ask("DELETE", CLUSTER).status_code == 403


def test_root_goes_by_no_other_way_either(houses: Houses, root: Door) -> None:
    """Neither with all rows, nor by leave, nor by its finalizers."""
    masters = houses.door(houses.server.cluster("root"))
    rows = CLUSTER.rpartition("/")[0]
    for door in (root, masters):
        assert door.ask("DELETE", rows).status_code in (403, 405)
        door.ask("PATCH", CLUSTER, {"spec": {"directlyDeletable": True}}, content_type=MERGE)
        assert door.ask("DELETE", CLUSTER).status_code == 403
        row = door.get(CLUSTER)
        assert "deletionTimestamp" not in row["metadata"]
        assert row["status"]["phase"] == "Ready"
    patch(masters, CLUSTER, {"spec": {"directlyDeletable": None}})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"spec": {"owner": {"name": "other"}}}, "owner"),
        ({"spec": {"createdBy": {"username": "alice"}}}, "createdBy"),
        ({"spec": {"initializers": ["root:other"]}}, "initializers"),
        ({"spec": {"directlyDeletable": True}}, "directlyDeletable"),
        ({"metadata": {"finalizers": []}}, "finalizer"),
        ({"metadata": {"annotations": {"kcp.io/path": "root:elsewhere"}}}, "kcp.io/path"),
        ({"metadata": {"annotations": {"authorization.kcp.io/required-groups": "x"}}}, "required-groups"),
    ],
)
def test_a_logical_cluster_is_not_changed_by_hand(org: Door, body: Json, text: str) -> None:
    """Who owns a workspace does not say what it is, nor who made it."""
    before = org.get(CLUSTER)
    answer = org.ask("PATCH", CLUSTER, body, content_type=MERGE)
    assert answer.status_code in (403, 422), answer.text
    assert text in answer.json()["message"]
    assert org.get(CLUSTER)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    "status",
    [{"phase": "Scheduling"}, {"phase": "Initializing"}, {"phase": "Nonsense"}, {"initializers": ["root:other"]}],
)
def test_a_phase_does_not_go_back(org: Door, status: Json) -> None:
    """Phases come in their order, and what has begun is not initialized again."""
    answer = org.ask("PATCH", f"{CLUSTER}/status", {"status": status}, content_type=MERGE)
    assert answer.status_code in (403, 422), answer.text
    assert org.get(CLUSTER)["status"]["phase"] == "Ready"


def test_logical_clusters_are_made_by_workspaces_alone(org: Door) -> None:
    """Neither a second one beside the own, nor the own once more."""
    rows = CLUSTER.rpartition("/")[0]
    for name, codes in (("cluster", (403, 409)), ("other", (403, 422))):
        body = {"apiVersion": "core.kcp.io/v1alpha1", "kind": "LogicalCluster", "metadata": {"name": name}}
        assert org.ask("POST", rows, body).status_code in codes
    assert [row["metadata"]["name"] for row in org.get(rows)["items"]] == ["cluster"]


def test_an_annotation_does_not_say_where_an_object_is(org: Door) -> None:
    """The logical cluster of an object is the one it was created in."""
    body = configmap("mine", a="b")
    body["metadata"]["annotations"] = {"kcp.io/cluster": "root"}
    made, row = org.post(CONFIGMAPS, body), org.get(CLUSTER)
    own, here = (one["metadata"]["annotations"]["kcp.io/cluster"] for one in (made, row))
    assert own == here != "root"


def test_a_tenant_cannot_define_the_kinds_of_tenancy(org: Door) -> None:
    """What the server itself defines is nobody's to define."""
    schema = {"openAPIV3Schema": {"type": "object"}}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "workspaces.tenancy.kcp.io"},
        "spec": {
            "group": "tenancy.kcp.io",
            "scope": "Cluster",
            "names": {"plural": "workspaces", "kind": "Workspace"},
            "versions": [{"name": "v2", "served": True, "storage": True, "schema": schema}],
        },
    }
    assert "the server itself defines this resource" in org.fails(403, "POST", CRDS, body)["message"]
