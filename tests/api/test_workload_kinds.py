"""Kinds of physical clusters and their APIs, which every logical cluster serves from the start."""

from __future__ import annotations

import json
import urllib.error
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import KcpServer

CLUSTERS = "/apis/workload.kcp.io/v1alpha1/workloadclusters"
APIS = "/apis/apiresource.kcp.io/v1alpha1"
Object = Any
BY_NAME = {"kubeconfigSecretRef": {"namespace": "default", "name": "east"}}
API = {
    "groupVersion": {"group": "apps", "version": "v1"},
    "scope": "Namespaced",
    "plural": "deployments",
    "kind": "Deployment",
    "openAPIV3Schema": {"type": "object", "x-anything": [1, {"a": True}]},
    "subResources": [{"name": "status"}],
}


def put(server: KcpServer, method: str, url: str, body: Object) -> Object:
    return json.loads(server.send(method, url, json.dumps(body).encode()))


def cluster(spec: Object) -> Object:
    return {
        "apiVersion": "workload.kcp.io/v1alpha1",
        "kind": "WorkloadCluster",
        "metadata": {"name": "east"},
        "spec": spec,
    }


def test_a_physical_cluster_is_registered_and_its_status_is_apart(kcp_server: KcpServer) -> None:
    url = kcp_server.new_cluster() + CLUSTERS
    made = put(kcp_server, "POST", url, {**cluster(BY_NAME), "status": {"syncedResources": ["no"]}})
    assert "status" not in made
    assert made["spec"]["unschedulable"] is False
    assert made["spec"]["kubeconfigSecretRef"]["key"] == "kubeconfig"
    status = {
        "capacity": {"cpu": "4", "memory": "1Gi", "pods": 110},
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }
    made = put(kcp_server, "PUT", f"{url}/east/status", {**made, "status": status, "spec": {"kubeconfig": "other"}})
    assert made["status"] == status
    assert made["spec"]["kubeconfigSecretRef"]["name"] == "east"
    everywhere = json.loads(kcp_server.send("GET", f"{kcp_server.cluster('*')}{CLUSTERS}"))["items"]
    assert made["metadata"]["uid"] in {one["metadata"]["uid"] for one in everywhere}
    assert all(one["metadata"]["annotations"]["kcp.io/cluster"] for one in everywhere)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({}, "one of kubeconfig and kubeconfigSecretRef is needed"),
        ({"kubeconfig": "x", **BY_NAME}, "one of kubeconfig and kubeconfigSecretRef is needed"),
        ({"kubeconfig": ""}, "spec.kubeconfig"),
        ({"kubeconfigSecretRef": {"name": "x"}}, "spec.kubeconfigSecretRef.namespace: Required value"),
        ({"kubeconfig": "x", "syncMode": "Both"}, 'supported values: "Push", "Pull", "None"'),
        ({"kubeconfig": "x", "shareWith": "all"}, "spec.shareWith"),
        ({"kubeconfig": "x", "evictAfter": "soon"}, "spec.evictAfter"),
    ],
)
def test_a_registration_that_means_nothing_is_refused(kcp_server: KcpServer, spec: Object, complaint: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        put(kcp_server, "POST", kcp_server.cluster("root") + CLUSTERS, cluster(spec))
    with refused.value as answer:
        assert answer.code == 422
        assert complaint in json.load(answer)["message"]


def test_apis_of_physical_clusters_keep_any_schema(kcp_server: KcpServer) -> None:
    url = kcp_server.new_cluster() + APIS
    for plural, kind, spec in (
        ("apiresourceimports", "APIResourceImport", {**API, "location": "east"}),
        ("negotiatedapiresources", "NegotiatedAPIResource", API),
    ):
        thing = {
            "apiVersion": "apiresource.kcp.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": "deployments.v1.apps", "annotations": {"apiresource.kcp.io/apiVersion": "apps/v1"}},
            "spec": spec,
        }
        made = put(kcp_server, "POST", f"{url}/{plural}", thing)
        assert made["spec"]["openAPIV3Schema"] == API["openAPIV3Schema"]
        condition = {"type": "Nonsense", "status": "True"}
        with pytest.raises(urllib.error.HTTPError) as refused:
            put(
                kcp_server,
                "PUT",
                f"{url}/{plural}/deployments.v1.apps/status",
                {**made, "status": {"conditions": [condition]}},
            )
        refused.value.close()
        assert refused.value.code == 422
