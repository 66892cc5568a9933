"""Rights to single names, and requests for collections that select by name (kube-api 3.1.4)."""

from __future__ import annotations

from tests.conformance.exchange import Ask, Scenario
from tests.conformance.scenarios.make import CORE, RBAC, config_map, delete, get, named, namespace, post
from tests.conformance.scenarios.objects import RBAC_V1, role_ref

MAPS = f"{CORE}/namespaces/names/configmaps"
ALICE = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice"}
RULE = {
    "apiGroups": [""],
    "resources": ["configmaps"],
    "resourceNames": ["mine"],
    "verbs": ["get", "list", "watch", "create", "delete", "deletecollection"],
}
SELECTORS = {
    "of-nothing": "",
    "of-mine": "fieldSelector=metadata.name%3Dmine",
    "of-mine-twice": "fieldSelector=metadata.name%3D%3Dmine,metadata.namespace%3Dnames",
    "of-other": "fieldSelector=metadata.name%3Dother",
    "of-all-but-other": "fieldSelector=metadata.name%21%3Dother",
    "of-no-selector": "fieldSelector=metadata.name",
    "of-a-path": "fieldSelector=metadata.name%3Da%2Fb",
}


def asks(name: str, method: str, more: str) -> tuple[Ask, ...]:
    """Ask for the collection by each selector, as somebody who has a right to one name."""
    return tuple(
        Ask(f"{name}-{which}", method, f"{MAPS}?{selector}{more}", user="alice")
        for which, selector in SELECTORS.items()
    )


SCENARIOS = (
    Scenario(
        "one-name",
        "Somebody with rights to one name reads, lists, watches and deletes.",
        (
            namespace("names"),
            post("mine", MAPS, config_map("mine", a="b")),
            post("other", MAPS, config_map("other", a="b")),
            post("role", f"{RBAC}/namespaces/names/roles", named(RBAC_V1, "Role", "reader", rules=[RULE])),
            post(
                "binding",
                f"{RBAC}/namespaces/names/rolebindings",
                named(RBAC_V1, "RoleBinding", "reader", roleRef=role_ref("Role"), subjects=[ALICE]),
            ),
        ),
        (
            *asks("list", "GET", ""),
            *asks("watch", "GET", "&watch=1&timeoutSeconds=1"),
            get("read", f"{MAPS}/mine", user="alice"),
            get("read-other", f"{MAPS}/other", user="alice"),
            post("created", MAPS, config_map("mine"), user="alice"),
            *asks("collection", "DELETE", ""),
            delete("deleted", f"{MAPS}/mine", user="alice"),
        ),
    ),
)
