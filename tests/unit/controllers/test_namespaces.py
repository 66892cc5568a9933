"""Deletion of namespaces over a server in this process; rules are kube-api 6.1 and 7.2."""

from __future__ import annotations

import trio

from kcp.client import Client
from kcp.controllers.namespaces import Collection, Content, delete_content, told
from kcp.controllers.runner import USER
from tests.unit.controllers.harness import (
    CLUSTER,
    CONFIG_MAPS,
    DEFINITIONS,
    NAMESPACES,
    Harness,
    Json,
    definition,
    serving,
)


def conditions(namespace: Json) -> dict[str, tuple[str, str, str]]:
    said = namespace["status"].get("conditions", [])
    return {one["type"]: (one["status"], one["reason"], one["message"]) for one in said}


async def test_7_2_2_conditions_tell_what_holds_a_namespace(kcp: Harness) -> None:
    await kcp.create(NAMESPACES, "ns")
    held = f"{NAMESPACES}/ns/configmaps"
    for name, finalizers in [("a", ["example.com/x", "example.com/y"]), ("b", ["example.com/y"]), ("c", [])]:
        await kcp.create(held, name, finalizers=finalizers)
    await kcp.create(f"{NAMESPACES}/ns/secrets", "s", finalizers=["example.com/x"])
    await kcp.good("DELETE", f"{NAMESPACES}/ns")
    namespace = await kcp.changed(NAMESPACES, "ns", lambda one: bool(conditions(one)))
    assert conditions(namespace) == {
        "NamespaceDeletionDiscoveryFailure": (
            "False", "ResourcesDiscovered", "All resources successfully discovered",
        ),
        "NamespaceDeletionGroupVersionParsingFailure": (
            "False", "ParsedGroupVersions", "All legacy kube types successfully parsed",
        ),
        "NamespaceDeletionContentFailure": (
            "False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 2 resource instances, secrets. has 1 resource instances",
        ),
        "NamespaceFinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: "
            "example.com/x in 2 resource instances, example.com/y in 2 resource instances",
        ),
    }  # fmt: skip
    for name in ("a", "b"):
        await kcp.good("PATCH", f"{held}/{name}", {"metadata": {"finalizers": None}})
    await kcp.changed(NAMESPACES, "ns", lambda one: "secrets" in str(conditions(one)) and "conf" not in str(one))
    await kcp.good("PATCH", f"{NAMESPACES}/ns/secrets/s", {"metadata": {"finalizers": None}})
    await kcp.gone(NAMESPACES, "ns")


def test_7_2_2_trouble_is_told_in_kubernetes_words() -> None:
    content = Content(discovery="no", errors=["b failed", "a failed"])
    said = {one.type: (one.status, one.reason, one.message) for one in told(content)}
    assert said["NamespaceDeletionDiscoveryFailure"] == (True, "DiscoveryFailed", "no")
    assert said["NamespaceDeletionContentFailure"] == (
        True,
        "ContentDeletionFailed",
        "Failed to delete all resource types, 2 remaining: a failed, b failed",
    )
    assert said["NamespaceContentRemaining"] == (False, "ContentRemoved", "All content successfully removed")
    finalizers = said["NamespaceFinalizersRemaining"]
    assert finalizers == (False, "ContentHasNoFinalizers", "All content-preserving finalizers finished")


async def test_7_2_3_other_finalizers_of_the_spec_hold_an_empty_namespace(kcp: Harness) -> None:
    body = {"metadata": {"name": "ns"}, "spec": {"finalizers": ["example.com/mine"]}}
    created = await kcp.good("POST", NAMESPACES, body)
    assert created["spec"]["finalizers"] == ["example.com/mine", "kubernetes"]
    await kcp.good("DELETE", f"{NAMESPACES}/ns")
    left = await kcp.changed(NAMESPACES, "ns", lambda one: "kubernetes" not in one["spec"]["finalizers"])
    assert left["spec"]["finalizers"] == ["example.com/mine"]
    assert left["status"]["phase"] == "Terminating"
    left["spec"] = {"finalizers": []}
    await kcp.good("PUT", f"{NAMESPACES}/ns/finalize", left)
    await kcp.gone(NAMESPACES, "ns")


async def test_6_1_4_finalizers_of_the_metadata_hold_a_namespace_as_well(kcp: Harness) -> None:
    await kcp.create(NAMESPACES, "ns", finalizers=["example.com/mine"])
    await kcp.good("DELETE", f"{NAMESPACES}/ns")
    await kcp.changed(NAMESPACES, "ns", lambda one: not one["spec"].get("finalizers"))
    await kcp.good("PATCH", f"{NAMESPACES}/ns", {"metadata": {"finalizers": None}})
    await kcp.gone(NAMESPACES, "ns")


async def test_6_1_5_and_6_1_8_the_default_namespace_stays(kcp: Harness) -> None:
    await kcp.create(NAMESPACES, "other")
    code, answer = await kcp.send("DELETE", f"{NAMESPACES}/default")
    assert (code, answer["message"]) == (403, 'namespaces "default" is forbidden: this namespace may not be deleted')


