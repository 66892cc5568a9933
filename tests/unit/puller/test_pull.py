from __future__ import annotations

from typing import Any

import pytest

from kcp.client import StatusError
from kcp.puller import Pulled, discover, pull, resources_of
from tests.unit.puller.scripted import DEFINITIONS, Documents, aggregated, discovered, listed, model, v3

Json = Any

SPEC = {"type": "object", "properties": {"replicas": {"type": "integer", "format": "int32"}}}
DEPLOYMENT = model("apps", "v1", "Deployment", spec=SPEC, metadata={"$ref": "#/x/ObjectMeta"})
DEPLOYMENTS = listed("deployments", "Deployment", shortNames=["deploy"], categories=["all"], below=("scale", "status"))
APPS = {
    "/api": aggregated(),
    "/apis": aggregated(discovered("apps", ("v1", [DEPLOYMENTS]))),
    "/openapi/v3/apis/apps/v1": v3(**{"apps.Deployment": DEPLOYMENT}),
}


def pulled(documents: dict[str, Json], *names: str) -> list[Pulled]:
    source = Documents(documents)
    resources, unknown = resources_of(discover(source), names)
    assert not unknown
    return list(pull(source, resources))


def definition(documents: dict[str, Json], *names: str) -> Json:
    """Return the one definition that is made without a note."""
    (found,) = pulled(documents, *names)
    assert found.note == ""
    assert found.definition is not None
    return found.definition


def test_a_built_in_resource_is_made_from_discovery_and_openapi() -> None:
    found = definition(APPS)
    columns = found["spec"]["versions"][0].pop("additionalPrinterColumns")
    assert ".status.availableReplicas" in [column["jsonPath"] for column in columns]
    assert found == {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "deployments.apps"},
        "spec": {
            "group": "apps",
            "names": {
                "plural": "deployments",
                "singular": "deployment",
                "kind": "Deployment",
                "listKind": "DeploymentList",
                "shortNames": ["deploy"],
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {
                        "status": {},
                        "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                    },
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": SPEC, "metadata": {"type": "object"}},
                        }
                    },
                }
            ],
        },
    }


def test_protected_groups_say_that_they_are_approved() -> None:
    documents = {
        "/apis": aggregated(discovered("x.k8s.io", ("v1", [listed("xs", "X")]))),
        "/openapi/v3/apis/x.k8s.io/v1": v3(X=model("x.k8s.io", "v1", "X")),
    }
    assert "api-approved.kubernetes.io" in definition(documents)["metadata"]["annotations"]


def test_the_core_group_is_called_core() -> None:
    documents = {
        "/api": aggregated(discovered("", ("v1", [listed("pods", "Pod")]))),
        "/openapi/v3/api/v1": v3(Pod=model("", "v1", "Pod")),
    }
    assert definition(documents)["metadata"]["name"] == "pods.core"


@pytest.mark.parametrize("code", [404, 406, 503])
def test_an_old_server_is_asked_for_the_second_version(code: int) -> None:
    documents = {**APPS, "/openapi/v3/apis/apps/v1": code, "/openapi/v2": {"definitions": {"D": DEPLOYMENT}}}
    assert definition(documents) == definition(APPS)


def test_what_nothing_describes_is_told() -> None:
    (found,) = pulled({**APPS, "/openapi/v3/apis/apps/v1": 404})
    assert found.definition is None
    assert "does not describe" in found.note


@pytest.mark.parametrize("path", ["/openapi/v3/apis/apps/v1", "/apis"])
def test_who_may_not_read_hears_so(path: str) -> None:
    with pytest.raises(StatusError):
        pulled({**APPS, path: 403})


def test_what_kcp_has_or_nobody_stores_is_refused_by_name() -> None:
    rows = [listed("configmaps", "ConfigMap"), {**listed("bindings", "Binding"), "verbs": ["create"]}]
    documents = {"/api": aggregated(discovered("", ("v1", rows)))}
    own, binding = pulled(documents, "configmaps", "bindings")
    assert (own.definition, own.note) == (None, "kcp has it built in")
    assert (binding.definition, binding.note) == (None, "it is not stored by its server (no get, list, watch)")


