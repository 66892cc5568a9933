"""Every built-in kind as a Table, as metadata only, and as it is stored."""

from __future__ import annotations

from tests.conformance.exchange import Ask, Scenario
from tests.conformance.scenarios.make import (
    CORE,
    CRDS,
    RBAC,
    TABLE,
    config_map,
    crd,
    delete,
    get,
    named,
    namespace,
    post,
    settle,
)
from tests.conformance.scenarios.objects import RBAC_V1, event, lease, new_event, role_ref, valid_objects

PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
OBJECTS = valid_objects("tables")
COLUMNS = [
    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
    {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "description": "What it looks like."},
    {"name": "Heavy", "type": "boolean", "jsonPath": ".spec.heavy", "priority": 1},
    {"name": "Weight", "type": "number", "jsonPath": ".spec.weight"},
    {"name": "Made", "type": "date", "jsonPath": ".spec.made"},
    {"name": "Parts", "type": "string", "jsonPath": ".spec.parts"},
    {"name": "First", "type": "string", "jsonPath": ".spec.parts[0].name"},
    {"name": "All", "type": "string", "jsonPath": ".spec.parts[*].name"},
    {"name": "Wrong", "type": "integer", "jsonPath": ".spec.colour"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRATES = "/apis/stable.example.com/v1/namespaces/tables/crates"
CRATE = {
    "apiVersion": "stable.example.com/v1",
    "kind": "Crate",
    "metadata": {"name": "full"},
    "spec": {
        "size": 3,
        "colour": "red",
        "heavy": True,
        "weight": 1.5,
        "made": "2000-01-01T00:00:00Z",
        "parts": [{"name": "lid"}, {"name": "box"}],
    },
}


def on_kinds(suffix: str, accept: str, *, single: bool) -> tuple[Ask, ...]:
    """Return one read per kind."""
    return tuple(
        get(
            f"{kind}{suffix}",
            (f"{path}/{body['metadata']['name']}" if single else path)
            + ("?fieldSelector=metadata.name%3D" + body["metadata"]["name"] if not single else ""),
            accept=accept,
        )
        for kind, (path, body) in OBJECTS.items()
    )


NS = f"{CORE}/namespaces/cells"
USER = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io"}
LEASES = "/apis/coordination.k8s.io/v1/namespaces/cells/leases"
NEW_EVENTS = "/apis/events.k8s.io/v1/namespaces/cells/events"
# Objects whose columns have little, much or odd things to show, by what is odd about them.
ODD_OBJECTS = {
    "no-data": (f"{NS}/configmaps", named("v1", "ConfigMap", "no-data")),
    "bytes": (f"{NS}/configmaps", named("v1", "ConfigMap", "bytes", data={"a": "b"}, binaryData={"c": "eA=="})),
    "no-secrets": (f"{NS}/secrets", named("v1", "Secret", "no-secrets")),
    "own-type": (f"{NS}/secrets", named("v1", "Secret", "own-type", type="example.com/own", data={"a": "eA=="})),
    "account": (f"{NS}/serviceaccounts", named("v1", "ServiceAccount", "account", secrets=[{"name": "a"}])),
    "no-holder": (LEASES, lease("no-holder")),
    "no-rules": (f"{RBAC}/namespaces/cells/roles", named(RBAC_V1, "Role", "no-rules", rules=[])),
    "nobody": (
        f"{RBAC}/namespaces/cells/rolebindings",
        named(RBAC_V1, "RoleBinding", "nobody", roleRef=role_ref("Role")),
    ),
    "many": (
        f"{RBAC}/namespaces/cells/rolebindings",
        named(
            RBAC_V1,
            "RoleBinding",
            "many",
            roleRef=role_ref("ClusterRole"),
            subjects=[
                *({**USER, "name": f"user-{n}"} for n in range(5)),
                {"kind": "ServiceAccount", "name": "a", "namespace": "b"},
                {"kind": "ServiceAccount", "name": "c", "namespace": "cells"},
                {**USER, "kind": "Group", "name": "g"},
            ],
        ),
    ),
    "plain": (
        f"{NS}/events",
        event("cells", "plain", source=None, count=None, firstTimestamp=None, lastTimestamp=None),
    ),
    "subobject": (
        f"{NS}/events",
        event(
            "cells",
            "subobject",
            message=" Two\nlines.\n",
            involvedObject={"kind": "Pod", "name": "p", "namespace": "cells", "fieldPath": "spec.containers{a}"},
        ),
    ),
    "no-kind": (f"{NS}/events", event("cells", "no-kind", involvedObject={"namespace": "cells"}, type="")),
    "series": (
        NEW_EVENTS,
        new_event("cells", "series", series={"count": 7, "lastObservedTime": "2026-01-02T00:00:00.000000Z"}),
    ),
}
ODD_CELLS = Scenario(
    "odd-cells",
    "Columns of built-in kinds whose objects have little, much or odd things to show.",
    (
        namespace("cells"),
        *(post(name, path, body) for name, (path, body) in ODD_OBJECTS.items()),
        post("held", f"{CORE}/namespaces", named("v1", "Namespace", "cells-held")
             | {"metadata": {"name": "cells-held", "finalizers": ["example.com/held"]}}),
        delete("going", f"{CORE}/namespaces/cells-held"),
        post("scoped", CRDS, crd("lids", "Lid") | {"spec": {**crd("lids", "Lid")["spec"], "scope": "Cluster"}}),
    ),
    (
        *(get(name, f"{path}/{body['metadata']['name']}", accept=TABLE) for name, (path, body) in ODD_OBJECTS.items()),
        get("going", f"{CORE}/namespaces/cells-held?includeObject=None", accept=TABLE),
        get("scoped", f"{CRDS}/lids.stable.example.com", accept=TABLE),
        get("maps", f"{NS}/configmaps?fieldSelector=metadata.name%3Dbytes", accept=TABLE),
        Ask("updated", "PUT", f"{NS}/configmaps/no-data", config_map("no-data", a="b"),
            headers={"Accept": TABLE, "Content-Type": "application/json"}),
        Ask("collection", "DELETE", f"{NS}/configmaps?fieldSelector=metadata.name%3Dbytes", headers={"Accept": TABLE}),
    ),
)  # fmt: skip

SETUP = (
    namespace("tables"),
    *(post(kind, path, body) for kind, (path, body) in OBJECTS.items()),
    post("crd", CRDS, crd("crates", "Crate", ANYTHING, additionalPrinterColumns=COLUMNS)),
    settle("served", CRATES),
    post("crate", CRATES, CRATE),
    post("empty-crate", CRATES, {**CRATE, "metadata": {"name": "empty"}, "spec": {}}),
)
SCENARIOS = (
    ODD_CELLS,
    Scenario(
        "tables",
        "Lists and objects of every kind as Table.",
        SETUP,
        (
            *on_kinds("-list", TABLE, single=False),
            *on_kinds("", TABLE, single=True),
            get("crd", f"{CRDS}/crates.stable.example.com", accept=TABLE),
            get("crates", CRATES, accept=TABLE),
            get("crate", f"{CRATES}/full", accept=TABLE),
            get("beta", f"{CORE}/namespaces/tables/configmaps/one", accept=TABLE.replace("v=v1", "v=v1beta1")),
            get("without-object", f"{CORE}/namespaces/tables/configmaps?includeObject=None", accept=TABLE),
            get("with-object", f"{CORE}/namespaces/tables/configmaps?includeObject=Object", accept=TABLE),
            get("empty", f"{CORE}/namespaces/none/configmaps", accept=TABLE),
            get("missing", f"{CORE}/namespaces/tables/configmaps/none", accept=TABLE),
            get("page", f"{CORE}/namespaces/tables/secrets?limit=1", accept=TABLE),
            Ask(
                "created",
                "POST",
                f"{CORE}/namespaces/tables/configmaps",
                {"metadata": {"name": "two"}},
                headers={"Accept": TABLE, "Content-Type": "application/json"},
            ),
            Ask("deleted", "DELETE", f"{CORE}/namespaces/tables/configmaps/two", headers={"Accept": TABLE}),
            get("watch", f"{CORE}/namespaces/tables/configmaps?watch=1&timeoutSeconds=1", accept=TABLE),
            get("watch-crates", f"{CRATES}?watch=1&timeoutSeconds=1", accept=TABLE),
            get(
                "watch-list",
                f"{CORE}/namespaces/tables/configmaps?watch=1&timeoutSeconds=1&sendInitialEvents=true"
                "&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
                accept=TABLE,
            ),
        ),
    ),
    Scenario(
        "stored-objects",
        "Every kind as stored after its create, in a list, and as metadata only.",
        (namespace("stored"),),
        (
            *(post(f"{kind}-created", path, body) for kind, (path, body) in valid_objects("stored").items()),
            get("configmap-list", f"{CORE}/namespaces/stored/configmaps?fieldSelector=metadata.name%3Done"),
            get("configmap-partial", f"{CORE}/namespaces/stored/configmaps/one", accept=PARTIAL),
            get(
                "configmap-partial-list",
                f"{CORE}/namespaces/stored/configmaps?fieldSelector=metadata.name%3Done",
                accept=PARTIAL_LIST,
            ),
            get("core-event-as-new", "/apis/events.k8s.io/v1/namespaces/stored/events/one.1"),
            get("new-event-as-core", f"{CORE}/namespaces/stored/events/one.2"),
            get("pretty", f"{CORE}/namespaces/stored/configmaps/one?pretty=true"),
            get("page-one", f"{CORE}/namespaces/stored/events?limit=1"),
            get(
                "page-two",
                f"{CORE}/namespaces/stored/events?limit=1&continue={{{{page-one:metadata.continue}}}}",
            ),
            get("page-selected", f"{CORE}/namespaces/stored/events?limit=1&fieldSelector=type%3DNormal"),
        ),
    ),
)
