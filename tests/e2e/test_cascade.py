"""kubectl deletes owners, namespaces and definitions, and waits until they are gone (kube-api 7.1.5-7.1.7, 7.2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Client, Clients

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""
WIDGET = """
apiVersion: stable.example.com/v1
kind: Widget
metadata: {name: one}
"""


@pytest.fixture
def kubectl(clients: Clients) -> Client:
    """Return kubectl in a logical cluster of its own."""
    return clients.kubectl(clients.server.new_cluster())


def family(kubectl: Client, *finalizers: str) -> None:
    """Create an owner and a secret that blocks its deletion."""
    kubectl("create", "configmap", "owner")
    owner = kubectl.json("get", "configmap", "owner")["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
    metadata = {
        "name": "child",
        "ownerReferences": [reference | {"blockOwnerDeletion": True}],
        "finalizers": list(finalizers),
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    kubectl("create", "-f", "-", stdin=json.dumps(secret))


def test_background_takes_the_dependents_along(kubectl: Client) -> None:
    family(kubectl)
    kubectl("delete", "configmap", "owner")
    kubectl("wait", "--for=delete", "secret/child", "--timeout=30s")


def test_orphan_leaves_them(kubectl: Client) -> None:
    family(kubectl)
    kubectl("delete", "configmap", "owner", "--cascade=orphan")
    assert "ownerReferences" not in kubectl.json("get", "secret", "child")["metadata"]


def test_foreground_waits_for_them(kubectl: Client) -> None:
    family(kubectl, "example.com/hold")
    kubectl("delete", "configmap", "owner", "--cascade=foreground", "--wait=false")
    kubectl("wait", "--for=jsonpath={.metadata.deletionTimestamp}", "secret/child", "--timeout=30s")
    owner = kubectl.json("get", "configmap", "owner")["metadata"]
    assert owner["finalizers"] == ["foregroundDeletion"]
    kubectl("patch", "secret", "child", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl("wait", "--for=delete", "configmap/owner", "--timeout=30s")


def test_a_namespace_tells_what_holds_it_and_goes(kubectl: Client) -> None:
    kubectl("create", "namespace", "doomed")
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "finalizers": ["example.com/hold"]}}
    kubectl("create", "-n", "doomed", "-f", "-", stdin=json.dumps(held))
    kubectl("delete", "namespace", "doomed", "--wait=false")
    kubectl("wait", "--for=condition=NamespaceFinalizersRemaining", "namespace/doomed", "--timeout=30s")
    assert "example.com/hold in 1 resource instances" in kubectl("describe", "namespace", "doomed")
    refused = kubectl.fails("create", "-n", "doomed", "configmap", "late")
    assert "because it is being terminated" in refused
    kubectl("patch", "-n", "doomed", "configmap", "a", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl("wait", "--for=delete", "namespace/doomed", "--timeout=30s")


def test_a_definition_takes_its_objects_along(kubectl: Client) -> None:
    kubectl("create", "-f", "-", stdin=CRD)
    kubectl("wait", "--for=condition=Established", "crd/widgets.stable.example.com", "--timeout=30s")
    kubectl("create", "-f", "-", stdin=WIDGET)
    kubectl("delete", "crd", "widgets.stable.example.com", "--timeout=30s")
    kubectl("create", "-f", "-", stdin=CRD)
    assert kubectl.json("get", "widgets")["items"] == []