async def test_6_1_6_nothing_is_created_in_a_namespace_that_goes(kcp: Harness) -> None:
    await kcp.create(NAMESPACES, "ns")
    await kcp.create(f"{NAMESPACES}/ns/configmaps", "held", finalizers=["example.com/x"])
    await kcp.good("DELETE", f"{NAMESPACES}/ns")
    code, answer = await kcp.send("POST", f"{NAMESPACES}/ns/secrets", {"metadata": {"name": "late"}})
    assert (code, answer["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    await kcp.good("PATCH", f"{NAMESPACES}/ns/configmaps/held", {"metadata": {"labels": {"a": "b"}}})


async def test_7_2_5_many_namespaces_go_side_by_side_while_others_are_held(kcp: Harness) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(populate, kcp, f"ns-{number}", number < 20)
    for number in range(40):
        await kcp.good("DELETE", f"{NAMESPACES}/ns-{number}")
    for number in range(20, 40):
        await kcp.gone(NAMESPACES, f"ns-{number}")
    assert (await kcp.send("GET", f"{NAMESPACES}/ns-0"))[0] == 200


async def populate(kcp: Harness, name: str, held: bool) -> None:
    await kcp.create(NAMESPACES, name)
    for number in range(5):
        finalizers = ["example.com/x"] if held else []
        await kcp.create(f"{NAMESPACES}/{name}/configmaps", f"c{number}", finalizers=finalizers)


async def test_7_2_6_a_name_is_free_again_with_a_new_uid(kcp: Harness) -> None:
    first = await kcp.create(NAMESPACES, "ns")
    await kcp.good("DELETE", f"{NAMESPACES}/ns")
    await kcp.gone(NAMESPACES, "ns")
    second = await kcp.create(NAMESPACES, "ns")
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


async def test_7_2_7_while_there_are_pods_nothing_else_goes(kcp: Harness) -> None:
    pods = definition()
    pods["metadata"]["name"] = "pods.core"
    names = {"plural": "pods", "singular": "pod", "kind": "Pod", "listKind": "PodList"}
    pods["spec"] |= {"group": "", "names": names}
    await kcp.good("POST", DEFINITIONS, pods)
    await kcp.create(NAMESPACES, "ns")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "finalizers": ["example.com/x"]}}
    pod["spec"] = {"containers": [{"name": "c", "image": "i"}]}
    await kcp.good("POST", f"{NAMESPACES}/ns/pods", pod)
    await kcp.create(f"{NAMESPACES}/ns/configmaps", "needed")
    await kcp.good("DELETE", f"{NAMESPACES}/ns")
    await kcp.changed(NAMESPACES, "ns", lambda one: "pods. has 1 resource instances" in str(conditions(one)))
    needed = await kcp.good("GET", f"{NAMESPACES}/ns/configmaps/needed")
    assert "deletionTimestamp" not in needed["metadata"]
    await kcp.good("PATCH", f"{NAMESPACES}/ns/pods/p", {"metadata": {"finalizers": None}})
    await kcp.gone(NAMESPACES, "ns")


async def test_6_2_1_and_6_2_2_what_every_namespace_has_comes_back(kcp: Harness) -> None:
    await kcp.create(NAMESPACES, "ns")
    for namespace in ("ns", "default"):
        for collection, name in [("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt")]:
            path = f"{NAMESPACES}/{namespace}/{collection}/{name}"
            before = await kcp.good("GET", path)
            await kcp.good("DELETE", path)
            after = await kcp.good("GET", path)
            assert after["metadata"]["uid"] != before["metadata"]["uid"]
            assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
        path = f"{NAMESPACES}/{namespace}/configmaps/kube-root-ca.crt"
        right = (await kcp.good("GET", path))["data"]
        await kcp.good("PATCH", path, {"data": {"ca.crt": "mine", "more": "x"}})
        assert (await kcp.good("GET", path))["data"] == right


async def test_6_2_1_what_a_lost_account_owned_goes_though_another_takes_its_place(kcp: Harness) -> None:
    await kcp.create(CONFIG_MAPS, "first")  # the cluster comes into being with its first write
    account = await kcp.good("GET", f"{NAMESPACES}/default/serviceaccounts/default")
    await kcp.create(CONFIG_MAPS, "child", account)
    await kcp.good("DELETE", f"{NAMESPACES}/default/serviceaccounts/default")
    await kcp.gone(CONFIG_MAPS, "child")


async def test_7_2_1_resources_that_are_not_there_are_passed_over() -> None:
    async with serving(controllers="") as kcp:
        content = Content()
        client = Client(kcp.server, "one", USER)
        path = "/apis/example.com/v1/namespaces/default/widgets"
        await delete_content(client, [Collection("example.com", "widgets", path)], content)
        assert content.is_gone
        assert (await kcp.send("GET", f"{CLUSTER}{path}"))[0] == 404
