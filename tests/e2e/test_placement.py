"""Placement with running servers: namespaces on two physical clusters, which go away, come back and are emptied."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kcp.kubeconfig import load, locate
from kcp.placement.plan import DISABLED_LABEL, SELECTOR_ANNOTATION, WHY_ANNOTATION
from kcp.syncer.names import Site
from kcp.workload.kubeconfig import inline
from tests.conftest import KcpServer, running_kcp
from tests.e2e.conftest import Clients, write_kubeconfig
from tests.e2e.program import running
from tests.e2e.syncing import LABEL, Object, Side
from tests.proxy import Proxy, proxy_to

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = (Path(sys.executable).parent / "kcp", "cluster-controller")
LOST_AFTER = 2


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KcpServer]:
    """Run the server that plays the physical clusters."""
    with running_kcp(tmp_path_factory.mktemp("below")) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def controller(kcp_server: KcpServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("controller")
    config = write_kubeconfig(home, kcp_server, kcp_server.url, kcp_server.tokens["admin"])
    flags = ("--push-mode", "--resources-to-sync", "configmaps", "--lost-after", str(LOST_AFTER))
    with running([*COMMAND, "--kubeconfig", config, *flags], {"PYTHONUNBUFFERED": "1"}) as program:
        program.wait_for_line("cluster-controller is running")
        yield
        program.stop()


@dataclass(frozen=True, slots=True)
class Physical:
    """A logical cluster of the other server, as a physical cluster behind a proxy."""

    kubectl: Side
    kubeconfig: str
    proxy: Proxy


@dataclass(frozen=True, slots=True)
class World:
    """A workspace and the physical clusters that are registered in it."""

    above: Side
    physical: dict[str, Physical]

    def register(self, name: str, **labels: str) -> None:
        self.above.put(
            {
                "apiVersion": "workload.kcp.io/v1alpha1",
                "kind": "WorkloadCluster",
                "metadata": {"name": name, "labels": labels},
                "spec": {"kubeconfig": self.physical[name].kubeconfig},
            }
        )

    def wait_cluster(self, name: str, ready: str) -> None:
        self.above.wait(f"workloadcluster/{name}", lambda o: [c["status"] for c in conditions(o)] == [ready])

    def change(self, name: str, **spec: Object) -> None:
        self.above("patch", "workloadcluster", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def namespace(self, name: str, labels: Object = None, annotations: Object = None) -> None:
        metadata = {"name": name, "labels": labels or {}, "annotations": annotations or {}}
        self.above.put({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def wait_placed(self, name: str, message: str, reason: str = "Scheduled") -> str:
        """Wait until a namespace says where it is and why; return its cluster."""

        def told(thing: Object) -> bool:
            return any(message in c["message"] and c["reason"] == reason for c in scheduled(thing))

        thing = self.above.wait(f"namespace/{name}", told)
        assert [c["status"] for c in scheduled(thing)] == [str(reason == "Scheduled")]
        return place(thing)

    def copy(self, name: str, namespace: str, cluster: str) -> tuple[Side, str]:
        """Return where a configmap's copy is in a physical cluster."""
        thing = Side(self.above.kubectl, namespace).get(f"configmap/{name}")
        site = Site(thing["metadata"]["annotations"]["kcp.io/cluster"], cluster)
        return Side(self.physical[cluster].kubectl.kubectl, site.namespace(namespace)), f"configmap/{name}"


def conditions(thing: Object) -> list[Object]:
    found: list[Object] = (thing or {}).get("status", {}).get("conditions", [])
    return found


def scheduled(thing: Object) -> list[Object]:
    return [one for one in conditions(thing) if one["type"] == "NamespaceScheduled"]


def place(thing: Object) -> str:
    found: str = thing["metadata"].get("labels", {}).get(LABEL, "")
    return found


