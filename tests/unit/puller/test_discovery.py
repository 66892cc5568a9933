from __future__ import annotations

import pytest

from kcp.client import StatusError
from kcp.puller import Catalogue, Resource, discover, resources_of
from tests.unit.puller.scripted import WIDGET_VERBS, Documents, aggregated, discovered, listed

AGGREGATED = {
    "/api": aggregated(discovered("", ("v1", [listed("pods", "Pod", shortNames=["po"], below=("status", "log"))]))),
    "/apis": aggregated(
        discovered(
            "apps", ("v1", [listed("deployments", "Deployment", categories=["all"], below=("scale", "status"))])
        ),
        discovered("shop.example.com", ("v2", [listed("carts", "Cart")]), ("v1", [listed("carts", "Cart")])),
        discovered("gone.example.com", ("v1", []), stale=True),
    ),
}


def row(name: str, kind: str, **more: object) -> dict[str, object]:
    verbs = ["get"] if "/" in name else WIDGET_VERBS
    singular = "" if "/" in name else kind.lower()
    return {"name": name, "singularName": singular, "namespaced": True, "kind": kind, "verbs": verbs, **more}


PLAIN = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {
        "resources": [row("pods", "Pod", shortNames=["po"]), row("pods/status", "Pod"), row("pods/log", "Pod")]
    },
    "/apis": {
        "kind": "APIGroupList",
        "groups": [
            {"name": "apps", "versions": [{"version": "v1"}], "preferredVersion": {"version": "v1"}},
            {
                "name": "shop.example.com",
                "versions": [{"version": "v1"}, {"version": "v2"}],
                "preferredVersion": {"version": "v2"},
            },
            {
                "name": "gone.example.com",
                "versions": [{"version": "v1"}],
                "preferredVersion": {"version": "v1"},
            },
        ],
    },
    "/apis/apps/v1": {
        "resources": [
            row("deployments/scale", "Scale"),
            row("deployments", "Deployment", categories=["all"]),
            row("deployments/status", "Deployment"),
        ]
    },
    "/apis/shop.example.com/v1": {"resources": [row("carts", "Cart")]},
    "/apis/shop.example.com/v2": {"resources": [row("carts", "Cart")]},
    "/apis/gone.example.com/v1": 503,
}


@pytest.mark.parametrize("documents", [AGGREGATED, PLAIN], ids=["aggregated", "plain"])
def test_both_forms_of_discovery_say_the_same(documents: dict[str, object]) -> None:
    found = discover(Documents(documents))
    assert found.missing == ("gone.example.com/v1",)
    verbs = frozenset(WIDGET_VERBS)
    assert found.resources == (
        Resource("", "v1", "pods", "Pod", True, "pod", verbs, ("po",), (), frozenset({"status", "log"})),
        Resource(
            "apps",
            "v1",
            "deployments",
            "Deployment",
            True,
            "deployment",
            verbs,
            (),
            ("all",),
            frozenset({"scale", "status"}),
        ),
        Resource("shop.example.com", "v2", "carts", "Cart", True, "cart", verbs),
        Resource("shop.example.com", "v1", "carts", "Cart", True, "cart", verbs),
    )


def test_aggregated_discovery_is_one_request_for_each_half() -> None:
    source = Documents(AGGREGATED)
    discover(source)
    assert [path for path, _ in source.asked] == ["/api", "/apis"]
    assert all("v=v2;as=APIGroupDiscoveryList" in accept for _, accept in source.asked)


@pytest.mark.parametrize("code", [401, 403, 500])
def test_discovery_that_is_refused_is_an_error(code: int) -> None:
    with pytest.raises(StatusError):
        discover(Documents({**AGGREGATED, "/apis": code}))


def test_a_server_without_the_core_group_has_the_others() -> None:
    assert [r.plural for r in discover(Documents({"/apis": AGGREGATED["/apis"]})).resources][:1] == ["deployments"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("pods", "pods//v1"),
        ("po", "pods//v1"),
        ("Pod", "pods//v1"),
        ("pod.core", "pods//v1"),
        ("pods.v1.core", "pods//v1"),
        ("pods.v1.", "pods//v1"),
        ("deployments.apps", "deployments/apps/v1"),
        ("deployments.v1.apps", "deployments/apps/v1"),
        ("carts", "carts/shop.example.com/v2"),
        ("carts.shop.example.com", "carts/shop.example.com/v2"),
        ("carts.v1.shop.example.com", "carts/shop.example.com/v1"),
        ("carts.v3.shop.example.com", None),
        ("carts.apps", None),
        ("nothing", None),
        ("", None),
    ],
)
def test_names_mean_what_they_mean_to_kubectl(words: str, expected: str | None) -> None:
    found = discover(Documents(AGGREGATED)).find(words)
    assert (found and f"{found.plural}/{found.group}/{found.version}") == expected


def test_all_is_what_is_stored_and_not_built_in_at_the_preferred_version() -> None:
    verbs = frozenset(WIDGET_VERBS)
    catalogue = Catalogue(
        (
            Resource("", "v1", "configmaps", "ConfigMap", True, verbs=verbs),
            Resource("", "v1", "bindings", "Binding", True, verbs=frozenset({"create"})),
            Resource("", "v1", "pods", "Pod", True, verbs=verbs),
            Resource("x.io", "v2", "xs", "X", True, verbs=verbs),
            Resource("x.io", "v1", "xs", "X", True, verbs=verbs),
        )
    )
    for names in ([], ["all"], ["pods", "all"]):
        found, unknown = resources_of(catalogue, names)
        assert ([(r.plural, r.version) for r in found], unknown) == ([("pods", "v1"), ("xs", "v2")], [])
    assert resources_of(catalogue, ["zs"]) == ([], ["zs"])
    assert [r.plural for r in resources_of(catalogue, ["pods", "pod", "nope"])[0]] == ["pods"]
