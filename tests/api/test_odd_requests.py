"""Requests that are a little wrong, answered in the words of a real server; all were found by comparing the two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.conftest import CRDS, RBAC, WIDGETS
from tests.conformance.scenarios.make import crd, object_schema

if TYPE_CHECKING:
    from tests.api.conftest import Door, Houses, Json

APPLY = "application/apply-patch+yaml"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
TOKEN = "/api/v1/namespaces/default/serviceaccounts/default/token"  # a path


def apply(door: Door, path: str, body: Json) -> Json:
    """Apply and return the answer, whatever it is."""
    return door.ask("PATCH", f"{path}?fieldManager=tester", body, content_type=APPLY).json()


def test_a_whole_number_that_is_applied_as_a_fraction_is_whole(houses: Houses) -> None:
    """Applied documents are read as YAML, also those in JSON; whole numbers know no fractional factor."""
    schema = object_schema({"ratio": {"type": "number", "multipleOf": 0.5}})
    houses.bare.post(CRDS, crd("ratios", "Ratio", schema))
    path = "/apis/stable.example.com/v1/namespaces/default/ratios/one"
    body = {"apiVersion": "stable.example.com/v1", "kind": "Ratio", "metadata": {"name": "one"}}
    answer = apply(houses.bare, path, {**body, "spec": {"ratio": 1000.0}})
    assert answer["code"] == 422
    assert "factor MultipleOf declared for spec.ratio must be positive" in answer["message"]
    assert apply(houses.bare, path, {**body, "spec": {"ratio": 2.5}})["spec"] == {"ratio": 2.5}


def test_a_fraction_applied_where_a_whole_number_belongs(houses: Houses) -> None:
    """The conversion names the document that was applied, not what it was merged into."""
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "odd"}}
    assert apply(houses.bare, f"{LEASES}/odd", {**body, "spec": {"leaseDurationSeconds": 15}})["kind"] == "Lease"
    answer = apply(houses.bare, f"{LEASES}/odd", {**body, "spec": {"leaseDurationSeconds": 1.5}})
    assert answer["code"] == 500
    assert answer["message"] == (
        "failed to convert new object (/odd; coordination.k8s.io/v1, Kind=Lease) to proper version: unable to convert "
        "unstructured object to coordination.k8s.io/v1, Kind=Lease: cannot convert float64 to int32"
    )


def test_a_token_is_asked_for_by_a_token_request(houses: Houses) -> None:
    version = "authentication.k8s.io/v1"
    answer = houses.bare.fails(400, "POST", TOKEN, {"apiVersion": version, "kind": "Other", "spec": {}})
    assert answer["message"] == (
        'Other in version "v1" cannot be handled as a TokenRequest: no kind "Other" is registered for version '
        '"authentication.k8s.io/v1" in scheme "pkg/runtime/scheme.go:111"'
    )
    assert houses.bare.post(TOKEN, {"spec": {}})["status"]["token"]


def test_a_role_without_a_name_is_not_looked_for(houses: Houses) -> None:
    group = "rbac.authorization.k8s.io"
    binding = {"apiGroup": group, "kind": "ClusterRole", "name": "odd-binder"}
    rules = [{"apiGroups": [group], "resources": ["clusterrolebindings"], "verbs": ["create"]}]
    rules.append({"nonResourceURLs": ["/"], "verbs": ["access"]})
    houses.left.post(f"{RBAC}/clusterroles", {"metadata": {"name": "odd-binder"}, "rules": rules})
    subject = {"apiGroup": group, "kind": "User", "name": "odd"}
    bound = {"metadata": {"name": "odd-binder"}, "roleRef": binding, "subjects": [subject]}
    houses.left.post(f"{RBAC}/clusterrolebindings", bound)
    body = {"metadata": {"name": "odd-none"}, "roleRef": {**binding, "name": ""}, "subjects": []}
    headers = {"impersonate-user": "odd", "impersonate-group": "system:authenticated"}
    answer = houses.left.ask("POST", f"{RBAC}/clusterrolebindings", body, **headers)
    assert answer.json()["message"] == "Name parameter required."
    assert answer.status_code == 400


def test_what_names_no_kind_is_told_apart_by_how_strictly_it_is_read(houses: Houses) -> None:
    strict = houses.left.fails(400, "POST", WIDGETS, {})
    assert strict["message"].startswith("the object provided is unrecognized (must be of type Widget): Object 'Kind'")
    loose = houses.left.fails(400, "POST", f"{WIDGETS}?fieldValidation=Ignore", {})
    assert (
        loose["message"] == "Widget in version \"v1\" cannot be handled as a Widget: Object 'Kind' is missing in '{}'"
    )


def test_how_a_namespace_goes_is_not_decided_again_while_it_is_emptied(houses: Houses) -> None:
    door, held = houses.bare, {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    door.post("/api/v1/namespaces", {"metadata": {"name": "odd-twice"}})
    door.post("/api/v1/namespaces/odd-twice/configmaps", held)
    path = "/api/v1/namespaces/odd-twice"
    first = door.ask("DELETE", path, {"propagationPolicy": "Foreground"}).json()
    assert first["metadata"]["finalizers"] == ["foregroundDeletion"]
    second = door.ask("DELETE", path, {"propagationPolicy": "Background"}).json()
    assert second["metadata"]["finalizers"] == ["foregroundDeletion"]
