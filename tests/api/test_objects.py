"""What happens to objects between their create and their end, seen by the one who writes and by one who watches."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import yaml

from kcp.config import contrib
from tests.api.conftest import CONFIGMAPS, CRDS, Door, configmap
from tests.conformance.scenarios.make import crd
from tests.conformance.scenarios.native_kinds import NATIVES, deployment, pod, service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.conftest import Houses, Json

HOLD = "example.com/hold"
MERGE = "application/merge-patch+json"
BASKETS = "/apis/stable.example.com/v1/namespaces/default/baskets"


@pytest.fixture
def door(houses: Houses) -> Door:
    """Return the administrator's way into a cluster without definitions."""
    return houses.bare


@contextmanager
def watching(door: Door, path: str) -> Iterator[Iterator[tuple[str, Json]]]:
    """Watch a collection from now on; the events are pairs of their type and their object."""
    since = door.get(path)["metadata"]["resourceVersion"]
    with ExitStack() as stack:
        events = door.events(stack, path, since)
        yield ((event["type"], event["object"]) for event in events)


def patch(door: Door, path: str, **body: Json) -> Json:
    """Merge into an object, which must be accepted."""
    answer = door.ask("PATCH", path, body, content_type=MERGE)
    assert answer.status_code == 200, answer.text
    return answer.json()


def revision(item: Json) -> int:
    """Return an object's revision."""
    return int(item["metadata"]["resourceVersion"])


def test_a_delete_is_told_with_the_last_state_and_a_revision_of_its_own(door: Door) -> None:
    """kube-api 3.9.2, 3.9.11: what goes at once was never marked; the answer is a Status that names it."""
    created = door.post(CONFIGMAPS, configmap("brief", a="b"))
    with watching(door, CONFIGMAPS) as events:
        status = door.ask("DELETE", f"{CONFIGMAPS}/brief").json()
        kind, gone = next(events)
    assert (status["kind"], status["status"]) == ("Status", "Success")
    details = {"name": "brief", "kind": "configmaps", "uid": created["metadata"]["uid"]}
    assert status["details"] == details
    assert (kind, gone["data"]) == ("DELETED", {"a": "b"})
    assert revision(gone) > revision(created)
    assert "deletionTimestamp" not in gone["metadata"]


def test_what_is_held_is_marked_first_and_goes_with_its_last_finalizer(door: Door) -> None:
    """kube-api 3.6.8, 3.9.3, 3.9.4, 3.9.11: one MODIFIED, nothing for a second delete, then DELETED with the mark."""
    body = configmap("held", a="b")
    body["metadata"]["finalizers"] = [HOLD]
    door.post(CONFIGMAPS, body)
    with watching(door, CONFIGMAPS) as events:
        marked = door.ask("DELETE", f"{CONFIGMAPS}/held")
        again = door.ask("DELETE", f"{CONFIGMAPS}/held")
        freed = door.ask("PUT", f"{CONFIGMAPS}/held", configmap("held", a="c"))
        assert [answer.status_code for answer in (marked, again, freed)] == [200, 200, 200]
        told = [next(events) for _ in range(2)]
    held = marked.json()["metadata"]
    assert (held["deletionGracePeriodSeconds"], held["finalizers"]) == (0, [HOLD])
    assert revision(again.json()) == revision(marked.json())
    assert (freed.json()["kind"], freed.json()["data"]) == ("ConfigMap", {"a": "c"})
    assert [kind for kind, _ in told] == ["MODIFIED", "DELETED"]
    last = told[1][1]
    # The update was never stored.
    assert (last["data"], last["metadata"]["deletionTimestamp"]) == ({"a": "b"}, held["deletionTimestamp"])
    assert revision(last) > revision(marked.json())
    assert door.ask("GET", f"{CONFIGMAPS}/held").status_code == 404


def test_a_name_that_is_used_again_is_another_object(door: Door) -> None:
    """kube-api 0.6, 4.2.7: a new uid; the time of creation stays through every update, whatever is sent."""
    first = door.post(CONFIGMAPS, configmap("again"))
    sent = {"creationTimestamp": "2001-01-01T00:00:00Z", "labels": {"a": "b"}}
    changed = patch(door, f"{CONFIGMAPS}/again", metadata=sent)
    for field in ("uid", "creationTimestamp"):
        assert changed["metadata"][field] == first["metadata"][field]
    assert door.ask("DELETE", f"{CONFIGMAPS}/again").status_code == 200
    second = door.post(CONFIGMAPS, configmap("again"))
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


