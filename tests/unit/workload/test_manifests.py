"""What is installed in a physical cluster, and when it is replaced or taken away."""

from __future__ import annotations

import base64
import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest

from kcp.client.status import StatusError
from kcp.workload.install import install, is_running, remove
from kcp.workload.manifests import REGISTRATION, Installation, is_current, manifests, rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kcp.client.session import Session

Object = dict[str, Any]
WANTED = Installation(
    cluster="2abc",
    name="East.1",
    uid="u-1",
    image="syncer:1",
    kubeconfig="the kubeconfig",
    resources=("deployments.apps",),
)


class Cluster:
    """A physical cluster that keeps what is applied; `held` waits for finalizers when it is deleted."""

    def __init__(self, *held: str) -> None:
        self.objects: dict[str, Object] = {}
        self.held = held
        self.applied: list[str] = []

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        if path not in self.objects:
            raise StatusError({"code": 404, "reason": "NotFound"})
        return self.objects[path]

    async def apply(self, path: str, body: Object, *, manager: str, force: bool) -> Object:
        self.applied.append(body["kind"])
        self.objects[path] = {**body, "metadata": {**body["metadata"], "uid": f"uid of {path}"}}
        return self.objects[path]

    async def delete(self, path: str, *, uid: str) -> Object:
        found = self.objects[path]
        assert found["metadata"]["uid"] == uid
        if found["kind"] in self.held:
            found["metadata"]["deletionTimestamp"] = "now"
            return found
        del self.objects[path]
        return {"kind": "Status", "status": "Success"}


def session(cluster: Cluster) -> Session:
    return cluster  # type: ignore[return-value] # its verbs that are used here


def test_names_are_labels_and_differ_between_registrations() -> None:
    names = {
        wanted.identity
        for wanted in (
            WANTED,
            dataclasses.replace(WANTED, name="east-1"),
            dataclasses.replace(WANTED, cluster="other"),
            dataclasses.replace(WANTED, uid="u-2"),
        )
    }
    assert len(names) == 4
    names.add(dataclasses.replace(WANTED, name="x" * 253).identity)
    names.add(dataclasses.replace(WANTED, name="...").identity)
    assert all(re.fullmatch(r"kcp-syncer(-[a-z0-9]+)+", name) and len(name) <= 63 for name in names)


def test_secrets_stand_in_the_secret_alone() -> None:
    parts = manifests(WANTED)
    assert [part.body["kind"] for part in parts if "the kubeconfig" in str(part.body)] == []
    [secret] = [part.body for part in parts if part.body["kind"] == "Secret"]
    assert base64.b64decode(secret["data"]["kubeconfig"]) == b"the kubeconfig"
    assert "the kubeconfig" not in repr(WANTED)


def test_the_role_has_what_the_syncer_asks_for_and_no_more() -> None:
    verbs = ["create", "delete", "get", "list", "patch", "watch"]
    assert rules(("deployments.apps", "services.core")) == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create", "get", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps", "secrets", "services"], "verbs": verbs},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": verbs},
    ]


async def test_what_is_there_is_left_and_what_differs_or_is_missing_is_applied() -> None:
    cluster = Cluster()
    assert await install(session(cluster), WANTED)
    everything = ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Secret", "Deployment"]
    assert cluster.applied == everything
    assert not await install(session(cluster), WANTED)
    for change in ({"image": "syncer:2"}, {"kubeconfig": "other"}, {"resources": ("services",)}):
        cluster.applied.clear()
        assert await install(session(cluster), dataclasses.replace(WANTED, **change))
        assert cluster.applied == everything
        assert await install(session(cluster), WANTED)
    del cluster.objects[next(path for path in cluster.objects if "clusterrolebindings" in path)]
    assert await install(session(cluster), WANTED)


def test_somebody_elses_image_is_not_current() -> None:
    deployment = manifests(WANTED)[-1].body
    assert is_current(deployment, WANTED)
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    assert not is_current(deployment, WANTED)
    assert not is_current(None, WANTED)


async def test_everything_is_removed_and_nothing_of_others() -> None:
    cluster = Cluster("Namespace", "ClusterRoleBinding")
    other = dataclasses.replace(WANTED, uid="u-2")
    await install(session(cluster), WANTED)
    await install(session(cluster), other)
    assert not await remove(session(cluster), WANTED)
    assert not await remove(session(cluster), WANTED)  # waits for finalizers still
    held = [path for path, found in cluster.objects.items() if "deletionTimestamp" in found["metadata"]]
    assert len(held) == 2
    for path in held:
        del cluster.objects[path]
    assert await remove(session(cluster), WANTED)
    assert not await install(session(cluster), other)
    role = next(path for path in cluster.objects if path.endswith(f"clusterroles/{other.identity}"))
    del cluster.objects[role]["metadata"]["labels"]
    await remove(session(cluster), other)
    assert role in cluster.objects


async def test_an_object_held_by_finalizers_is_left_whatever_goes_after_it() -> None:
    cluster = Cluster("ClusterRoleBinding")
    await install(session(cluster), WANTED)
    path = next(path for path in cluster.objects if path.endswith(f"/namespaces/{WANTED.identity}"))
    del cluster.objects[path]
    assert not await remove(session(cluster), WANTED)


@pytest.mark.parametrize(
    ("pods", "running"),
    [
        ([], False),
        ([("Running", "True")], True),
        ([("Running", "False")], False),
        ([("Pending", "True")], False),
        ([("Running", "True"), ("Running", "True")], False),
    ],
)
def test_one_pod_that_runs_and_is_ready_is_a_syncer(pods: list[tuple[str, str]], running: bool) -> None:
    found = [
        {"metadata": {"name": "x"}, "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}}
        for phase, ready in pods
    ]
    ending = {"metadata": {"labels": {REGISTRATION: "x"}, "deletionTimestamp": "now"}, "status": {"phase": "Running"}}
    assert is_running(found) is running
    assert is_running([*found, ending]) is running
