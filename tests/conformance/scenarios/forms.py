"""Media types of bodies and answers, and what the items of lists say of their kind (kube-api 0.1, section 2)."""

from __future__ import annotations

from tests.conformance.exchange import Ask, Json, Scenario
from tests.conformance.protobuf import MEDIA_TYPE
from tests.conformance.scenarios.make import (
    CORE,
    CRDS,
    TABLE,
    config_map,
    crd,
    get,
    named,
    namespace,
    object_schema,
    patch,
    post,
    settle,
)
from tests.conformance.scenarios.native_kinds import deployment, pod, service
from tests.conformance.scenarios.objects import valid_objects

NS = f"{CORE}/namespaces/forms"
MAPS = f"{NS}/configmaps"
CRATES = "/apis/stable.example.com/v1/namespaces/forms/baskets"
ONE = f"{MAPS}/one"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
REVIEW = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
TABLE_ONLY = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
CUSTOM = "stable.example.com/v1"
MAP_TEXT = '{"metadata":{"name":"%s"},"data":{"a":"b"}}'
CREATES = {
    "json-with-parameters": "application/json; charset=utf-8; odd=x",
    "json-in-capitals": "Application/JSON",
    "text": "text/plain",
    "form": "application/x-www-form-urlencoded",
    "cbor": "application/cbor",
    "cbor-sequence": "application/cbor-seq",
    "no-media-type": "nonsense",
    "half-a-media-type": "application/",
    "two-media-types": "application/json, application/yaml",
}
DEPLOYMENTS = "/apis/apps/v1/namespaces/items/deployments"
NOBODYS: Json = {"metadata": {"managedFields": [{}]}}
ITEMS = CRATES.replace("forms", "items")
TYPED = '{"apiVersion":"stable.example.com/v1","kind":"Basket","metadata":{"name":"t"}}'
DEFINITION = crd("baskets", "Basket", object_schema({"a": {"type": "string"}}))
BASKET = named(CUSTOM, "Basket", "one", spec={"a": "b"})


def body(name: str, media: str) -> Ask:
    """Create a config map whose body is said to be of a media type."""
    return Ask(f"body-{name}", "POST", MAPS, MAP_TEXT % name, headers={"Content-Type": media})


def custom(name: str, media: str | None, text: str) -> Ask:
    """Create a custom resource from a text."""
    return Ask(f"custom-{name}", "POST", CRATES, text, headers={} if media is None else {"Content-Type": media})


