"""Rules of roles without a server, and the paths that they are held against."""

from __future__ import annotations

import pytest

from kcp.client import StatusError
from kcp.virtual.rules import allows
from kcp.virtual.visit import Info, parse, segments

GET = Info("get", "apps", "v1", "default", "deployments", "web")


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}, True),
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, True),
        ({"apiGroups": [""], "resources": ["deployments"], "verbs": ["get"]}, False),
        ({"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]}, False),
        ({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}, False),
        ({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["web"]}, True),
        ({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["db"]}, False),
        ({"nonResourceURLs": ["*"], "verbs": ["get"]}, False),
    ],
)
def test_a_rule_allows_what_it_names(rule: dict[str, list[str]], allowed: bool) -> None:
    assert allows([rule], GET, "/") is allowed


def test_subresources_are_named_apart() -> None:
    info = Info("update", "apps", "v1", "default", "deployments", "web", "scale")
    for resources, allowed in ((["deployments"], False), (["deployments/scale"], True), (["*/scale"], True)):
        assert allows([{"apiGroups": ["apps"], "resources": resources, "verbs": ["update"]}], info, "/") is allowed


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "api/v1/namespaces", [], Info("list", "", "v1", "", "namespaces")),
        ("GET", "api/v1/namespaces/a", [], Info("get", "", "v1", "", "namespaces", "a")),
        ("PUT", "api/v1/namespaces/a/status", [], Info("update", "", "v1", "", "namespaces", "a", "status")),
        ("GET", "api/v1/namespaces/a/pods", [("watch", "1")], Info("watch", "", "v1", "a", "pods")),
        (
            "DELETE",
            "apis/apps/v1/namespaces/a/deployments",
            [],
            Info("deletecollection", "apps", "v1", "a", "deployments"),
        ),
        ("GET", "apis/apps/v1", [], Info("get")),
    ],
)
def test_paths_are_told_apart(method: str, path: str, query: list[tuple[str, str]], expected: Info) -> None:
    assert parse(method, segments(path.encode()), query) == expected


@pytest.mark.parametrize("path", [b"a//b", b"a/../b", b"a/%2e%2e/b", b"a/b%2fc", b"a/%00", b"a/%ff"])
def test_paths_that_climb_are_400(path: bytes) -> None:
    with pytest.raises(StatusError) as refused:
        segments(path)
    assert refused.value.code == 400