def configmap(namespace: str, name: str, **labels: str) -> Object:
    metadata = {"namespace": namespace, "name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


@pytest.fixture
def world(clients: Clients, below: KcpServer, tmp_path: Path) -> Iterator[World]:
    physical = {}
    with ExitStack() as stack:
        for name in ("east", "west"):
            home = tmp_path / f"physical-{name}"
            home.mkdir()
            url = below.new_cluster()
            config = inline(load(locate(str(write_kubeconfig(home, below, url, below.tokens["admin"])), {})))
            proxy = stack.enter_context(proxy_to(below.url))
            kubectl = Side(Clients(below, home).kubectl(url), "default")
            physical[name] = Physical(kubectl, config.replace(below.url, proxy.url), proxy)
        yield World(Side(clients.kubectl(clients.server.new_cluster()), "default"), physical)


def test_a_namespace_stays_on_a_cordoned_cluster_and_leaves_a_lost_or_evicted_one(world: World) -> None:
    above = world.above
    world.register("east")
    world.register("west")
    for name in ("east", "west"):
        world.wait_cluster(name, "True")
    world.namespace("shop")
    home = world.wait_placed("shop", "which is ready")
    other = {"east": "west", "west": "east"}[home]
    shop = Side(above.kubectl, "shop")
    shop.put(configmap("shop", "plain"))
    shop.put(configmap("shop", "own", **{LABEL: other}))
    world.namespace("pinned", {LABEL: home, DISABLED_LABEL: ""})
    assert world.wait_placed("pinned", f"it stays on {home}", "SchedulingDisabled") == home
    side, plain = world.copy("plain", "shop", home)
    side.wait(plain, lambda o: o is not None)

    # Cordoned: it keeps what it has, and gets nothing new.
    world.change(home, unschedulable=True)
    assert world.wait_placed("shop", "takes nothing new and keeps what it has") == home
    world.namespace("late")
    assert world.wait_placed("late", "which is ready") == other
    world.change(home, unschedulable=False)
    assert world.wait_placed("shop", "which is ready") == home

    # Lost: what is on it moves, with what it holds, and does not come back.
    with world.physical[home].proxy.down():
        world.change(home, shareWith="children")  # looked at now
        world.wait_cluster(home, "False")
        assert world.wait_placed("shop", f"on {other}, which is ready") == other
        why = above.get("namespace/shop")["metadata"]["annotations"][WHY_ANNOTATION]
        assert why.startswith(f"{home} is not ready since ")
        side, _ = world.copy("plain", "shop", other)
        side.wait(plain, lambda o: o is not None)
        assert place(above.get("namespace/pinned")) == home
    world.change(home, shareWith="none")
    world.wait_cluster(home, "True")
    gone, _ = world.copy("plain", "shop", home)
    gone.wait(plain, lambda o: o is None)
    assert [place(above.get(f"namespace/{name}")) for name in ("shop", "late")] == [other, other]

    # Evicted: everything leaves; a label that somebody wrote is left alone.
    world.change(other, evictAfter="2020-01-01T00:00:00Z")
    for name in ("shop", "late"):
        assert world.wait_placed(name, f"on {home}, which is ready") == home
    shop.wait("configmap/plain", lambda o: place(o) == home)
    assert place(shop.get("configmap/own")) == other
    world.change(home, evictAfter="2020-01-01T00:00:00Z")
    told = f"{home} is evicted since 2020-01-01T00:00:00Z; no other cluster takes it: {other} is being emptied"
    shop.wait("namespace/shop", lambda o: place(o) == "" and o["metadata"]["annotations"][WHY_ANNOTATION] == told)
    world.wait_placed("shop", "is being emptied", "Unschedulable")
    gone.wait(plain, lambda o: o is None)
    assert place(above.get("namespace/pinned")) == home


def test_a_namespace_waits_for_a_cluster_that_its_selector_takes(world: World) -> None:
    world.register("east", region="eu")
    world.namespace("picky", annotations={SELECTOR_ANNOTATION: "region=us"})
    told = "no cluster takes it: east does not match the selector"
    assert world.wait_placed("picky", told, "Unschedulable") == ""
    world.register("west", region="us")
    assert world.wait_placed("picky", "on west, which is ready") == "west"
    world.namespace("picky", annotations={SELECTOR_ANNOTATION: "region in us"})
    assert world.wait_placed("picky", "unable to parse requirement", "InvalidSelector") == "west"
    world.namespace("picky", annotations={SELECTOR_ANNOTATION: "workload.kcp.io/cluster=east"})
    assert world.wait_placed("picky", "on east, which is ready") == "east"

    # Its only place is away: it waits there. With the last registration it is placed nowhere.
    with world.physical["east"].proxy.down():
        world.change("east", shareWith="children")
        assert world.wait_placed("picky", "it stays: no other cluster takes it: west does not match") == "east"
        world.above("delete", "workloadcluster", "east", "west")
        assert world.wait_placed("picky", "no cluster takes it", "Unschedulable") == ""
