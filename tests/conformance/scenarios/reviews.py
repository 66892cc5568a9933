"""Who am I, what may I do, tokens, and the rules against giving away more than one has."""

from __future__ import annotations

from tests.conformance.exchange import Ask, Scenario
from tests.conformance.scenarios.make import CORE, RBAC, named, namespace, patch, post
from tests.conformance.scenarios.objects import RBAC_V1, RULE, SUBJECTS, role_ref

AUTHN = "/apis/authentication.k8s.io/v1"
AUTHZ = "/apis/authorization.k8s.io/v1"
ATTRIBUTES = {"namespace": "reviews", "verb": "get", "resource": "configmaps"}


def review(name: str, kind: str, spec: object, *, user: str = "admin", namespaced: str = "") -> Ask:
    """Create a review of authorization.k8s.io."""
    path = f"{AUTHZ}/{namespaced}{kind.lower()}s"
    return post(name, path, {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}, user=user)


def token(name: str, spec: object, account: str = "robot") -> Ask:
    """Ask for a service-account token."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return post(name, f"{CORE}/namespaces/reviews/serviceaccounts/{account}/token", body)


def as_alice(name: str, path: str, body: object) -> Ask:
    """Write as the ordinary user."""
    return post(name, path, body, user="alice")


RULES = [
    {
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["roles", "rolebindings", "clusterroles", "clusterrolebindings"],
        "verbs": ["get", "list", "create", "update", "patch"],
    },
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get"]},
    {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
]

SCENARIOS = (
    Scenario(
        "reviews",
        "Review kinds of authentication and authorization, and service-account tokens.",
        (
            namespace("reviews"),
            post(
                "account",
                f"{CORE}/namespaces/reviews/serviceaccounts",
                named("v1", "ServiceAccount", "robot"),
            ),
            post("secret", f"{CORE}/namespaces/reviews/secrets", named("v1", "Secret", "one")),
            post("role", f"{RBAC}/namespaces/reviews/roles", named(RBAC_V1, "Role", "reader", rules=[RULE])),
            post(
                "binding",
                f"{RBAC}/namespaces/reviews/rolebindings",
                named(
                    RBAC_V1,
                    "RoleBinding",
                    "readers",
                    roleRef=role_ref("Role"),
                    subjects=[{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice"}],
                ),
            ),
        ),
        (
            post(
                "self-subject",
                f"{AUTHN}/selfsubjectreviews",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
            ),
            post(
                "self-subject-alice",
                f"{AUTHN}/selfsubjectreviews",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
                user="alice",
            ),
            post(
                "self-subject-anonymous",
                f"{AUTHN}/selfsubjectreviews",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
                user="anonymous",
            ),
            review("self-access", "SelfSubjectAccessReview", {"resourceAttributes": ATTRIBUTES}),
            review(
                "self-access-alice",
                "SelfSubjectAccessReview",
                {"resourceAttributes": ATTRIBUTES},
                user="alice",
            ),
            review(
                "self-access-alice-denied",
                "SelfSubjectAccessReview",
                {"resourceAttributes": {**ATTRIBUTES, "verb": "delete"}},
                user="alice",
            ),
            review(
                "self-access-nonresource",
                "SelfSubjectAccessReview",
                {"nonResourceAttributes": {"path": "/version", "verb": "get"}},
                user="alice",
            ),
            review(
                "self-access-both",
                "SelfSubjectAccessReview",
                {"resourceAttributes": ATTRIBUTES, "nonResourceAttributes": {"path": "/", "verb": "get"}},
            ),
            review("self-access-neither", "SelfSubjectAccessReview", {}),
            review("access", "SubjectAccessReview", {"user": "alice", "resourceAttributes": ATTRIBUTES}),
            review(
                "access-group",
                "SubjectAccessReview",
                {"groups": ["system:masters"], "resourceAttributes": ATTRIBUTES},
            ),
            review("access-nobody", "SubjectAccessReview", {"resourceAttributes": ATTRIBUTES}),
            review(
                "access-field-selector",
                "SubjectAccessReview",
                {
                    "user": "alice",
                    "resourceAttributes": {
                        **ATTRIBUTES,
                        "fieldSelector": {
                            "rawSelector": "a=b",
                            "requirements": [{"key": "a", "operator": "In", "values": ["b"]}],
                        },
                    },
                },
            ),
            review(
                "local-access",
                "LocalSubjectAccessReview",
                {"user": "alice", "resourceAttributes": ATTRIBUTES},
                namespaced="namespaces/reviews/",
            ),
            review(
                "local-access-other-namespace",
                "LocalSubjectAccessReview",
                {"user": "alice", "resourceAttributes": {**ATTRIBUTES, "namespace": "other"}},
                namespaced="namespaces/reviews/",
            ),
            review(
                "local-access-nonresource",
                "LocalSubjectAccessReview",
                {"user": "alice", "nonResourceAttributes": {"path": "/", "verb": "get"}},
                namespaced="namespaces/reviews/",
            ),
            review("rules-alice", "SelfSubjectRulesReview", {"namespace": "reviews"}, user="alice"),
            review(
                "rules-alice-other-namespace",
                "SelfSubjectRulesReview",
                {"namespace": "default"},
                user="alice",
            ),
            review("rules-admin", "SelfSubjectRulesReview", {"namespace": "reviews"}),
            review("rules-no-namespace", "SelfSubjectRulesReview", {}),
            review(
                "access-by-alice",
                "SubjectAccessReview",
                {"user": "alice", "resourceAttributes": ATTRIBUTES},
                user="alice",
            ),
            token("token", {}),
            token("token-audience", {"audiences": ["x"], "expirationSeconds": 600}),
            token("token-short", {"expirationSeconds": 5}),
            token("token-long", {"expirationSeconds": 2**33}),
            token("token-bound", {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "one"}}),
            token(
                "token-bound-missing",
                {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "none"}},
            ),
            token(
                "token-bound-kind",
                {"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1", "name": "one"}},
            ),
            token(
                "token-bound-uid",
                {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "one", "uid": "x"}},
            ),
            token("token-missing-account", {}, "none"),
            post(
                "token-review",
                f"{AUTHN}/tokenreviews",
                {
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenReview",
                    "spec": {"token": "{{token:status.token}}"},
                },
            ),
            post(
                "token-review-audience",
                f"{AUTHN}/tokenreviews",
                {
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenReview",
                    "spec": {"token": "{{token-audience:status.token}}"},
                },
            ),
            post(
                "token-review-audiences",
                f"{AUTHN}/tokenreviews",
                {
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenReview",
                    "spec": {"token": "{{token-audience:status.token}}", "audiences": ["x", "y"]},
                },
            ),
            post(
                "token-review-bad",
                f"{AUTHN}/tokenreviews",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "nope"}},
            ),
            post(
                "token-review-empty",
                f"{AUTHN}/tokenreviews",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {}},
            ),
            Ask(
                "as-service-account",
                "POST",
                f"{AUTHN}/selfsubjectreviews",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
                headers={"Impersonate-User": "system:serviceaccount:reviews:robot"},
            ),
            Ask(
                "as-user-with-groups",
                "POST",
                f"{AUTHN}/selfsubjectreviews",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
                headers={
                    "Impersonate-User": "bob",
                    "Impersonate-Group": "g",
                    "Impersonate-Uid": "7",
                    "Impersonate-Extra-Scopes": "a",
                },
            ),
        ),
    ),
    Scenario(
        "escalation",
        "An ordinary user who may write roles and bindings, but only with what she holds herself.",
        (
            namespace("escalation"),
            post(
                "role",
                f"{RBAC}/clusterroles",
                named(RBAC_V1, "ClusterRole", "escalation-keeper", rules=RULES),
            ),
            post(
                "binding",
                f"{RBAC}/clusterrolebindings",
                named(
                    RBAC_V1,
                    "ClusterRoleBinding",
                    "escalation-keepers",
                    roleRef=role_ref("ClusterRole", "escalation-keeper"),
                    subjects=[{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice"}],
                ),
            ),
        ),
        (
            as_alice("held", f"{RBAC}/namespaces/escalation/roles", named(RBAC_V1, "Role", "held", rules=[RULE])),
            as_alice(
                "not-held",
                f"{RBAC}/namespaces/escalation/roles",
                named(
                    RBAC_V1,
                    "Role",
                    "not-held",
                    rules=[
                        {
                            "apiGroups": ["", "apps"],
                            "resources": ["pods", "configmaps"],
                            "verbs": ["get", "delete"],
                        }
                    ],
                ),
            ),
            as_alice(
                "not-held-name",
                f"{RBAC}/namespaces/escalation/roles",
                named(
                    RBAC_V1,
                    "Role",
                    "x",
                    rules=[
                        {
                            "apiGroups": [""],
                            "resources": ["secrets"],
                            "resourceNames": ["one", "two"],
                            "verbs": ["get"],
                        }
                    ],
                ),
            ),
            as_alice(
                "not-held-url",
                f"{RBAC}/clusterroles",
                named(RBAC_V1, "ClusterRole", "x", rules=[{"nonResourceURLs": ["/logs"], "verbs": ["get"]}]),
            ),
            as_alice(
                "aggregate",
                f"{RBAC}/clusterroles",
                named(
                    RBAC_V1,
                    "ClusterRole",
                    "x",
                    aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
                ),
            ),
            as_alice(
                "binding-held",
                f"{RBAC}/namespaces/escalation/rolebindings",
                named(RBAC_V1, "RoleBinding", "held", roleRef=role_ref("Role", "held"), subjects=SUBJECTS),
            ),
            as_alice(
                "binding-admin",
                f"{RBAC}/namespaces/escalation/rolebindings",
                named(
                    RBAC_V1,
                    "RoleBinding",
                    "x",
                    roleRef=role_ref("ClusterRole", "system:public-info-viewer"),
                    subjects=SUBJECTS,
                ),
            ),
            as_alice(
                "binding-not-held",
                f"{RBAC}/namespaces/escalation/rolebindings",
                named(
                    RBAC_V1,
                    "RoleBinding",
                    "x",
                    roleRef=role_ref("ClusterRole", "system:monitoring"),
                    subjects=SUBJECTS,
                ),
            ),
            as_alice(
                "binding-missing-role",
                f"{RBAC}/namespaces/escalation/rolebindings",
                named(RBAC_V1, "RoleBinding", "x", roleRef=role_ref("Role", "none"), subjects=SUBJECTS),
            ),
            patch(
                "widen",
                f"{RBAC}/namespaces/escalation/roles/held",
                {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]},
                user="alice",
            ),
            patch(
                "same-rules",
                f"{RBAC}/namespaces/escalation/roles/held",
                {"metadata": {"labels": {"a": "b"}}},
                user="alice",
            ),
        ),
    ),
)
