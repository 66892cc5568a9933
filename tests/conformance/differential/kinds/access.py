"""Roles and bindings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.differential.kinds.core import put
from tests.conformance.differential.model import Body, Kind
from tests.conformance.differential.wire import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.conformance.exchange import Json

GROUP = "rbac.authorization.k8s.io"
RULES: tuple[dict[str, list[str]], ...] = (
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["secrets", "configmaps/status"], "verbs": ["*"]},
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["watch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["one", "two"], "verbs": ["get"]},
    {"apiGroups": ["apps", ""], "resources": ["deployments"], "verbs": ["create", "delete"]},
)
URLS = {"nonResourceURLs": ["/healthz", "/logs/*"], "verbs": ["get"]}


def _role(rng: Random) -> Body:
    return {"rules": rng.sample(RULES, rng.randint(0, 3))}


def _cluster_role(rng: Random) -> Body:
    body = _role(rng)
    if rng.random() < 0.3:
        body["rules"].append(URLS)
    if rng.random() < 0.1:
        body["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {"example.com/aggregate": TOKEN}}]}
        body["rules"] = []
    return body


def _change_role(rng: Random, body: Body) -> Body:
    if body.get("aggregationRule"):
        return body
    return {**body, "rules": [*(body.get("rules") or []), rng.choice(RULES)][-4:]}


def rule(**fields: Json) -> Callable[[Random, Body], Body]:
    """Return a fault: a rule with other fields, after a good one or alone."""

    def apply(rng: Random, body: Body) -> Body:
        broken = {k: v for k, v in {**RULES[0], **fields}.items() if v is not None}
        return {**body, "rules": [broken] if rng.random() < 0.5 else [RULES[1], broken]}

    return apply


ROLE_FAULTS = {
    "rule-empty": put(rules=[{}]),
    "no-verbs": rule(verbs=None),
    "verbs-empty": rule(verbs=[]),
    "verb-empty": rule(verbs=[""]),
    "no-groups": rule(apiGroups=None),
    "no-resources": rule(resources=None),
    "groups-empty": rule(apiGroups=[]),
    "names-and-url": rule(nonResourceURLs=["/x"]),
    "verbs-text": rule(verbs="get"),
    "rules-object": put(rules={}),
    "rules-of-text": put(rules=["x"]),
    "rules-of-null": put(rules=[None]),
    "rules-null": put(rules=None),
    "unknown-field": rule(colour="red"),
    "unknown-top": put(spec={}),
}
ROLES = Kind(
    "roles",
    GROUP,
    "v1",
    "Role",
    True,
    _role,
    _change_role,
    {**ROLE_FAULTS, "url": put(rules=[URLS])},
    {"no-verbs": rule(verbs=None), "rules-null": put(rules=None), "url": put(rules=[URLS])},
    paths=("/rules/0", "/rules/0/verbs/-", "/rules", "/rules/0/apiGroups"),
)
CLUSTER_ROLES = Kind(
    "clusterroles",
    GROUP,
    "v1",
    "ClusterRole",
    False,
    _cluster_role,
    _change_role,
    {
        **ROLE_FAULTS,
        "url-star": put(rules=[{"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        "url-relative": put(rules=[{"nonResourceURLs": ["x"], "verbs": ["get"]}]),
        "url-star-inside": put(rules=[{"nonResourceURLs": ["/a*b"], "verbs": ["get"]}]),
        "aggregation-empty": put(aggregationRule={}),
        "aggregation-selectors-empty": put(aggregationRule={"clusterRoleSelectors": []}),
        "aggregation-operator": put(
            aggregationRule={"clusterRoleSelectors": [{"matchExpressions": [{"key": "a", "operator": "Nope"}]}]}
        ),
        "aggregation-values": put(
            aggregationRule={"clusterRoleSelectors": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]}
        ),
        "aggregation-key": put(
            aggregationRule={"clusterRoleSelectors": [{"matchExpressions": [{"key": "a b", "operator": "Exists"}]}]}
        ),
        "aggregation-label": put(aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b c"}}]}),
    },
    {"no-verbs": rule(verbs=None), "aggregation-empty": put(aggregationRule={})},
    paths=("/rules/0", "/rules/0/verbs/-", "/rules", "/aggregationRule"),
)

SUBJECTS: tuple[dict[str, str], ...] = (
    {"kind": "User", "apiGroup": GROUP, "name": "bob"},
    {"kind": "User", "name": "carol"},
    {"kind": "Group", "apiGroup": GROUP, "name": "testers"},
    {"kind": "ServiceAccount", "name": "robot", "namespace": "kube-system"},
)


# Bindings of a whole cluster would give rights to the users of other episodes.
CLUSTER_SUBJECTS = tuple({**one, "name": f"{one['name']}-{TOKEN}"} for one in SUBJECTS)


def _ref(kind: str, name: str = "reader", group: str = GROUP) -> dict[str, str]:
    return {"apiGroup": group, "kind": kind, "name": name}


def _binding(kinds: tuple[str, ...], pool: tuple[dict[str, str], ...]) -> Callable[[Random], Body]:
    def make(rng: Random) -> Body:
        subjects = rng.sample(pool, rng.randint(0, 3))
        reference = {"roleRef": _ref(rng.choice(kinds))}
        return {**reference, "subjects": subjects} if subjects or rng.random() < 0.5 else reference

    return make


def _change_binding(rng: Random, body: Body) -> Body:
    pool = SUBJECTS if body.get("kind") == "RoleBinding" else CLUSTER_SUBJECTS
    return {**body, "subjects": rng.sample(pool, rng.randint(1, 3))}


def subject(**fields: Json) -> Callable[[Random, Body], Body]:
    """Return a fault: a subject of a binding, after a good one or alone."""

    def apply(rng: Random, body: Body) -> Body:
        return {**body, "subjects": [fields] if rng.random() < 0.5 else [CLUSTER_SUBJECTS[0], fields]}

    return apply


BINDING_FAULTS = {
    "ref-missing": put(roleRef=None),
    "ref-empty": put(roleRef={}),
    "ref-group": put(roleRef=_ref("ClusterRole", group="x")),
    "ref-no-group": put(roleRef={"kind": "ClusterRole", "name": "x"}),
    "ref-kind": put(roleRef=_ref("Nope")),
    "ref-name-empty": put(roleRef=_ref("ClusterRole", "")),
    "ref-name-slash": put(roleRef=_ref("ClusterRole", "a/b")),
    "ref-text": put(roleRef="x"),
    "ref-unknown": put(roleRef={**_ref("ClusterRole"), "colour": "red"}),
    "subject-kind": subject(kind="Nope", name="a"),
    "subject-kind-missing": subject(name="a"),
    "subject-name": subject(kind="User"),
    "subject-group": subject(kind="User", name="a", apiGroup="x"),
    "subject-group-of-group": subject(kind="Group", name="a", apiGroup="x"),
    "account-namespace": subject(kind="ServiceAccount", name="a"),
    "account-name": subject(kind="ServiceAccount", name="A_", namespace="b"),
    "account-group": subject(kind="ServiceAccount", name="a", namespace="b", apiGroup=GROUP),
    "user-namespace": subject(kind="User", name="a", namespace="b"),
    "subjects-object": put(subjects={}),
    "subjects-of-null": put(subjects=[None]),
    "unknown-field": put(spec={}),
}
BINDING_UPDATE_FAULTS = {
    "ref-change": put(roleRef=_ref("ClusterRole", "another")),
    "ref-kind-change": put(roleRef=_ref("Nope", "another")),
    "ref-missing": put(roleRef=None),
    "subject-kind": subject(kind="Nope", name="a"),
    "subjects-null": put(subjects=None),
}
BINDINGS = Kind(
    "rolebindings",
    GROUP,
    "v1",
    "RoleBinding",
    True,
    _binding(("Role", "ClusterRole"), SUBJECTS),
    _change_binding,
    BINDING_FAULTS,
    BINDING_UPDATE_FAULTS,
    paths=("/subjects/0", "/subjects/-", "/subjects", "/roleRef/name"),
)
CLUSTER_BINDINGS = Kind(
    "clusterrolebindings",
    GROUP,
    "v1",
    "ClusterRoleBinding",
    False,
    _binding(("ClusterRole",), CLUSTER_SUBJECTS),
    _change_binding,
    {**BINDING_FAULTS, "ref-role": put(roleRef=_ref("Role"))},
    BINDING_UPDATE_FAULTS,
    paths=("/subjects/0", "/subjects/-", "/subjects", "/roleRef/name"),
)
ACCESS = (ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS)
