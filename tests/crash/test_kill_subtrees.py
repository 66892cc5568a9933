"""kill -9 in the middle of the deletion of a whole subtree of workspaces.

The kill comes with an event of the deletion, so that it lands in the middle. The server that is started next runs no
controllers: what it shows is what the kill left behind. No workspace may be half-gone in that: it has its logical
cluster or neither is there, nobody lost his rights or his parent before his logical cluster went, what nobody marked
has all it had, and what is gone left nothing behind. Then the deletion goes to its end, and neighbours stay as they
were.
"""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.crash.test_kill import INTERRUPTED, World
from tests.crash.test_kill_workspaces import ORGANIZATION, ROWS, TENANCY, ask, everything, wait_until_gone, workspaces

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator
    from pathlib import Path

    from tests.crash.ledger import Json
    from tests.crash.writer import Door

# More rounds, or the choices of an earlier run again (how far the server gets until it is gone is not part of them).
ROUNDS = int(os.environ.get("KCP_CRASH_SUBTREES", "8"))
SEED = int(os.environ.get("KCP_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
# Small workspaces go by the thousand in a second: it takes many for a kill to come before the last of them.
CHILDREN = 8
LEAVES = 60
# One leaf of so many holds more than it was born with.
FILLED = 10
# Each workspace that goes is an event at the least.
EVENTS = 1 + CHILDREN + CHILDREN * LEAVES
# In this share of the rounds the deletion that goes on after the restart is killed once more.
AGAIN = 0.3
CONNECTIONS = 4
MAPS = "api/v1/configmaps"
BINDINGS = "apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
BORN = {"workspace-admin", "default/kube-root-ca.crt"}
FILLING = {"more/kube-root-ca.crt", "more/one", "more/two"}


@dataclass(slots=True)
class Tree:
    """A workspace in `root` with its children and theirs."""

    name: str
    # Where each Workspace stands, `CLUSTER/NAME`, and the logical cluster that it stands for.
    places: dict[str, str] = field(default_factory=dict)
    # The logical clusters that hold more than they were born with.
    filled: set[str] = field(default_factory=set)

    @property
    def top(self) -> str:
        """The path of the Workspace above all others."""
        return f"/clusters/root/{TENANCY}/{self.name}"

    def build(self, door: Door) -> Tree:
        """Make all of them, with content."""
        top = self.make(door, "root", [self.name], ORGANIZATION)
        children = self.make(door, top[0], [f"child-{number}" for number in range(CHILDREN)])
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            names = [f"leaf-{number}" for number in range(LEAVES)]
            list(pool.map(lambda child: self.make(door, child, names), children))
        return self

    def make(self, door: Door, parent: str, names: list[str], kind: Json = None) -> list[str]:
        """Make workspaces in a logical cluster and fill some; returns the names of theirs."""
        clusters = []
        head = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
        with closing(door.connect()) as connection:
            for number, name in enumerate(names):
                body = {**head, "metadata": {"name": name}, "spec": {"type": kind} if kind else {}}
                made = door.ask(connection, "POST", f"/clusters/{parent}/{TENANCY}", body)
                cluster = made["spec"]["cluster"]
                if number % FILLED == 0:
                    fill(door, connection, cluster)
                    self.filled.add(cluster)
                self.places[f"{parent}/{name}"] = cluster
                clusters.append(cluster)
        return clusters


def fill(door: Door, connection: http.client.HTTPSConnection, cluster: str) -> None:
    """Make a namespace and what is in it."""
    namespaces = f"/clusters/{cluster}/api/v1/namespaces"
    door.ask(connection, "POST", namespaces, {"metadata": {"name": "more"}})
    for content in ("one", "two"):
        door.ask(connection, "POST", f"{namespaces}/more/configmaps", {"metadata": {"name": content}})


@dataclass(frozen=True, slots=True)
class Seen:
    """What is there, read from a server on which nothing moves; by place and by logical cluster."""

    workspaces: dict[str, Json]
    rows: dict[str, Json]
    maps: dict[str, dict[str, Json]]
    bindings: dict[str, dict[str, Json]]

    @classmethod
    def read(cls, door: Door) -> Seen:
        """Read it all."""
        with closing(door.connect()) as connection:
            rows = {cluster_of(row): row for row in everything(door, connection, ROWS)}
            maps, bindings = (by_cluster(door, connection, resource) for resource in (MAPS, BINDINGS))
            return cls(workspaces(door, connection), rows, maps, bindings)

    def versions(self, tree: Tree) -> Iterator[tuple[str, str]]:
        """Yield everything of a tree with its resourceVersion."""
        for place, cluster in tree.places.items():
            yield place, self.workspaces[place]["metadata"]["resourceVersion"]
            yield cluster, self.rows[cluster]["metadata"]["resourceVersion"]
            for name, item in {**self.maps[cluster], **self.bindings[cluster]}.items():
                yield f"{cluster} {name}", item["metadata"]["resourceVersion"]

    def half_gone(self, tree: Tree) -> Iterator[str]:
        """Yield what is wrong in a tree whose deletion was cut short."""
        for place, cluster in tree.places.items():
            workspace, row = self.workspaces.get(place), self.rows.get(cluster)
            if (workspace is None) != (row is None):
                yield f"{place}: workspace {workspace}, logical cluster {row}"
                continue
            held = {*self.maps.get(cluster, {}), *self.bindings.get(cluster, {})}
            if row is None or workspace is None:
                if held:
                    yield f"{cluster} of {place} is gone and holds {held}"
                continue
            parent = place.split("/")[0]
            if parent not in self.rows:
                yield f"{place} lost its parent"
            if "workspace-admin" not in held:
                yield f"{place} lost the rights of its owner"
            if marked(row) and not marked(workspace):
                yield f"the logical cluster of {place} goes and the workspace stays"
            if not marked(row) and held != (BORN | FILLING if cluster in tree.filled else BORN):
                yield f"{place} is not going and holds {held}"


def cluster_of(item: Json) -> str:
    """Return the logical cluster of an object in a list over all."""
    name: str = item["metadata"]["annotations"]["kcp.io/cluster"]
    return name


def by_cluster(door: Door, connection: http.client.HTTPSConnection, resource: str) -> dict[str, dict[str, Json]]:
    """Return the objects of all logical clusters, by cluster and `NAMESPACE/NAME`."""
    found: dict[str, dict[str, Json]] = defaultdict(dict)
    for item in everything(door, connection, resource):
        names = [item["metadata"].get("namespace"), item["metadata"]["name"]]
        found[cluster_of(item)]["/".join(filter(None, names))] = item
    return found


def marked(item: Json) -> bool:
    """Tell whether an object is to go."""
    return "deletionTimestamp" in item["metadata"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_workspace_is_half_gone_after_kill_9_in_the_deletion_of_a_subtree(tmp_path: Path) -> None:
    print(f"seed {SEED} (KCP_CRASH_SEED), {ROUNDS} rounds (KCP_CRASH_SUBTREES)")
    world = World(tmp_path / "root", random.Random(SEED))
    kills = cut_short = 0
    try:
        door = world.start()
        staying = Tree("staying").build(door)
        before = dict(Seen.read(door).versions(staying))
        for serial in range(ROUNDS):
            tree = Tree(f"going-{serial}").build(door)
            delete: str | None = tree.top
            while True:
                kill_amid(world, tree, world.rng.randint(1, EVENTS), delete)
                kills += 1
                if world.rng.random() < INTERRUPTED:
                    world.interrupt_start()
                seen = Seen.read(world.start("--run-controllers=false"))
                cut_short += any(marked(seen.rows[cluster]) for cluster in tree.places.values() if cluster in seen.rows)
                wrong = list(seen.half_gone(tree))
                assert not wrong, "\n".join([f"seed {SEED}, round {serial}:", *wrong[:20]])
                assert dict(seen.versions(staying)) == before, f"seed {SEED}, round {serial}"
                world.start()
                delete = None
                if world.rng.random() >= AGAIN:
                    break
            door = world.door
            finish(door, tree)
            assert dict(Seen.read(door).versions(staying)) == before, f"seed {SEED}, round {serial}"
        print(f"{cut_short} of {kills} kills left marked rows")
        assert cut_short * 4 >= kills
        finish(door, staying)
        left = [row for row in Seen.read(door).rows.values() if row["spec"].get("owner")]
        assert not left
    finally:
        world.bury()


def kill_amid(world: World, tree: Tree, events: int, delete: str | None) -> None:
    """Kill the server when so many things happened to a tree's workspaces, or when none is left."""
    door = world.door
    with closing(door.connect()) as watching, closing(door.connect()) as deleting:
        answer = door.ask(watching, "GET", f"/clusters/*/{TENANCY}")
        left = {place_of(item) for item in answer["items"]} & set(tree.places)
        since = answer["metadata"]["resourceVersion"]
        door.send(watching, "GET", f"/clusters/*/{TENANCY}?watch=true&resourceVersion={since}")
        watch = watching.getresponse()
        if delete is not None:
            door.send(deleting, "DELETE", delete)
        while left and events:
            event = json.loads(watch.readline())
            place = place_of(event["object"])
            events -= place in tree.places
            if event["type"] == "DELETED":
                left.discard(place)
        world.kill()


def place_of(item: Json) -> str:
    """Return where a Workspace stands."""
    return f"{cluster_of(item)}/{item['metadata']['name']}"


def finish(door: Door, tree: Tree) -> None:
    """Delete a tree, should its deletion not have come to anything yet, and see all of it go."""
    with closing(door.connect()) as connection:
        status, answer = ask(door, connection, "DELETE", tree.top)
        assert status in (200, 202, 404, 409), answer
    wait_until_gone(door, set(tree.places))
    seen = Seen.read(door)
    assert not set(tree.places) & set(seen.workspaces)
    for there in (seen.rows, seen.maps, seen.bindings):
        assert not set(tree.places.values()) & set(there)
