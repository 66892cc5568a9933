"""What is asked for in `Accept`, and what comes: protobuf, tables, metadata (kube-api section 2)."""

from __future__ import annotations

from tests.conformance.exchange import Ask, Scenario
from tests.conformance.protobuf import MEDIA_TYPE
from tests.conformance.scenarios.make import CORE, CRDS, crd, delete, get, named, namespace, object_schema, post, settle
from tests.conformance.scenarios.objects import valid_objects

MAPS = f"{CORE}/namespaces/protobuf/configmaps"
CRS = "/apis/stable.example.com/v1/namespaces/protobuf/forms"
OBJECTS = valid_objects("protobuf")
PREFERRED = f"{MEDIA_TYPE},application/json"


def as_kind(kind: str, media: str = MEDIA_TYPE, version: str = "v1") -> str:
    """Return a clause that asks for a transformation."""
    return f"{media};as={kind};g=meta.k8s.io;v={version}"


def aggregated(media: str) -> str:
    """Return the clause that asks for discovery in one document."""
    return f"{media};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


SETUP = (
    namespace("protobuf"),
    *(post(kind, path, body) for kind, (path, body) in OBJECTS.items()),
    post("crd", CRDS, crd("forms", "Form", object_schema({"a": {"type": "string"}}))),
    settle("served", CRS),
    post("cr", CRS, named("stable.example.com/v1", "Form", "x", spec={"a": "b"})),
)
SCENARIOS = (
    Scenario(
        "protobuf",
        "Every kind in protobuf: objects, lists, events, metadata, refusals, discovery.",
        SETUP,
        (
            *(
                get(kind, f"{path}/{body['metadata']['name']}", accept=PREFERRED)
                for kind, (path, body) in OBJECTS.items()
            ),
            *(
                get(
                    f"{kind}-list",
                    f"{path}?fieldSelector=metadata.name%3D{body['metadata']['name']}",
                    accept=MEDIA_TYPE,
                )
                for kind, (path, body) in OBJECTS.items()
            ),
            get("definition", f"{CRDS}/forms.stable.example.com", accept=MEDIA_TYPE),
            get("missing", f"{MAPS}/none", accept=PREFERRED),
            get("forbidden", "/api/v1/namespaces/protobuf/serviceaccounts/one", accept=PREFERRED, user="alice"),
            get("watch", f"{MAPS}?watch=1&timeoutSeconds=1", accept=f"{MEDIA_TYPE};stream=watch"),
            get("watch-without-stream", f"{MAPS}?watch=1&timeoutSeconds=1", accept=MEDIA_TYPE),
            get("watch-partial", f"{CRS}?watch=1&timeoutSeconds=1", accept=as_kind("PartialObjectMetadata")),
            get("partial", f"{CRS}/x", accept=as_kind("PartialObjectMetadata")),
            get("partial-list", CRS, accept=as_kind("PartialObjectMetadataList")),
            get("partial-list-beta", CRS, accept=as_kind("PartialObjectMetadataList", version="v1beta1")),
            get("core-versions", "/api", accept=MEDIA_TYPE),
            get("group", "/apis/coordination.k8s.io", accept=MEDIA_TYPE),
            get("resources", "/apis/coordination.k8s.io/v1", accept=MEDIA_TYPE),
            Ask(
                "review",
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}},
                headers={"Accept": PREFERRED, "Content-Type": "application/json"},
            ),
            Ask("deleted", "DELETE", f"{MAPS}/one", headers={"Accept": PREFERRED}),
        ),
    ),
    Scenario(
        "negotiation",
        "Clauses of Accept: which one is taken, and what is said where none can be.",
        (
            namespace("protobuf"),
            post("map", MAPS, named("v1", "ConfigMap", "n", data={"a": "b"})),
            post("crd", CRDS, crd("forms", "Form", object_schema({"a": {"type": "string"}}))),
            settle("served", CRS),
            post("cr", CRS, named("stable.example.com/v1", "Form", "y", spec={"a": "b"})),
        ),
        (
            get("quality", f"{MAPS}/n", accept=f"{MEDIA_TYPE};q=0.5,application/yaml;q=0.7,application/json;q=0.9"),
            get("table-of-protobuf", MAPS, accept=as_kind("Table")),
            get(
                "table-of-protobuf-or-json",
                f"{MAPS}/n?includeObject=None",
                accept=f"{as_kind('Table')},application/json",
            ),
            get("half-a-transformation", f"{MAPS}/n", accept=f"{MEDIA_TYPE};as=Table;v=v1"),
            get("custom-protobuf", f"{CRS}/y", accept=MEDIA_TYPE),
            get("custom-protobuf-or-json", f"{CRS}/y", accept=PREFERRED),
            get("custom-list-protobuf", CRS, accept=MEDIA_TYPE),
            get("custom-watch-protobuf", f"{CRS}?watch=1&timeoutSeconds=1", accept=f"{MEDIA_TYPE};stream=watch"),
            get("partial-of-list", CRS, accept=as_kind("PartialObjectMetadata")),
            get("partial-list-of-one", f"{CRS}/y", accept=as_kind("PartialObjectMetadataList")),
            get("stream-of-one", f"{MAPS}/n", accept="application/json;stream=watch"),
            get("stream-of-nothing", f"{MAPS}/n", accept="application/json;stream=nope"),
            get("stream-yaml", f"{MAPS}?watch=1&timeoutSeconds=1", accept="application/yaml;stream=watch"),
            get("stream-any", f"{MAPS}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dn", accept="*/*"),
            get("stream-html", f"{MAPS}?watch=1&timeoutSeconds=1", accept="text/html"),
            get("custom-html", f"{CRS}/y", accept="text/html"),
            get("custom-watch-html", f"{CRS}?watch=1&timeoutSeconds=1", accept="text/html"),
            get("server-version", f"{MAPS}/n", accept="application/json;sv=v1"),
            get("pretty-accept", f"{MAPS}/n", accept="application/json;pretty=1"),
            get("discovery-html", "/apis", accept="text/html"),
            get("discovery-yaml", "/apis/coordination.k8s.io", accept="application/yaml"),
            get(
                "aggregated-unknown",
                "/api",
                accept="application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList",
            ),
            get("aggregated-of-a-group", "/apis/coordination.k8s.io", accept=aggregated("application/json")),
            get("refusal-in-yaml", f"{MAPS}/none", accept="application/yaml"),
            get("refusal-of-a-table", f"{MAPS}/none", accept=as_kind("Table", "application/json")),
            get("refusal-of-metadata", f"{MAPS}/none", accept=as_kind("PartialObjectMetadata")),
            get("openapi-v3-html", "/openapi/v3", accept="text/html"),
            get("openapi-v3-part-html", "/openapi/v3/apis/coordination.k8s.io/v1", accept="text/html"),
            get("version-html", "/version", accept="text/html"),
            Ask(
                "body-of-custom-protobuf",
                "POST",
                CRS,
                "k8s",
                headers={"Content-Type": MEDIA_TYPE},
            ),
            Ask("body-not-protobuf", "POST", MAPS, "k8s", headers={"Content-Type": MEDIA_TYPE}),
            Ask("body-empty-protobuf", "POST", MAPS, "", headers={"Content-Type": MEDIA_TYPE}),
            Ask("body-only-prefix", "POST", MAPS, "k8s\0", headers={"Content-Type": MEDIA_TYPE}),
            Ask("body-broken-length", "POST", MAPS, "k8s\0\x0a\x7f\x0a", headers={"Content-Type": MEDIA_TYPE}),
            Ask(
                "body-of-another-kind",
                "POST",
                MAPS,
                "k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x00",
                headers={"Content-Type": MEDIA_TYPE},
            ),
            Ask(
                "body-of-no-kind",
                "POST",
                MAPS,
                "k8s\0\x0a\x0a\x0a\x02v1\x12\x04Nope\x12\x00",
                headers={"Content-Type": MEDIA_TYPE},
            ),
            Ask(
                "patch-protobuf",
                "PATCH",
                f"{MAPS}/n",
                "k8s",
                headers={"Content-Type": MEDIA_TYPE},
            ),
            delete("deleted", f"{MAPS}/n"),
        ),
    ),
)