def test_a_write_of_nothing_is_told_to_nobody(door: Door) -> None:
    """kube-api 3.1.17: update, each patch and apply; neither revision nor the times of managers change."""
    door.post(CONFIGMAPS, configmap("still", a="b"))
    one = f"{CONFIGMAPS}/still"
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "still"}, "data": {"a": "b"}}
    apply = {"content_type": "application/apply-patch+yaml"}
    before = door.ask("PATCH", f"{one}?fieldManager=me", applied, **apply).json()
    with watching(door, CONFIGMAPS) as events:
        for answer in (
            door.ask("PUT", one, before),
            door.ask("PATCH", one, {"data": {"a": "b"}}, content_type=MERGE),
            door.ask("PATCH", one, {"data": {"a": "b"}}, content_type="application/strategic-merge-patch+json"),
            door.ask(
                "PATCH",
                one,
                [{"op": "replace", "path": "/data/a", "value": "b"}],
                content_type="application/json-patch+json",
            ),
            door.ask("PATCH", f"{one}?fieldManager=me", applied, **apply),
        ):
            assert (answer.status_code, answer.json()) == (200, before)
        door.post(CONFIGMAPS, configmap("next"))
        assert next(events)[1]["metadata"]["name"] == "next"


def test_a_dry_run_is_told_to_nobody(door: Door) -> None:
    """kube-api 3.1.7, 3.9.10: create, update, patch and delete answer as if and change nothing."""
    stored = door.post(CONFIGMAPS, configmap("real", a="b"))
    one = f"{CONFIGMAPS}/real"
    with watching(door, CONFIGMAPS) as events:
        made = door.ask("POST", f"{CONFIGMAPS}?dryRun=All", configmap("dream"))
        assert (made.status_code, "resourceVersion" in made.json()["metadata"]) == (201, False)
        assert made.json()["metadata"]["uid"]
        updated = door.ask("PUT", f"{one}?dryRun=All", configmap("real", a="c"))
        assert (updated.json()["data"], revision(updated.json())) == ({"a": "c"}, revision(stored))
        patched = door.ask("PATCH", f"{one}?dryRun=All", {"data": {"d": "e"}}, content_type=MERGE)
        assert patched.json()["data"] == {"a": "b", "d": "e"}
        assert door.ask("DELETE", f"{one}?dryRun=All").json()["status"] == "Success"
        collection = f"{CONFIGMAPS}?dryRun=All&fieldSelector=metadata.name%3Dreal"
        assert len(door.ask("DELETE", collection).json()["items"]) == 1
        door.post(CONFIGMAPS, configmap("next"))
        assert next(events)[1]["metadata"]["name"] == "next"
    assert door.get(one) == stored


def test_names_are_judged_when_objects_are_made(door: Door) -> None:
    """kube-api 4.1.8: under a name that nobody can have there is nothing, which is all that other verbs say."""
    one = f"{CONFIGMAPS}/Not_a_name"
    assert door.ask("POST", CONFIGMAPS, configmap("Not_a_name")).status_code == 422
    for method, body in (("GET", None), ("PUT", configmap("Not_a_name")), ("DELETE", None)):
        assert door.ask(method, one, body).status_code == 404
    assert door.ask("PATCH", one, {"data": {}}, content_type=MERGE).status_code == 404


def test_definitions_are_listed_and_watched_as_any_kind(door: Door) -> None:
    """kube-api 5.1.14, 5.2.2, 5.2.9: established and named at once; changes and the end are told in order."""
    with watching(door, CRDS) as events:
        created = door.post(CRDS, crd("baskets", "Basket"))
        one = f"{CRDS}/baskets.stable.example.com"
        patch(door, one, metadata={"labels": {"a": "b"}})
        assert door.ask("DELETE", one).status_code == 200
        told = [next(events)]
        while told[-1][0] != "DELETED":
            told.append(next(events))
    assert {kind for kind, _ in told[1:-1]} == {"MODIFIED"}
    assert told[0][0] == "ADDED"
    assert [revision(item) for _, item in told] == sorted(revision(item) for _, item in told)
    assert created["status"].keys() == {"conditions", "acceptedNames", "storedVersions"}
    established = {each["type"]: each for each in told[0][1]["status"]["conditions"]}["Established"]
    assert (established["status"], established["reason"]) == ("True", "InitialNamesAccepted")
    assert all(item["kind"] == "CustomResourceDefinition" for _, item in told)
    assert door.get(CRDS)["items"] == []


