"""Answers to successful writes: creates, updates, patches, dry runs and deletes."""

from __future__ import annotations

from tests.conformance.exchange import Scenario
from tests.conformance.scenarios.make import (
    CORE,
    JSON_PATCH,
    STRATEGIC,
    config_map,
    delete,
    get,
    named,
    namespace,
    patch,
    post,
    put,
)

MAPS = f"{CORE}/namespaces/writes/configmaps"
FINALIZED = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "held", "finalizers": ["example.com/hold"]},
}

SCENARIOS = (
    Scenario(
        "writes",
        "Creates, updates and patches of a configmap and what they return.",
        (namespace("writes"),),
        (
            post("create", f"{MAPS}?fieldManager=tester", config_map("one", a="1")),
            post("create-dry", f"{MAPS}?dryRun=All", config_map("dry", a="1")),
            post(
                "create-system-fields",
                MAPS,
                {
                    "metadata": {
                        "name": "system",
                        "uid": "0f1a8b2c-0000-4000-8000-000000000000",
                        "creationTimestamp": "2020-01-01T00:00:00Z",
                        "deletionTimestamp": "2020-01-01T00:00:00Z",
                        "generation": 7,
                        "selfLink": "/x",
                        "labels": {},
                        "annotations": {},
                    }
                },
            ),
            put("update", f"{MAPS}/one", config_map("one", a="2")),
            put("update-same", f"{MAPS}/one", config_map("one", a="2")),
            put("update-dry", f"{MAPS}/one?dryRun=All", config_map("one", a="9")),
            patch("merge", f"{MAPS}/one", {"data": {"b": "1", "a": None}}),
            patch("merge-empty", f"{MAPS}/one", {}),
            patch("json", f"{MAPS}/one", [{"op": "add", "path": "/data/c", "value": "1"}], JSON_PATCH),
            patch("strategic", f"{MAPS}/one", {"data": {"d": "1", "$retainKeys": ["d"]}}, STRATEGIC),
            patch("strategic-replace", f"{MAPS}/one", {"data": {"$patch": "replace", "z": "1"}}, STRATEGIC),
            patch("label", f"{MAPS}/one", {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}),
            patch("finalizer", f"{MAPS}/one", {"metadata": {"finalizers": ["example.com/a"]}}),
            patch("finalizers-off", f"{MAPS}/one", {"metadata": {"finalizers": None}}),
            patch(
                "owner",
                f"{MAPS}/one",
                {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}]}},
            ),
        ),
    ),
    Scenario(
        "deletes",
        "Deletes: at once, with finalizers, dry, of collections and of namespaces.",
        (
            namespace("deletes"),
            *(post(n, f"{CORE}/namespaces/deletes/configmaps", config_map(n)) for n in "abcde"),
            post("held", f"{CORE}/namespaces/deletes/configmaps", FINALIZED),
            post(
                "role",
                "/apis/rbac.authorization.k8s.io/v1/namespaces/deletes/roles",
                named("rbac.authorization.k8s.io/v1", "Role", "r"),
            ),
            namespace("deletes-whole"),
        ),
        (
            delete("dry", f"{CORE}/namespaces/deletes/configmaps/a?dryRun=All"),
            delete("at-once", f"{CORE}/namespaces/deletes/configmaps/a"),
            delete("grouped", "/apis/rbac.authorization.k8s.io/v1/namespaces/deletes/roles/r"),
            delete("background", f"{CORE}/namespaces/deletes/configmaps/b", {"propagationPolicy": "Background"}),
            delete("foreground", f"{CORE}/namespaces/deletes/configmaps/c?propagationPolicy=Foreground"),
            delete("orphan", f"{CORE}/namespaces/deletes/configmaps/d?propagationPolicy=Orphan"),
            delete("held", f"{CORE}/namespaces/deletes/configmaps/held"),
            delete("held-again", f"{CORE}/namespaces/deletes/configmaps/held"),
            post("held-recreated", f"{CORE}/namespaces/deletes/configmaps", FINALIZED),
            patch(
                "held-more-finalizers",
                f"{CORE}/namespaces/deletes/configmaps/held",
                {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}},
            ),
            patch("released", f"{CORE}/namespaces/deletes/configmaps/held", {"metadata": {"finalizers": []}}),
            get("released-gone", f"{CORE}/namespaces/deletes/configmaps/held"),
            delete("collection-selected", f"{CORE}/namespaces/deletes/configmaps?labelSelector=none"),
            delete("collection", f"{CORE}/namespaces/deletes/configmaps?fieldSelector=metadata.name%3De"),
            delete("namespace", f"{CORE}/namespaces/deletes-whole"),
            post("into-terminating", f"{CORE}/namespaces/deletes-whole/configmaps", config_map("x")),
            delete("namespace-default", f"{CORE}/namespaces/default"),
            delete("namespace-kube-system", f"{CORE}/namespaces/kube-system"),
        ),
    ),
)
