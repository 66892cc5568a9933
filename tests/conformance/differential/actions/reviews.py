"""Access reviews, token reviews and who one is."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tests.conformance.differential import faults
from tests.conformance.differential.actions.make import TABLE, step, write_options
from tests.conformance.differential.wire import TOKEN

if TYPE_CHECKING:
    from random import Random

    from tests.conformance.differential.model import World
    from tests.conformance.differential.step import Step

AUTHORIZATION = "/apis/authorization.k8s.io/v1"
AUTHENTICATION = "/apis/authentication.k8s.io/v1"
NS = f"ns-{TOKEN}"


def _attributes(rng: Random) -> dict[str, Any]:
    if rng.random() < 0.25:
        return {"nonResourceAttributes": {"path": rng.choice(["/healthz", "/api", "/secret", ""]), "verb": "get"}}
    found: dict[str, Any] = {
        "verb": rng.choice(["get", "list", "create", "delete", "impersonate", "*", "", "patch"]),
        "resource": rng.choice(["configmaps", "secrets", "widgets", "pods", "namespaces", "*", ""]),
    }
    if rng.random() < 0.7:
        found["namespace"] = rng.choice([NS, "other", ""])
    if rng.random() < 0.4:
        found["group"] = rng.choice(["", "diff.example.com", "apps", "*"])
    if rng.random() < 0.3:
        found["name"] = rng.choice(["one", "x"])
    if rng.random() < 0.2:
        found["subresource"] = rng.choice(["status", "scale"])
    if rng.random() < 0.2:
        found["version"] = rng.choice(["v1", "*"])
    if rng.random() < 0.15:
        found["labelSelector"] = rng.choice(
            [{"rawSelector": "a=b"}, {"requirements": [{"key": "a", "operator": "Exists"}]}]
        )
    return {"resourceAttributes": found}


def _spec(rng: Random, kind: str) -> dict[str, Any]:
    match kind:
        case "SelfSubjectAccessReview":
            return _attributes(rng)
        case "SelfSubjectRulesReview":
            return {"namespace": rng.choice([NS, NS, "other"])}
        case "TokenReview":
            token = rng.choice(["nothing", "a.b.c", "{{token:status.token}}"])
            return {"token": token} | rng.choice([{}, {}, {"audiences": ["x"]}])
        case "SelfSubjectReview":
            return {}
    spec = _attributes(rng)
    if kind == "LocalSubjectAccessReview" and "resourceAttributes" in spec:
        spec["resourceAttributes"]["namespace"] = NS
    if rng.random() < 0.9:
        spec["user"] = rng.choice(["alice", "bob", "admin"])
    if rng.random() < 0.4:
        spec["groups"] = rng.choice([["developers"], ["system:masters"], []])
    if rng.random() < 0.1:
        spec |= {"uid": "5", "extra": {"Scopes": ["view"]}}
    return spec


KINDS = {
    "SelfSubjectAccessReview": f"{AUTHORIZATION}/selfsubjectaccessreviews",
    "SubjectAccessReview": f"{AUTHORIZATION}/subjectaccessreviews",
    "LocalSubjectAccessReview": f"{AUTHORIZATION}/namespaces/{NS}/localsubjectaccessreviews",
    "SelfSubjectRulesReview": f"{AUTHORIZATION}/selfsubjectrulesreviews",
    "TokenReview": f"{AUTHENTICATION}/tokenreviews",
    "SelfSubjectReview": f"{AUTHENTICATION}/selfsubjectreviews",
}


def _body(rng: Random, kind: str) -> dict[str, Any]:
    version = KINDS[kind].split("/")[2]
    body: dict[str, Any] = {"apiVersion": f"{version}/v1", "kind": kind, "spec": _spec(rng, kind)}
    if kind == "SelfSubjectReview":
        del body["spec"]
    return body


def review(world: World) -> Step:
    """Ask for a review."""
    rng = world.rng
    kind = rng.choice(sorted(KINDS))
    headers = {"Accept": TABLE} if rng.random() < 0.04 else {}
    return step(
        world,
        "POST",
        KINDS[kind],
        _body(rng, kind),
        what=("review", kind, "-"),
        headers=headers,
        query=write_options(world),
    )


def review_broken(world: World) -> Step:
    """Ask for a review that says too little, too much or something else."""
    rng = world.rng
    kind = rng.choice(sorted(KINDS))
    body = copy.deepcopy(_body(rng, kind))
    fault = rng.choice(
        ["spec-empty", "spec-missing", "both", "namespace", "unknown", "metadata", "header", "type", "selector"]
    )
    match fault:
        case "spec-empty":
            body["spec"] = {}
        case "spec-missing":
            body.pop("spec", None)
        case "both":
            body["spec"] = {
                "user": "bob",
                "resourceAttributes": {"verb": "get", "resource": "x", "namespace": "other"},
                "nonResourceAttributes": {"verb": "get", "path": "/x"},
            }
        case "namespace":
            body["spec"] = {"user": "bob", "resourceAttributes": {"verb": "get", "resource": "x", "namespace": "other"}}
        case "unknown":
            body["colour"] = "red"
            body.setdefault("spec", {})["colour"] = "red"
        case "metadata":
            body["metadata"] = rng.choice(
                [{"name": "x"}, {"namespace": "other"}, {"labels": {"a": "b"}}, {"name": "A_"}]
            )
        case "header":
            name = rng.choice(sorted(faults.HEADER_FAULTS))
            body, fault = faults.HEADER_FAULTS[name](rng, body), name
        case "type":
            body["spec"] = rng.choice(
                ["x", [], {"user": 5}, {"groups": "x"}, {"resourceAttributes": "x"}, {"token": 5}]
            )
        case _:
            selector = rng.choice(
                [
                    {"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "Exists"}]},
                    {"requirements": [{"key": "a", "operator": "Near"}]},
                    {"requirements": [{"key": "a", "operator": "In"}]},
                    {"requirements": [{"key": "", "operator": "Exists", "values": ["x"]}]},
                    {},
                ]
            )
            where = rng.choice(["labelSelector", "fieldSelector"])
            attributes = {"verb": "list", "resource": "configmaps", "namespace": NS, where: selector}
            body["spec"] = {"user": "bob", "resourceAttributes": attributes}
            if kind == "SelfSubjectAccessReview":
                del body["spec"]["user"]
    return step(world, "POST", KINDS[kind], body, what=("review", kind, fault), query=write_options(world))
