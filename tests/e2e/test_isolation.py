"""Logical clusters side by side, seen by kubectl: nothing of one shows in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Clients

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: widgets.stable.example.com}}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {{plural: widgets, kind: Widget}}
  versions:
  - name: {version}
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              {field}: {{type: {type}, description: The {field} of it.}}
"""
WIDGET = """
apiVersion: stable.example.com/{version}
kind: Widget
metadata: {{name: one}}
spec: {{{field}: {value}}}
"""


def test_one_crd_name_has_another_version_and_schema_in_another_cluster(clients: Clients) -> None:
    left = clients.kubectl(clients.server.new_cluster())
    right = clients.kubectl(clients.server.new_cluster())
    left("create", "-f", "-", stdin=CRD.format(version="v1", field="size", type="integer"))
    right("create", "-f", "-", stdin=CRD.format(version="v2", field="colour", type="string"))

    left("create", "-f", "-", stdin=WIDGET.format(version="v1", field="size", value=3))
    right("create", "-f", "-", stdin=WIDGET.format(version="v2", field="colour", value="red"))

    assert left.json("get", "widgets", "one")["spec"] == {"size": 3}
    assert right.json("get", "widgets", "one")["spec"] == {"colour": "red"}
    assert "stable.example.com/v1 " in left("api-resources", "--api-group=stable.example.com")
    assert "stable.example.com/v2 " in right("api-resources", "--api-group=stable.example.com")
    assert "size" in left("explain", "widget.spec")
    assert "size" not in right("explain", "widget.spec")
    refused = right.fails("create", "-f", "-", stdin=WIDGET.format(version="v1", field="size", value=3))
    assert 'no matches for kind "Widget" in version "stable.example.com/v1"' in refused
    wrong = left.fails("patch", "widget", "one", "--type=merge", "-p", '{"spec":{"size":"big"}}')
    assert 'spec.size in body must be of type integer: "string"' in wrong


def test_a_cluster_without_the_crd_does_not_know_the_resource(clients: Clients) -> None:
    with_crd = clients.kubectl(clients.server.new_cluster())
    without = clients.kubectl(clients.server.new_cluster())
    with_crd("create", "-f", "-", stdin=CRD.format(version="v1", field="size", type="integer"))
    without("create", "configmap", "first")

    assert without.fails("get", "widgets") == 'error: the server doesn\'t have a resource type "widgets"\n'


def test_a_role_in_one_cluster_gives_nothing_in_another(clients: Clients) -> None:
    url, other_url = clients.server.new_cluster(), clients.server.new_cluster()
    for cluster in (url, other_url):
        clients.kubectl(cluster)("create", "configmap", "first")
    admin = clients.kubectl(url)
    admin("create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    admin("create", "rolebinding", "readers", "--role=reader", "--user=alice")
    # Who may not enter is refused discovery, and kubectl does not read why.
    assert "(Forbidden)" in clients.kubectl(url, "alice").fails("get", "configmaps")
    admin("create", "clusterrolebinding", "guests", "--clusterrole=system:kcp:workspace:access", "--user=alice")

    assert "first" in clients.kubectl(url, "alice")("get", "configmaps")
    assert "(Forbidden)" in clients.kubectl(other_url, "alice").fails("get", "configmaps")


def test_a_service_account_token_is_worth_nothing_in_another_cluster(clients: Clients) -> None:
    url, other_url = clients.server.new_cluster(), clients.server.new_cluster()
    for cluster in (url, other_url):
        admin = clients.kubectl(cluster)
        admin("create", "serviceaccount", "robot")
        admin("create", "clusterrolebinding", "robots", "--clusterrole=view", "--serviceaccount=default:robot")
    token = clients.kubectl(url)("create", "token", "robot").strip()

    assert "robot" in clients.kubectl(url, token)("get", "serviceaccounts")
    refused = clients.kubectl(other_url, token).fails("get", "serviceaccounts")
    assert "You must be logged in to the server" in refused


def test_a_wildcard_watch_of_configmaps_sees_every_cluster(clients: Clients) -> None:
    left = clients.kubectl(clients.server.new_cluster())
    right = clients.kubectl(clients.server.new_cluster())
    everywhere = clients.kubectl(clients.server.cluster("*"))
    left("create", "configmap", "seen-left")
    watch = everywhere.start("get", "configmaps", "-A", "--watch", "-o", "name")
    assert watch.stdout is not None
    try:
        wait_for_line(watch.stdout, "configmap/seen-left")
        right("create", "configmap", "seen-right")
        wait_for_line(watch.stdout, "configmap/seen-right")
    finally:
        watch.terminate()
        watch.wait(10)
        watch.stdout.close()


def wait_for_line(stream: object, wanted: str) -> None:
    """Read lines until one is the wanted one; the test's time-out bounds the wait."""
    for line in stream:  # type: ignore[attr-defined]
        if line.strip() == wanted:
            return
    raise AssertionError(f"the stream ended before {wanted}")
