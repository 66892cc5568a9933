"""Nothing of one logical cluster shows in another, on any way a client can look."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack

import pytest

from tests.api.conftest import (
    AGGREGATED,
    ALICE,
    CONFIGMAPS,
    CRD,
    CRDS,
    GROUP,
    LEFT,
    RBAC,
    ROBOT,
    WIDGETS,
    Door,
    Houses,
    Json,
    bind,
    configmap,
    widget,
)


def test_objects_of_one_name_live_apart(houses: Houses) -> None:
    left, right = houses.left, houses.right
    mine = left.post(WIDGETS, widget("one", size=3))
    other = right.post(WIDGETS, widget("one", colour="red"))
    assert mine["metadata"]["uid"] != other["metadata"]["uid"]
    assert left.get(f"{WIDGETS}/one")["spec"] == {"size": 3}
    assert right.get(f"{WIDGETS}/one")["spec"] == {"colour": "red"}

    left.post(WIDGETS, widget("only-left", size=1))
    assert [item["metadata"]["name"] for item in right.get(WIDGETS)["items"]] == ["one"]
    houses.right.fails(404, "GET", f"{WIDGETS}/only-left")
    assert houses.bare.ask("GET", f"{WIDGETS}/one").status_code == 404

    conflict = right.fails(409, "DELETE", f"{WIDGETS}/one", {"preconditions": {"uid": mine["metadata"]["uid"]}})
    assert conflict["reason"] == "Conflict"
    assert left.ask("DELETE", f"{WIDGETS}/one").status_code == 200
    assert right.get(f"{WIDGETS}/one")["metadata"] == other["metadata"]


def test_a_schema_of_one_name_and_version_rules_in_its_own_cluster_only(houses: Houses) -> None:
    wrong = houses.left.fails(422, "POST", WIDGETS, widget("bad", size="big"))
    assert "spec.size in body must be of type integer" in wrong["message"]
    wrong = houses.right.fails(422, "POST", WIDGETS, widget("bad", colour=7))
    assert "spec.colour in body must be of type string" in wrong["message"]
    assert "size" not in wrong["message"]

    assert houses.right.post(WIDGETS, widget("pruned", size="big"))["spec"] == {}
    strict = houses.right.fails(400, "POST", f"{WIDGETS}?fieldValidation=Strict", widget("strict", size=1))
    assert 'unknown field "spec.size"' in strict["message"]


def test_a_version_of_one_cluster_is_not_found_in_another_in_the_same_words(houses: Houses) -> None:
    houses.right.post(WIDGETS, widget("one", colour="red"))
    path = WIDGETS.replace("/v1/", "/v2/")
    assert houses.right.get(f"{path}/one")["apiVersion"] == f"{GROUP}/v2"
    unserved = [houses.left.ask("GET", f"{path}/one"), houses.bare.ask("GET", f"{path}/one")]
    assert [answer.status_code for answer in unserved] == [404, 404]
    assert unserved[0].text == unserved[1].text


def test_plain_discovery_lists_what_its_own_cluster_serves(houses: Houses) -> None:
    versions = {}
    for name, door in (("left", houses.left), ("right", houses.right)):
        versions[name] = [version["version"] for version in door.get(f"/apis/{GROUP}")["versions"]]
        resources = door.get(f"/apis/{GROUP}/v1")["resources"]
        assert [entry["shortNames"] for entry in resources] == [["lw" if name == "left" else "rw"]]
        listed = {group["name"]: group for group in door.get("/apis")["groups"]}
        assert [version["version"] for version in listed[GROUP]["versions"]] == versions[name]
    assert versions == {"left": ["v1"], "right": ["v2", "v1"]}
    assert houses.left.ask("GET", f"/apis/{GROUP}/v2").status_code == 404
    assert houses.bare.ask("GET", f"/apis/{GROUP}").status_code == 404
    assert GROUP not in houses.bare.ask("GET", "/apis").text


def test_aggregated_discovery_lists_what_its_own_cluster_serves(houses: Houses) -> None:
    tags = set()
    for door, versions, short in ((houses.left, ["v1"], "lw"), (houses.right, ["v2", "v1"], "rw")):
        answer = door.ask("GET", "/apis", accept=AGGREGATED)
        assert "as=APIGroupDiscoveryList" in answer.headers["content-type"]
        (group,) = [item for item in answer.json()["items"] if item["metadata"]["name"] == GROUP]
        assert [entry["version"] for entry in group["versions"]] == versions
        names = [entry["shortNames"] for served in group["versions"] for entry in served["resources"]]
        assert names == [[short]] * len(versions)
        tags.add(answer.headers["etag"])
    answer = houses.bare.ask("GET", "/apis", accept=AGGREGATED)
    assert GROUP not in answer.text
    tags.add(answer.headers["etag"])
    assert len(tags) == 3
    # A tag of one cluster is stale in another.
    for tag in tags - {answer.headers["etag"]}:
        assert houses.bare.ask("GET", "/apis", accept=AGGREGATED, if_none_match=tag).status_code == 200


def test_openapi_v2_describes_its_own_cluster(houses: Houses) -> None:
    found = {}
    tags = []
    for name, door in (("left", houses.left), ("right", houses.right), ("bare", houses.bare)):
        answer = door.ask("GET", "/openapi/v2", accept="application/json")
        document = answer.json()
        tags.append(answer.headers["etag"])
        ours = {key: value for key, value in document["definitions"].items() if "isolation" in key}
        found[name] = {
            key: sorted(value["properties"]["spec"]["properties"])
            for key, value in ours.items()
            if "spec" in value.get("properties", {})
        }
        paths = [path for path in document["paths"] if GROUP in path]
        assert bool(paths) == (name != "bare")
        assert any(f"{GROUP}/v2" in path for path in paths) == (name == "right")
    one = "com.example.isolation"
    assert found == {
        "left": {f"{one}.v1.Widget": ["size"]},
        "right": {f"{one}.v1.Widget": ["colour"], f"{one}.v2.Widget": ["colour"]},
        "bare": {},
    }
    assert len(set(tags)) == 3
    stale = houses.right.ask("GET", "/openapi/v2", accept="application/json", if_none_match=tags[0])
    assert stale.status_code == 200


def test_openapi_v3_describes_its_own_cluster(houses: Houses) -> None:
    indexes = [door.get("/openapi/v3")["paths"] for door in (houses.left, houses.right, houses.bare)]
    ours = [{path for path in index if f"{GROUP}/" in path} for index in indexes]
    assert ours == [{f"apis/{GROUP}/v1"}, {f"apis/{GROUP}/v1", f"apis/{GROUP}/v2"}, set()]
    assert not any(GROUP in path for path in indexes[2])
    where = f"apis/{GROUP}/v1"
    assert indexes[0][where] != indexes[1][where]  # the address carries a hash of the content
    fields = []
    for door in (houses.left, houses.right):
        schemas = door.get(f"/openapi/v3/{where}")["components"]["schemas"]
        fields.append(sorted(schemas["com.example.isolation.v1.Widget"]["properties"]["spec"]["properties"]))
    assert fields == [["size"], ["colour"]]
    assert houses.left.ask("GET", f"/openapi/v3/apis/{GROUP}/v2").status_code == 404
    assert houses.bare.ask("GET", f"/openapi/v3/{where}").status_code == 404


def may(door: Door, resource: str, group: str = "") -> bool:
    """Ask the server whether the caller may list a resource."""
    attributes = {"verb": "list", "resource": resource, "group": group, "namespace": "default"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    allowed = door.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)["status"]["allowed"]
    assert isinstance(allowed, bool)
    return allowed


def test_a_user_bound_in_one_cluster_has_nothing_in_another(houses: Houses) -> None:
    bind(houses.left, ALICE, ["get", "list"], ["widgets", "configmaps"])
    bind(houses.right, {**ALICE, "name": "bob"}, ["*"], ["*"])
    left, right = houses.door(houses.left_url, "alice"), houses.door(houses.right_url, "alice")
    assert left.get(WIDGETS)["items"] == []
    assert may(left, "widgets", GROUP)
    for path in (WIDGETS, CONFIGMAPS, "/api/v1/namespaces", f"{RBAC}/clusterroles"):
        refused = right.fails(403, "GET", path)
        assert refused["reason"] == "Forbidden"
        assert "readers" not in refused["message"]
    # The rules of the same name in the other cluster do not add up either.
    left.fails(403, "POST", CONFIGMAPS, configmap("no"))
    left.fails(403, "GET", "/api/v1/namespaces/default/secrets")


def test_a_role_taken_away_in_one_cluster_stays_in_another(houses: Houses) -> None:
    for door in (houses.left, houses.right):
        bind(door, ALICE, ["list"], ["configmaps"])
    left, right = houses.door(houses.left_url, "alice"), houses.door(houses.right_url, "alice")
    assert left.ask("GET", CONFIGMAPS).status_code == right.ask("GET", CONFIGMAPS).status_code == 200
    houses.left.ask("DELETE", f"{RBAC}/clusterrolebindings/readers")
    assert [left.ask("GET", CONFIGMAPS).status_code, right.ask("GET", CONFIGMAPS).status_code] == [403, 200]


def test_a_token_of_a_same_named_service_account_is_refused_elsewhere(houses: Houses) -> None:
    for door in (houses.left, houses.right):
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
        door.post("/api/v1/namespaces/default/serviceaccounts", account)
        bind(door, ROBOT, ["get", "list"], ["configmaps"])
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    token = houses.left.post(path, request)["status"]["token"]

    assert houses.door(houses.left_url, token).ask("GET", CONFIGMAPS).status_code == 200
    for url in (houses.right_url, houses.bare_url, houses.server.cluster("*"), houses.server.cluster("never-used")):
        assert houses.door(url, token).fails(401, "GET", CONFIGMAPS)["reason"] == "Unauthorized"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    assert houses.left.post(path, review)["status"]["authenticated"] is True
    assert not houses.right.post(path, review)["status"].get("authenticated", False)


@pytest.mark.parametrize("path", [CONFIGMAPS, WIDGETS, CRDS])
def test_a_watch_of_one_cluster_brings_nothing_of_another(houses: Houses, path: str) -> None:
    left, right = houses.left, houses.right
    bodies = {
        CONFIGMAPS: configmap("news"),
        WIDGETS: widget("news"),
        CRDS: json.loads(json.dumps(LEFT).replace("widget", "gadget").replace("Widget", "Gadget")),
    }
    with ExitStack() as stack:
        # The position of one cluster's list is good in the other, revisions being the store's.
        events = right.events(stack, path, left.get(path)["metadata"]["resourceVersion"])
        mine = left.post(path, bodies[path])
        left.ask("DELETE", f"{path}/{mine['metadata']['name']}")
        other = right.post(path, bodies[path])
        first = next(events)
        assert (first["type"], first["object"]["metadata"]["uid"]) == ("ADDED", other["metadata"]["uid"])


def test_deleting_a_definition_ends_nothing_in_another_cluster(houses: Houses) -> None:
    houses.left.post(WIDGETS, widget("one", size=3))
    kept = houses.right.post(WIDGETS, widget("one", colour="red"))
    with ExitStack() as stack:
        events = houses.right.events(stack, WIDGETS, kept["metadata"]["resourceVersion"])
        gone = houses.left.events(stack, CRDS, houses.left.get(CRDS)["metadata"]["resourceVersion"])
        assert houses.left.ask("DELETE", CRD).status_code == 200
        while next(gone)["type"] != "DELETED":
            pass
        assert houses.left.ask("GET", WIDGETS).status_code == 404
        assert houses.right.get(f"{WIDGETS}/one") == kept
        houses.right.post(WIDGETS, widget("two", colour="blue"))
        assert next(events)["object"]["metadata"]["name"] == "two"
    # What comes back under the name in the left cluster is empty.
    houses.left.post(CRDS, LEFT)
    assert houses.left.get(WIDGETS)["items"] == []


def test_a_continue_token_of_one_cluster_shows_nothing_of_it_in_another(houses: Houses) -> None:
    for name in ("a", "b", "c"):
        houses.left.post(CONFIGMAPS, configmap(f"left-{name}"))
        houses.right.post(CONFIGMAPS, configmap(f"right-{name}"))
    token = houses.left.get(f"{CONFIGMAPS}?limit=2")["metadata"]["continue"]
    answer = houses.right.ask("GET", f"{CONFIGMAPS}?limit=2&continue={token}")
    assert "left-" not in answer.text
    assert answer.status_code in {200, 400}


@pytest.mark.parametrize("user", ["admin", "kcp-admin"])
def test_a_wildcard_watch_sees_every_cluster_and_says_which(houses: Houses, user: str) -> None:
    everywhere = houses.door(houses.server.cluster("*"), user)
    names = {url.rpartition("/")[2] for url in (houses.left_url, houses.right_url)}
    with ExitStack() as stack:
        since = everywhere.get("/api/v1/configmaps")["metadata"]["resourceVersion"]
        events = everywhere.events(stack, "/api/v1/configmaps", since)
        houses.left.post(CONFIGMAPS, configmap("seen"))
        houses.right.post(CONFIGMAPS, configmap("seen"))
        found = [next(events)["object"]["metadata"] for _ in range(2)]
    assert {metadata["annotations"]["kcp.io/cluster"] for metadata in found} == names
    assert {metadata["name"] for metadata in found} == {"seen"}
    refused = everywhere.fails(405, "POST", CONFIGMAPS, configmap("nowhere"))
    assert refused["reason"] == "MethodNotAllowed"


def test_many_clusters_asked_at_once_do_not_mix(houses: Houses) -> None:
    """Requests interleave on one connection pool; each answer is of the cluster that was asked."""
    houses.left.post(WIDGETS, widget("one", size=3))
    houses.right.post(WIDGETS, widget("one", colour="red"))
    wrong: list[str] = []

    def ask(door: Door, wanted: Json) -> None:
        for _ in range(50):
            answer = door.ask("GET", f"{WIDGETS}/one")
            found = answer.json()["spec"] if answer.is_success else answer.status_code
            if found != wanted:
                wrong.append(f"{door.base}: {found}")

    pairs = ((houses.left, {"size": 3}), (houses.right, {"colour": "red"}), (houses.bare, 404))
    threads = [threading.Thread(target=ask, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