SCENARIOS = (
    Scenario(
        "media-types",
        "Media types of bodies and answers: which are taken, with which parameters, and what stands in for none.",
        (
            namespace("forms"),
            post("one", MAPS, config_map("one", a="b")),
            post("crd", CRDS, DEFINITION),
            settle("served", CRATES),
            post("basket", CRATES, BASKET),
        ),
        (
            *(body(name, media) for name, media in CREATES.items()),
            Ask("body-without-type", "POST", MAPS, MAP_TEXT % "without"),
            Ask("body-with-empty-type", "POST", MAPS, MAP_TEXT % "empty-type", headers={"Content-Type": ""}),
            Ask(
                "body-yaml-parameters",
                "POST",
                MAPS,
                "metadata: {name: yaml}",
                headers={"Content-Type": "application/yaml; charset=utf-8"},
            ),
            Ask(
                "body-yaml-said-to-be-json",
                "POST",
                MAPS,
                "metadata: {name: yaml-json}",
                headers={"Content-Type": "application/json"},
            ),
            Ask(
                "body-json-said-to-be-yaml",
                "POST",
                MAPS,
                MAP_TEXT % "json-yaml",
                headers={"Content-Type": "application/yaml"},
            ),
            Ask("body-update-text", "PUT", ONE, MAP_TEXT % "one", headers={"Content-Type": "text/plain"}),
            Ask(
                "apply-cbor",
                "PATCH",
                f"{ONE}?fieldManager=x",
                "x",
                headers={"Content-Type": "application/apply-patch+cbor"},
            ),
            Ask(
                "patch-with-parameters",
                "PATCH",
                ONE,
                {"data": {"c": "d"}},
                headers={"Content-Type": "application/merge-patch+json; charset=utf-8"},
            ),
            Ask("options-text", "DELETE", f"{MAPS}/none", "{}", headers={"Content-Type": "text/plain"}),
            Ask("options-without-type", "DELETE", f"{MAPS}/none", '{"propagationPolicy":"Nope"}'),
            custom("without-type", None, TYPED),
            custom("text", "text/plain", "{}"),
            custom("cbor", "application/cbor", "{}"),
            custom(
                "kind-missing", "application/json", '{"apiVersion":"stable.example.com/v1","metadata":{"name":"k"}}'
            ),
            custom("version-missing", "application/json", '{"kind":"Basket","metadata":{"name":"v"}}'),
            custom("both-missing", "application/json", '{"metadata":{"name":"b"}}'),
            custom(
                "other-version",
                "application/json",
                '{"apiVersion":"stable.example.com/v2","kind":"Basket","metadata":{"name":"b"}}',
            ),
            custom(
                "other-kind",
                "application/json",
                '{"apiVersion":"stable.example.com/v1","kind":"Bucket","metadata":{"name":"b"}}',
            ),
            custom(
                "yaml",
                "application/yaml",
                "apiVersion: stable.example.com/v1\nkind: Basket\nmetadata: {name: yaml}\nspec: {a: 'yes'}\n",
            ),
            post("version-missing", MAPS, {"kind": "ConfigMap", "metadata": {"name": "version-missing"}}),
            post("kind-missing", MAPS, {"apiVersion": "v1", "metadata": {"name": "kind-missing"}}),
            post("only-version-wrong", MAPS, {"apiVersion": "v2", "metadata": {"name": "only-version"}}),
            post(
                "event-of-the-other-group",
                f"{NS}/events",
                named("events.k8s.io/v1", "Event", "e", regarding={"namespace": "forms"}),
            ),
            get("accept-empty", ONE, accept=""),
            get("accept-parameters", ONE, accept="application/json;odd=x;charset=utf-8"),
            get("accept-capitals", ONE, accept="Application/JSON"),
            get("accept-profile", "/apis/coordination.k8s.io/v1", accept="application/json;profile=nopeer"),
            get("accept-only-as", ONE, accept="application/json;as=Table"),
            get("accept-only-group", ONE, accept="application/json;g=meta.k8s.io;v=v1"),
            get("accept-other-group", ONE, accept="application/json;as=Table;g=example.com;v=v1"),
            get("accept-other-version", ONE, accept="application/json;as=Table;g=meta.k8s.io;v=v9"),
            get("accept-other-or-json", ONE, accept="application/json;as=Nope;g=meta.k8s.io;v=v1,application/json"),
            get(
                "accept-other-or-table",
                f"{ONE}?includeObject=None",
                accept=f"application/json;as=Nope;g=meta.k8s.io;v=v1,{TABLE}",
            ),
            get("accept-zero-quality", f"{MAPS}/none", accept="application/json;q=0,application/yaml;q=0.1,text/html"),
            get("accept-cbor-or-json", ONE, accept="application/cbor,application/json;q=0.5"),
            get("custom-other-transform", f"{CRATES}/one", accept="application/json;as=Nope;g=meta.k8s.io;v=v1"),
            get("metadata-client", ONE, accept=f"{MEDIA_TYPE};{PARTIAL},application/json;{PARTIAL},application/json"),
            get(
                "metadata-client-list",
                f"{MAPS}?fieldSelector=metadata.name%3Done",
                accept=f"{MEDIA_TYPE};{PARTIAL_LIST},application/json;{PARTIAL_LIST},application/json",
            ),
            get(
                "metadata-client-custom",
                f"{CRATES}/one",
                accept=f"{MEDIA_TYPE};{PARTIAL},application/json;{PARTIAL},application/json",
            ),
            Ask(
                "metadata-client-created",
                "POST",
                MAPS,
                {"metadata": {"name": "partial"}},
                headers={"Accept": f"application/json;{PARTIAL}", "Content-Type": "application/json"},
            ),
            Ask(
                "metadata-client-patched",
                "PATCH",
                f"{MAPS}/partial",
                {"data": {"a": "b"}},
                headers={"Accept": f"application/json;{PARTIAL}", "Content-Type": "application/merge-patch+json"},
            ),
            Ask(
                "metadata-client-deleted",
                "DELETE",
                f"{MAPS}/partial",
                headers={"Accept": f"{MEDIA_TYPE};{PARTIAL},application/json;{PARTIAL},application/json"},
            ),
            Ask(
                "table-of-a-review",
                "POST",
                REVIEWS,
                REVIEW,
                headers={"Accept": TABLE_ONLY, "Content-Type": "application/json"},
            ),
            Ask(
                "table-or-review",
                "POST",
                REVIEWS,
                REVIEW,
                headers={"Accept": TABLE, "Content-Type": "application/json"},
            ),
            Ask(
                "table-of-a-token",
                "POST",
                f"{NS}/serviceaccounts/none/token",
                {"spec": {}},
                headers={"Accept": TABLE_ONLY, "Content-Type": "application/json"},
            ),
            Ask("table-of-a-status", "DELETE", f"{MAPS}/without", headers={"Accept": TABLE_ONLY}),
            Ask(
                "table-of-a-finalized-namespace",
                "PUT",
                f"{NS}/finalize?includeObject=None",
                named("v1", "Namespace", "forms", spec={"finalizers": ["kubernetes"]}),
                headers={"Accept": TABLE_ONLY, "Content-Type": "application/json"},
            ),
            get("table-of-discovery", "/api/v1", accept=TABLE_ONLY),
        ),
    ),
    Scenario(
        "items-of-lists",
        "Whether items of lists name their kind: built-in kinds, custom resources, native kinds, metadata, tables.",
        (
            namespace("items"),
            post("account", f"{CORE}/namespaces/items/serviceaccounts", named("v1", "ServiceAccount", "default")),
            *(post(kind, path, body) for kind, (path, body) in valid_objects("items").items()),
            post("crd", CRDS, DEFINITION),
            settle("served", CRATES),
            post("basket", ITEMS, BASKET),
            post("deployment", DEPLOYMENTS, deployment("web")),
            post(
                "service", f"{CORE}/namespaces/items/services", service("out", type="ExternalName", externalName="x.y")
            ),
            post("pod", f"{CORE}/namespaces/items/pods", pod("one")),
            # What their fields default to differs.
            patch("nobodys-deployment", f"{DEPLOYMENTS}/web", NOBODYS),
            patch("nobodys-pod", f"{CORE}/namespaces/items/pods/one", NOBODYS),
        ),
        (
            *(
                get(f"{kind}-list", f"{path}?fieldSelector=metadata.name%3D{body['metadata']['name']}")
                for kind, (path, body) in valid_objects("items").items()
            ),
            get("crds", f"{CRDS}?fieldSelector=metadata.name%3Dnone"),
            get("baskets", ITEMS),
            get(
                "baskets-everywhere",
                "/apis/stable.example.com/v1/baskets?limit=1&fieldSelector=metadata.namespace%3Ditems",
            ),
            get("baskets-metadata", ITEMS, accept=f"application/json;{PARTIAL_LIST}"),
            get("maps-metadata", f"{CORE}/namespaces/items/configmaps", accept=f"application/json;{PARTIAL_LIST}"),
            get("baskets-rows", f"{ITEMS}?includeObject=Object", accept=TABLE_ONLY),
            get("maps-rows", f"{CORE}/namespaces/items/configmaps?includeObject=Object", accept=TABLE_ONLY),
            get(
                "deployments-metadata",
                DEPLOYMENTS,
                accept=f"application/json;{PARTIAL_LIST}",
            ),
            get("pods-metadata", f"{CORE}/namespaces/items/pods", accept=f"application/json;{PARTIAL_LIST}"),
        ),
        natives=True,
    ),
)