def test_items_name_their_kind_where_a_kube_apiserver_lets_them(door: Door) -> None:
    """kube-api 0.1: in lists items of built-in and native kinds do not, custom resources do; in watches all do."""
    for name in NATIVES:
        door.post(CRDS, yaml.safe_load(contrib()[name]))
    door.post(CRDS, crd("baskets", "Basket"))
    basket = {"apiVersion": "stable.example.com/v1", "kind": "Basket", "metadata": {"name": "one"}}
    collections = {
        CONFIGMAPS: (configmap("one"), False),
        "/apis/apps/v1/namespaces/default/deployments": (deployment("one"), False),
        "/api/v1/namespaces/default/services": (service("one", type="ExternalName", externalName="a.b"), False),
        "/api/v1/namespaces/default/pods": (pod("one"), False),
        BASKETS: (basket, True),
    }
    for path, (body, named) in collections.items():
        with watching(door, path) as events:
            created = door.post(path, body)
            told = next(events)[1]
        header = {"kind": created["kind"], "apiVersion": created["apiVersion"]}
        assert {field: told.get(field) for field in header} == header
        for query in ("?limit=1&fieldSelector=metadata.name%3Done", "?pretty=true&fieldSelector=metadata.name%3Done"):
            found = door.get(path + query)
            assert (found["kind"], found["apiVersion"]) == (f"{header['kind']}List", header["apiVersion"])
            assert {field for field in header if field in found["items"][0]} == (set(header) if named else set())
            assert ("continue" in found["metadata"]) is named
        removed = door.ask("DELETE", f"{path}?fieldSelector=metadata.name%3Done").json()
        assert ("kind" in removed["items"][0]) is named


def test_conditions_of_others_stay_in_a_definition(door: Door) -> None:
    """kube-api 5.1.12, 5.1.13: also under no name at all; the main endpoint leaves the status alone."""
    created = door.post(CRDS, crd("baskets", "Basket"))
    one = f"{CRDS}/baskets.stable.example.com"
    added = [{"type": kind, "status": "True", "reason": "Told", "message": "Told."} for kind in ("Strange", "")]
    body = {**created, "status": {**created["status"], "conditions": [*created["status"]["conditions"], *added]}}
    answer = door.ask("PUT", f"{one}/status", body)
    assert answer.status_code == 200, answer.text
    changed = patch(door, one, status={"conditions": []}, metadata={"labels": {"a": "b"}})
    conditions = {each["type"]: each["status"] for each in changed["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True", "Strange": "True", "": "True"}
    assert door.ask("GET", BASKETS).status_code == 200


@pytest.mark.parametrize(
    ("annotation", "status", "reason"),
    [
        ("https://github.com/kubernetes/kubernetes/pull/78458", "True", "ApprovedAnnotation"),
        ("unapproved, for a test", "False", "UnapprovedAnnotation"),
    ],
)
def test_groups_of_kubernetes_need_an_approval(door: Door, annotation: str, status: str, reason: str) -> None:
    """kube-api 5.1.10, 5.2.3: and what it says is told; other groups say nothing of it."""
    definition = crd("baskets", "Basket")
    definition["spec"]["group"] = "stable.k8s.io"
    definition["metadata"] = {"name": "baskets.stable.k8s.io"}
    assert door.ask("POST", CRDS, definition).status_code == 422
    definition["metadata"]["annotations"] = {"api-approved.kubernetes.io": annotation}
    created = door.post(CRDS, definition)
    told = {each["type"]: (each["status"], each["reason"]) for each in created["status"]["conditions"]}
    assert told["KubernetesAPIApprovalPolicyConformant"] == (status, reason)
    other = door.post(CRDS, crd("baskets", "Basket"))
    assert "KubernetesAPIApprovalPolicyConformant" not in {each["type"] for each in other["status"]["conditions"]}
