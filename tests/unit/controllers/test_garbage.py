"""Garbage collection over a server in this process; rules are kube-api 7.1 and 3.9.6."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from kcp.core import Options
from tests.unit.controllers.harness import (
    CLUSTER,
    CONFIG_MAPS,
    DEFINITIONS,
    NAMESPACES,
    PATIENCE,
    WIDGETS,
    definition,
    owned_by,
    serving,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.controllers.harness import Harness

SECRETS = f"{NAMESPACES}/default/secrets"
ABSENT = "00000000-0000-4000-8000-000000000000"


async def settled(kcp: Harness) -> None:
    """Give the controller its turns until it has removed every record."""
    while await kcp.server.take_work("absent-owner"):
        await kcp.server.call("GET", CONFIG_MAPS)


def policy(name: str, **more: object) -> dict[str, Any]:
    return {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": name, **more}


async def test_7_1_5_dependents_go_after_their_owner(kcp: Harness) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    child = await kcp.create(SECRETS, "child", owner)
    await kcp.create(CONFIG_MAPS, "grandchild", child)
    answer = await kcp.good("DELETE", f"{CONFIG_MAPS}/owner")
    assert answer["kind"] == "Status"
    await kcp.gone(SECRETS, "child")
    await kcp.gone(CONFIG_MAPS, "grandchild")


async def test_7_1_2_custom_resources_own_and_are_owned(kcp: Harness) -> None:
    await kcp.good("POST", DEFINITIONS, definition())
    owner = await kcp.create(WIDGETS, "owner")
    await kcp.create(WIDGETS, "child", owner)
    await kcp.create(CONFIG_MAPS, "other", owner)
    await kcp.good("DELETE", f"{WIDGETS}/owner")
    await kcp.gone(WIDGETS, "child")
    await kcp.gone(CONFIG_MAPS, "other")


async def test_7_1_3_an_owner_that_is_there_keeps_and_absent_ones_are_forgotten(kcp: Harness) -> None:
    first, second = await kcp.create(CONFIG_MAPS, "first"), await kcp.create(CONFIG_MAPS, "second")
    await kcp.create(SECRETS, "child", first, second)
    await kcp.good("DELETE", f"{CONFIG_MAPS}/first")
    kept = await kcp.changed(SECRETS, "child", lambda one: len(one["metadata"]["ownerReferences"]) == 1)
    assert kept["metadata"]["ownerReferences"] == [owned_by(second)]
    assert "deletionTimestamp" not in kept["metadata"]
    await kcp.good("DELETE", f"{CONFIG_MAPS}/second")
    await kcp.gone(SECRETS, "child")


async def test_7_1_3_a_dependent_goes_by_its_own_finalizers(kcp: Harness) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    child = await kcp.create(SECRETS, "child", owner, finalizers=["orphan"])
    await kcp.create(CONFIG_MAPS, "grandchild", child)
    await kcp.good("DELETE", f"{CONFIG_MAPS}/owner")
    await kcp.gone(SECRETS, "child")
    left = await kcp.good("GET", f"{CONFIG_MAPS}/grandchild")
    assert "ownerReferences" not in left["metadata"]


async def test_3_9_6_foreground_and_orphan_are_finalizers_and_background_removes_them(kcp: Harness) -> None:
    async with serving(controllers="") as alone:
        for name, finalizer in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")]:
            await alone.create(CONFIG_MAPS, "one", finalizers=["example.com/hold"])
            answer = await alone.good("DELETE", f"{CONFIG_MAPS}/one", policy(name))
            assert answer["metadata"]["finalizers"] == ["example.com/hold", finalizer]
            # The second policy is in force as well, and what it takes away no longer holds.
            answer = await alone.good("DELETE", f"{CONFIG_MAPS}/one", policy("Background"))
            assert answer["metadata"]["finalizers"] == ["example.com/hold"]
            await alone.good("PATCH", f"{CONFIG_MAPS}/one", {"metadata": {"finalizers": None}})
            assert (await alone.send("GET", f"{CONFIG_MAPS}/one"))[0] == 404
        await alone.create(CONFIG_MAPS, "one")
        await alone.good("DELETE", f"{CONFIG_MAPS}/one", policy("Foreground"))
        answer = await alone.good("DELETE", f"{CONFIG_MAPS}/one", policy("Background"))
        assert answer["kind"] == "Status"


async def test_3_9_3_only_the_old_option_is_answered_with_202(kcp: Harness) -> None:
    await kcp.create(CONFIG_MAPS, "one", finalizers=["example.com/hold"])
    for body, code in [({"orphanDependents": False}, 202), (policy("Background"), 200)]:
        options = {"kind": "DeleteOptions", "apiVersion": "v1", **body}
        assert (await kcp.send("DELETE", f"{CONFIG_MAPS}/one", options))[0] == code


async def test_7_1_6_a_foreground_owner_goes_after_what_blocks_it(kcp: Harness) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    blocking = owned_by(owner, blockOwnerDeletion=True)
    await kcp.create(SECRETS, "held", blocking, finalizers=["example.com/hold"])
    await kcp.create(SECRETS, "free", blocking)
    answer = await kcp.good("DELETE", f"{CONFIG_MAPS}/owner", policy("Foreground"))
    assert answer["metadata"]["finalizers"] == ["foregroundDeletion"]
    await kcp.gone(SECRETS, "free")
    await kcp.changed(SECRETS, "held", lambda one: "deletionTimestamp" in one["metadata"])
    assert (await kcp.send("GET", f"{CONFIG_MAPS}/owner"))[0] == 200
    await kcp.good("PATCH", f"{SECRETS}/held", {"metadata": {"finalizers": None}})
    await kcp.gone(CONFIG_MAPS, "owner")


async def test_7_1_6_a_foreground_owner_does_not_wait_for_what_does_not_block(kcp: Harness) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    await kcp.create(SECRETS, "held", owner, finalizers=["example.com/hold"])
    await kcp.good("DELETE", f"{CONFIG_MAPS}/owner", policy("Foreground"))
    await kcp.gone(CONFIG_MAPS, "owner")
    held = await kcp.changed(SECRETS, "held", lambda one: "deletionTimestamp" in one["metadata"])
    assert held["metadata"]["finalizers"] == ["example.com/hold"]


async def test_7_1_6_dependents_with_another_owner_only_lose_the_reference(kcp: Harness) -> None:
    owner, other = await kcp.create(CONFIG_MAPS, "owner"), await kcp.create(CONFIG_MAPS, "other")
    await kcp.create(SECRETS, "child", owned_by(owner, blockOwnerDeletion=True), other)
    await kcp.good("DELETE", f"{CONFIG_MAPS}/owner", policy("Foreground"))
    await kcp.gone(CONFIG_MAPS, "owner")
    kept = await kcp.good("GET", f"{SECRETS}/child")
    assert kept["metadata"]["ownerReferences"] == [owned_by(other)]


async def test_7_1_6_foreground_deletion_goes_down_generations(kcp: Harness) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    child = await kcp.create(SECRETS, "child", owned_by(owner, blockOwnerDeletion=True))
    grandchild = owned_by(child, blockOwnerDeletion=True)
    await kcp.create(CONFIG_MAPS, "grandchild", grandchild, finalizers=["example.com/hold"])
    await kcp.good("DELETE", f"{CONFIG_MAPS}/owner", policy("Foreground"))
    await kcp.changed(CONFIG_MAPS, "grandchild", lambda one: "deletionTimestamp" in one["metadata"])
    waiting = await kcp.good("GET", f"{SECRETS}/child")
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    await kcp.good("PATCH", f"{CONFIG_MAPS}/grandchild", {"metadata": {"finalizers": None}})
    await kcp.gone(SECRETS, "child")
    await kcp.gone(CONFIG_MAPS, "owner")


async def test_7_1_7_orphans_stay_without_their_owner(kcp: Harness) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    for number in range(3):
        await kcp.create(SECRETS, f"child-{number}", owner)
    answer = await kcp.good("DELETE", f"{CONFIG_MAPS}/owner", policy("Orphan"))
    assert answer["metadata"]["finalizers"] == ["orphan"]
    await kcp.gone(CONFIG_MAPS, "owner")
    for number in range(3):
        left = await kcp.good("GET", f"{SECRETS}/child-{number}")
        assert "ownerReferences" not in left["metadata"]
        assert "deletionTimestamp" not in left["metadata"]


async def test_7_1_8_a_circle_of_three_vanishes(kcp: Harness) -> None:
    names = ("a", "b", "c")
    made = {name: await kcp.create(CONFIG_MAPS, name) for name in names}
    for name, owner in zip(names, ("c", "a", "b"), strict=True):
        reference = owned_by(made[owner], blockOwnerDeletion=True)
        await kcp.good("PATCH", f"{CONFIG_MAPS}/{name}", {"metadata": {"ownerReferences": [reference]}})
    await kcp.good("DELETE", f"{CONFIG_MAPS}/a", policy("Foreground"))
    for name in names:
        await kcp.gone(CONFIG_MAPS, name)


@pytest.mark.parametrize(
    "change",
    [{"uid": ABSENT}, {"name": "nobody"}, {"kind": "Secret"}, {"uid": "not a uid \0 at all"}],
    ids=["uid", "name", "kind", "odd"],
)
async def test_7_1_10_a_dependent_of_an_owner_that_is_not_there_goes(kcp: Harness, change: dict[str, str]) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    await kcp.create(SECRETS, "child", owned_by(owner, **change))
    await kcp.gone(SECRETS, "child")
    assert (await kcp.send("GET", f"{CONFIG_MAPS}/owner"))[0] == 200


async def test_7_1_10_an_owner_that_is_named_later_is_looked_at_as_well(kcp: Harness) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    await kcp.create(SECRETS, "child")
    references = [owned_by(owner, uid=ABSENT)]
    await kcp.good("PATCH", f"{SECRETS}/child", {"metadata": {"ownerReferences": references}})
    await kcp.gone(SECRETS, "child")


async def test_7_1_4_a_kind_that_is_not_served_decides_nothing(kcp: Harness) -> None:
    unknown = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "owner", "uid": ABSENT}
    await kcp.create(SECRETS, "child", unknown)
    # A second one whose owner is known to be absent: when it is gone, the first was looked at.
    await kcp.create(SECRETS, "other", unknown | {"apiVersion": "v1", "kind": "ConfigMap"})
    await kcp.gone(SECRETS, "other")
    kept = await kcp.good("GET", f"{SECRETS}/child")
    assert "deletionTimestamp" not in kept["metadata"]
    await kcp.good("POST", DEFINITIONS, definition())
    await kcp.gone(SECRETS, "child")


async def test_7_1_1_an_owner_in_another_namespace_is_absent_and_an_event_says_so(kcp: Harness) -> None:
    await kcp.create(NAMESPACES, "elsewhere")
    owner = await kcp.create(f"{NAMESPACES}/elsewhere/configmaps", "owner")
    child = await kcp.create(SECRETS, "child", owner)
    await kcp.gone(SECRETS, "child")
    events = (await kcp.good("GET", f"{NAMESPACES}/default/events"))["items"]
    [event] = [event for event in events if event["reason"] == "OwnerRefInvalidNamespace"]
    uid = owner["metadata"]["uid"]
    assert event["message"] == (
        f'ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {uid}] does not exist in namespace "default"'
    )
    assert (event["type"], event["involvedObject"]["uid"]) == ("Warning", child["metadata"]["uid"])
    assert (await kcp.send("GET", f"{NAMESPACES}/elsewhere/configmaps/owner"))[0] == 200


async def test_7_1_1_a_cluster_scoped_dependent_of_a_namespaced_owner_stays(kcp: Harness) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    roles = f"{CLUSTER}/apis/rbac.authorization.k8s.io/v1/clusterroles"
    await kcp.create(roles, "role", owner)
    await kcp.create(roles, "other", owned_by(owner, apiVersion="v1", kind="Namespace", name="nobody"))
    await kcp.good("DELETE", f"{CONFIG_MAPS}/owner")
    await kcp.gone(roles, "other")
    kept = await kcp.good("GET", f"{roles}/role")
    assert "deletionTimestamp" not in kept["metadata"]


async def test_7_1_1_cluster_scoped_owners_own_everywhere(kcp: Harness) -> None:
    owner = await kcp.create(NAMESPACES, "owner")
    await kcp.create(SECRETS, "child", owner)
    await kcp.good("DELETE", f"{NAMESPACES}/owner")
    await kcp.gone(SECRETS, "child")


async def test_uids_of_another_cluster_are_nobodys(kcp: Harness) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    there = CONFIG_MAPS.replace("/clusters/one", "/clusters/two")
    await kcp.good("POST", there, {"metadata": {"name": "owner"}})
    body = {"metadata": {"name": "child", "ownerReferences": [owned_by(owner)]}}
    await kcp.good("POST", there, body)
    await kcp.gone(there, "child")


async def test_garbage_of_a_run_before_is_found_by_its_record(tmp_path: Path) -> None:
    options = Options(store=tmp_path / "store")
    async with serving(options, controllers="") as before:
        owner = await before.create(CONFIG_MAPS, "owner")
        await before.create(SECRETS, "child", owner)
        await before.create(SECRETS, "waiting", owned_by(owner, uid=ABSENT))
        held = await before.create(CONFIG_MAPS, "held")
        await before.create(SECRETS, "blocking", owned_by(held, blockOwnerDeletion=True))
        await before.good("DELETE", f"{CONFIG_MAPS}/owner")
        await before.good("DELETE", f"{CONFIG_MAPS}/held", policy("Foreground"))
    async with serving(options) as after:
        for name in ("child", "waiting", "blocking"):
            await after.gone(SECRETS, name)
        await after.gone(CONFIG_MAPS, "held")


async def test_no_record_is_left_when_the_work_is_done(kcp: Harness) -> None:
    owner = await kcp.create(CONFIG_MAPS, "owner")
    await kcp.create(SECRETS, "child", owner)
    await kcp.good("DELETE", f"{CONFIG_MAPS}/owner")
    await kcp.gone(SECRETS, "child")
    with trio.fail_after(PATIENCE):
        await settled(kcp)


async def test_ten_thousand_dependents_go_and_nothing_is_scanned_twice(tmp_path: Path) -> None:
    # As many as 20 pages of the index; without waiting for each sync, which is not what is tried here.
    count = 10_000
    async with serving(
        Options(store=tmp_path / "store", fsync=False), controllers="garbage-collector-controller"
    ) as kcp:
        owner = await kcp.create(CONFIG_MAPS, "owner")
        other = await kcp.create(CONFIG_MAPS, "other")
        limit = trio.CapacityLimiter(32)

        async def make(number: int) -> None:
            async with limit:
                both = [owner, other] if number % 1_000 == 0 else [owner]
                await kcp.create(SECRETS, f"child-{number}", *both)

        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(make, number)
        await kcp.good("DELETE", f"{CONFIG_MAPS}/owner")
        with trio.fail_after(10 * PATIENCE):
            await kcp.gone(SECRETS, f"child-{count - 1}")
            await settled(kcp)
        left = (await kcp.good("GET", SECRETS))["items"]
        assert len(left) == count / 1_000
        assert all(one["metadata"]["ownerReferences"] == [owned_by(other)] for one in left)