def version(name: str, *, storage: bool = False) -> Json:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {name: {"type": "string"}}}}}
    columns = [{"name": "N", "type": "string", "jsonPath": f".spec.{name}"}]
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema},
    }


def original(**spec: Json) -> Json:
    metadata = {
        "name": "carts.shop.example.com",
        "uid": "u",
        "resourceVersion": "7",
        "labels": {"team": "shop"},
        "annotations": {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    body = {
        "group": "shop.example.com",
        "names": {"plural": "carts", "kind": "Cart", "singular": "cart", "listKind": "CartList"},
        "scope": "Cluster",
        "versions": [version("v1", storage=True), version("v2")],
        "conversion": {"strategy": "None"},
        **spec,
    }
    return {"metadata": metadata, "spec": body, "status": {"conditions": []}}


def copy(item: Json) -> Pulled:
    carts = [listed("carts", "Cart")]
    documents = {
        "/apis": aggregated(discovered("shop.example.com", ("v2", carts), ("v1", carts))),
        f"{DEFINITIONS}/carts.shop.example.com": item,
    }
    (found,) = pulled(documents, "carts")
    return found


def test_a_definition_of_the_source_is_copied_without_what_is_the_sources_own() -> None:
    found = copy(original())
    assert found.note == ""
    assert found.definition is not None
    assert found.definition["metadata"] == {
        "name": "carts.shop.example.com",
        "labels": {"team": "shop"},
        "annotations": {"a": "b"},
    }
    assert found.definition["spec"]["versions"] == [version("v1", storage=True), version("v2")]
    assert found.definition["spec"]["scope"] == "Cluster"
    assert "status" not in found.definition


def test_a_webhook_of_the_source_cannot_convert_elsewhere() -> None:
    webhook = {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://x"}}}
    found = copy(original(conversion=webhook))
    assert found.definition is not None
    assert found.definition["spec"]["versions"] == [version("v2", storage=True)]
    assert "conversion" not in found.definition["spec"]
    assert "webhook" in found.note


def test_a_schema_that_is_not_structural_takes_everything() -> None:
    item = original()
    item["status"] = {"conditions": [{"type": "NonStructuralSchema", "status": "True"}]}
    found = copy(item)
    assert found.definition is not None
    free = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    assert [v["schema"] for v in found.definition["spec"]["versions"]] == [free, free]
    assert "not structural" in found.note


def test_a_version_that_the_definition_does_not_have_takes_everything() -> None:
    found = copy(original(versions=[version("v1", storage=True)]))
    assert found.definition is not None
    (only,) = found.definition["spec"]["versions"]
    assert (only["name"], only["served"], only["storage"]) == ("v2", True, True)
    assert "no version v2" in found.note


def test_who_may_not_read_definitions_gets_them_made() -> None:
    documents = {
        "/apis": aggregated(discovered("shop.example.com", ("v2", [listed("carts", "Cart")]))),
        f"{DEFINITIONS}/carts.shop.example.com": 403,
        "/openapi/v3/apis/shop.example.com/v2": v3(Cart=model("shop.example.com", "v2", "Cart", spec=SPEC)),
    }
    (found,) = pulled(documents)
    assert found.definition is not None
    assert "made from OpenAPI" in found.note


def test_of_many_resources_definitions_are_listed_once() -> None:
    rows = [listed(f"x{n}s", f"X{n}") for n in range(9)]
    models = {f"X{n}": model("x.io", "v1", f"X{n}") for n in range(9)}
    documents = {
        "/apis": aggregated(discovered("x.io", ("v1", rows))),
        DEFINITIONS: {"items": []},
        "/openapi/v3/apis/x.io/v1": v3(**models),
    }
    source = Documents(documents)
    found = list(pull(source, discover(source).preferred()))
    assert [p.resource.plural for p in found] == [f"x{n}s" for n in range(9)]
    assert all(p.definition for p in found)
    paths = [path for path, _ in source.asked]
    assert sorted(paths) == sorted(["/api", "/apis", DEFINITIONS, "/openapi/v3/apis/x.io/v1"])
