"""Where a namespace is placed, when it moves, and what an object of it carries."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcp.placement.plan import (
    DISABLED_LABEL,
    MANAGER,
    SELECTOR_ANNOTATION,
    Cluster,
    Decision,
    Namespace,
    choose,
    cluster_of,
    decide,
    is_placeable,
    label_for,
    namespace_of,
    quantity,
)
from kcp.syncer.names import CLUSTER_LABEL, ORIGIN_LABEL

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GRACE = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
EAST, WEST = Cluster(name="east", labels={"region": "eu"}), Cluster(name="west", labels={"region": "us"})
SHOP = Namespace(name="shop", uid="u1")
ON_EAST = replace(SHOP, cluster="east")
AWAY = replace(EAST, ready=False, since=NOW - MINUTE)
LOST = replace(EAST, ready=False, since=NOW - GRACE)


def decided(namespace: Namespace, *clusters: Cluster, now: datetime = NOW) -> Decision:
    return decide(namespace, clusters, now, GRACE)


STAYS = [
    ("ready", EAST, "on east, which is ready", None),
    ("cordoned", replace(EAST, unschedulable=True), "on east, which takes nothing new and keeps what it has", None),
    (
        "evicted later",
        replace(EAST, evict_after=NOW + MINUTE),
        "on east until 2026-01-02T03:05:05Z, when that is evicted",
        NOW + MINUTE,
    ),
    (
        "away",
        AWAY,
        "on east, which is not ready since 2026-01-02T03:03:05Z; it may move from 2026-01-02T03:08:05Z on",
        NOW + 4 * MINUTE,
    ),
    (
        "away, evicted before it is lost",
        replace(AWAY, evict_after=NOW + MINUTE),
        "on east, which is not ready since 2026-01-02T03:03:05Z; it may move from 2026-01-02T03:08:05Z on",
        NOW + MINUTE,
    ),
]


@pytest.mark.parametrize(("cluster", "message", "again"), [one[1:] for one in STAYS], ids=[one[0] for one in STAYS])
def test_it_stays_while_it_may(cluster: Cluster, message: str, again: datetime | None) -> None:
    assert decided(ON_EAST, cluster, WEST) == Decision("east", "Scheduled", message, again)


LEAVES = [
    ("lost", LOST, "east is not ready since 2026-01-02T02:59:05Z"),
    ("evicted", replace(EAST, evict_after=NOW), "east is evicted since 2026-01-02T03:04:05Z"),
    ("ending", replace(EAST, ending=True), "the registration of east is being deleted"),
    ("gone", None, "there is no cluster east"),
]


@pytest.mark.parametrize(("cluster", "why"), [one[1:] for one in LEAVES], ids=[one[0] for one in LEAVES])
def test_it_moves_when_it_has_to(cluster: Cluster | None, why: str) -> None:
    found = decided(ON_EAST, *([cluster] if cluster else []), WEST)
    assert found == Decision("west", "Scheduled", f"{why}; west is the one cluster that takes it")
    # It has moved, and does not go back when the other returns.
    assert decided(replace(SHOP, cluster="west"), EAST, WEST).cluster == "west"


@pytest.mark.parametrize(("cluster", "why"), [one[1:] for one in LEAVES[1:]], ids=[one[0] for one in LEAVES[1:]])
def test_without_another_it_is_placed_nowhere(cluster: Cluster | None, why: str) -> None:
    clusters = [cluster] if cluster else []
    found = decided(ON_EAST, *clusters, replace(WEST, unschedulable=True))
    assert found == Decision("", "Unschedulable", f"{why}; no other cluster takes it: west is unschedulable")


def test_what_is_lost_with_its_cluster_waits_there_when_no_other_takes_it() -> None:
    found = decided(ON_EAST, LOST)
    assert found == Decision(
        "east", "Scheduled", "east is not ready since 2026-01-02T02:59:05Z; it stays: no other cluster takes it"
    )
    assert decided(ON_EAST, LOST, WEST).cluster == "west"
    assert decided(ON_EAST, EAST).message == "on east, which is ready"


def test_nothing_new_goes_where_it_is_not_taken() -> None:
    refusing = (
        replace(EAST, name="a", unschedulable=True),
        replace(EAST, name="b", ready=False),
        replace(EAST, name="c", evict_after=NOW),
        replace(EAST, name="d", full="memory"),
        replace(EAST, name="e" * 56),
    )
    found = decided(SHOP, *refusing)
    told = "no cluster takes it: a is unschedulable, b is not ready, c is being emptied, and 2 more"
    assert found == Decision("", "Unschedulable", told)
    assert "d has no memory, " in decided(SHOP, *refusing[3:]).message
    assert decided(SHOP, *refusing, WEST).cluster == "west"
    assert decided(SHOP) == Decision("", "Unschedulable", "no cluster takes it")


def test_a_cluster_that_will_be_evicted_is_the_last_choice() -> None:
    leaving = [replace(EAST, name=f"c{number}", evict_after=NOW + MINUTE) for number in range(20)]
    assert decided(SHOP, *leaving, WEST).cluster == "west"
    found = decided(SHOP, *leaving)
    assert (found.cluster[0], found.again) == ("c", NOW + MINUTE)


@pytest.mark.parametrize(
    ("selector", "cluster"),
    [
        ("region=us", "west"),
        ("region in (us, ap)", "west"),
        ("region!=us", "east"),
        ("region,region notin (eu)", "west"),
        ("!region", ""),
        ("region=us,region=eu", ""),
        ("workload.kcp.io/cluster=west", "west"),
    ],
)
def test_a_selector_is_kept_to_in_choosing_and_afterwards(selector: str, cluster: str) -> None:
    for namespace in (SHOP, ON_EAST, replace(SHOP, cluster="west")):
        found = decided(replace(namespace, selector=selector), EAST, WEST)
        assert (found.cluster, found.reason) == (cluster, "Scheduled" if cluster else "Unschedulable")


def test_a_selector_that_is_none_changes_nothing() -> None:
    for namespace in (SHOP, ON_EAST):
        found = decided(replace(namespace, selector="region in eu"), WEST)
        assert (found.cluster, found.reason, found.scheduled) == (namespace.cluster, "InvalidSelector", False)
        assert "unable to parse requirement" in found.message


@pytest.mark.parametrize("cluster", [LOST, replace(EAST, evict_after=NOW), WEST])
def test_what_is_told_to_stay_stays(cluster: Cluster) -> None:
    found = decided(replace(ON_EAST, disabled=True), cluster, WEST)
    assert (found.cluster, found.reason, found.again) == ("east", "SchedulingDisabled", None)
    assert found.message == f"label {DISABLED_LABEL} is set: it stays on east"
    assert decided(replace(SHOP, disabled=True), WEST).cluster == ""


def test_shares_go_by_cores() -> None:
    clusters = [Cluster(name="big", cpu=30), Cluster(name="small", cpu=10), Cluster(name="unknown")]
    drawn = Counter(choose(f"u{number}", clusters).name for number in range(6000))
    # 3000, 1000 and (as much as the mean) 2000, give or take six deviations.
    assert abs(drawn["big"] - 3000) < 240
    assert abs(drawn["small"] - 1000) < 180


times = st.one_of(st.none(), st.integers(-600, 600).map(lambda seconds: NOW + timedelta(seconds=seconds)))
some_clusters = st.lists(
    st.builds(
        Cluster,
        name=st.sampled_from("abcdef"),
        labels=st.dictionaries(st.just("x"), st.sampled_from("yz")),
        ready=st.booleans(),
        since=st.integers(0, 600).map(lambda seconds: NOW - timedelta(seconds=seconds)),
        unschedulable=st.booleans(),
        evict_after=times,
        ending=st.booleans(),
        cpu=st.one_of(st.none(), st.floats(0, 1e6)),
        full=st.sampled_from(["", "", "cpu"]),
    ),
    unique_by=lambda one: one.name,
)
namespaces = st.builds(
    Namespace,
    name=st.just("n"),
    uid=st.text(),
    cluster=st.sampled_from(["", *"abcdef"]),
    selector=st.sampled_from(["", "x", "x=y", "x!=y", "x in y"]),
    disabled=st.booleans(),
)


@given(namespaces, some_clusters, st.randoms())
def test_a_decision_is_the_same_in_any_order_and_final(
    namespace: Namespace, clusters: list[Cluster], chance: object
) -> None:
    first = decided(namespace, *clusters)
    chance.shuffle(shuffled := list(clusters))  # type: ignore[attr-defined]
    assert decided(namespace, *shuffled) == first
    assert "\n" not in first.message
    then = decided(replace(namespace, cluster=first.cluster), *clusters)
    assert (then.cluster, then.reason) == (first.cluster, first.reason)


@given(namespaces, some_clusters, st.integers(0, 1200))
def test_between_now_and_the_time_it_names_nothing_else_is_decided(
    namespace: Namespace, clusters: list[Cluster], seconds: int
) -> None:
    placed = replace(namespace, cluster=decided(namespace, *clusters).cluster)
    found = decided(placed, *clusters)
    later = NOW + timedelta(seconds=seconds)
    if found.cluster and (found.again is None or later < found.again):
        assert decided(placed, *clusters, now=later).cluster == found.cluster


@given(st.text(), some_clusters.filter(lambda clusters: len(clusters) > 1))
def test_a_cluster_that_goes_moves_only_what_it_had(key: str, clusters: list[Cluster]) -> None:
    clusters = [replace(one, cpu=(one.cpu or 0) + 1) for one in clusters]
    first = choose(key, clusters)
    for one in clusters:
        if one != first:
            assert choose(key, [other for other in clusters if other != one]) == first


def thing(label: str | None, *managers: str, name: str = "web", **more: object) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{CLUSTER_LABEL}": {}}}}
    entries = [{"manager": manager, "operation": "Apply", "fieldsV1": fields} for manager in managers]
    entries.append({"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {}}})
    labels = {} if label is None else {CLUSTER_LABEL: label}
    return {"metadata": {"name": name, "labels": labels, "managedFields": entries}, **more}


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        (thing(None), "east"),
        (thing("east", MANAGER), None),
        (thing("west", MANAGER), "east"),
        (thing("west", "kubectl"), None),
        (thing("", "kubectl"), None),
        (thing("west", MANAGER, "kubectl"), None),
        (thing(None, name="kube-root-ca.crt"), None),
        (thing(None, type="kubernetes.io/service-account-token"), None),
    ],
)
def test_an_object_follows_its_namespace_unless_it_has_a_place_of_its_own(
    about: dict[str, Any], wanted: str | None
) -> None:
    assert label_for(about, ON_EAST) == wanted
    assert label_for(about, replace(ON_EAST, disabled=True)) is None
    about["metadata"]["labels"][ORIGIN_LABEL] = "x"
    assert label_for(about, ON_EAST) is None


def test_an_object_leaves_with_its_namespace() -> None:
    assert label_for(thing("east", MANAGER), SHOP) == ""
    assert label_for(thing("east", "kubectl"), SHOP) is None
    assert label_for(thing(None), SHOP) is None


def test_objects_are_read_as_they_are_served() -> None:
    metadata = {"name": "shop", "uid": "u1", "labels": {CLUSTER_LABEL: "east", DISABLED_LABEL: ""}}
    found = namespace_of({"metadata": {**metadata, "annotations": {SELECTOR_ANNOTATION: "a=b"}}})
    assert found == replace(ON_EAST, selector="a=b", disabled=True)
    assert namespace_of({"metadata": {"name": "shop", "uid": "u1"}}) == SHOP
    born = {"name": "east", "creationTimestamp": "2026-01-02T03:04:05Z"}
    assert cluster_of({"metadata": born, "spec": {}}) == Cluster(name="east", ready=False, since=NOW)
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    status = {
        "conditions": [condition],
        "capacity": {"cpu": 8, "memory": "1Gi", "pods": 110},
        "allocatable": {"cpu": "7500m", "pods": "0"},
    }
    spec = {"unschedulable": True, "evictAfter": "2026-01-02T04:04:05+01:00"}
    assert cluster_of({"metadata": {**born, "deletionTimestamp": "x"}, "spec": spec, "status": status}) == Cluster(
        name="east", since=NOW, unschedulable=True, evict_after=NOW, ending=True, cpu=7.5, full="pods"
    )


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", 0.5), (2, 2), ("1Ki", 1024), ("1e3", 1000), ("2E", 2e18), (".5", 0.5), ("x", None), ("1e999", None)],
)
def test_quantities_are_numbers(text: object, number: float | None) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00", "soon"])
def test_times_that_nobody_can_add_to_do_no_harm(time: str) -> None:
    condition = {"type": "Ready", "status": "False", "lastTransitionTime": time}
    status = {"conditions": [condition]}
    away = cluster_of({"metadata": {"name": "east"}, "spec": {"evictAfter": time}, "status": status})
    assert decided(ON_EAST, away, WEST).cluster == ("east" if time.startswith("9") else "west")


@pytest.mark.parametrize(
    ("metadata", "placed"),
    [
        ({"name": "shop"}, True),
        ({"name": "kube-system"}, False),
        ({"name": "kcp-syncers"}, False),
        ({"name": "shop", "deletionTimestamp": "2026-01-02T03:04:05Z"}, False),
        ({"name": "kcp123", "labels": {CLUSTER_LABEL: "east", ORIGIN_LABEL: "x"}}, False),
    ],
)
def test_only_what_is_peoples_is_placed(metadata: dict[str, Any], placed: bool) -> None:
    assert is_placeable({"metadata": metadata}) == placed
