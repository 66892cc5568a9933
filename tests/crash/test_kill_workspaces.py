"""kill -9 while workspaces are made and deleted as fast as the server can.

After the restart no workspace is half-born: each has its logical cluster with what one is born with, each logical
cluster has its workspace, what was acknowledged is there, and what was being deleted goes to its end.
"""

from __future__ import annotations

import json
import os
import random
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.crash.test_kill import INTERRUPTED, World
from tests.crash.writer import BROKEN, Door, Trigger

if TYPE_CHECKING:
    import http.client
    from pathlib import Path

    from tests.crash.ledger import Json

# More rounds, or the choices of an earlier run again (the threads' interleaving is not part of them).
ROUNDS = int(os.environ.get("KCP_CRASH_WORKSPACES", "12"))
SEED = int(os.environ.get("KCP_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
WRITERS = 4
MOST_ACKNOWLEDGEMENTS = 150
# One write in so many deletes a workspace that the writer made before.
DELETES = 4
TENANCY = "apis/tenancy.kcp.io/v1alpha1/workspaces"
ROWS = "apis/core.kcp.io/v1alpha1/logicalclusters"
ORGANIZATION = {"name": "organization", "path": "root"}
BORN = {
    "api/v1/namespaces": {"default"},
    "api/v1/namespaces/default/serviceaccounts": {"default"},
    "api/v1/namespaces/default/configmaps": {"kube-root-ca.crt"},
    "apis/rbac.authorization.k8s.io/v1/clusterrolebindings": {"workspace-admin"},
}


@dataclass(slots=True)
class Maker:
    """Makes workspaces in one organization, and deletes some, until the server is gone."""

    door: Door
    parent: str
    prefix: str
    rng: random.Random
    trigger: Trigger
    # Acknowledged: name and logical cluster.
    made: dict[str, str] = field(default_factory=dict)
    # Asked to go; whether they were marked is not known of the last one.
    deleted: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Write until the connection breaks."""
        path = f"/clusters/{self.parent}/{TENANCY}"
        number = 0
        with closing(self.door.connect()) as connection:
            while True:
                number += 1
                try:
                    if self.made and self.rng.randrange(DELETES) == 0:
                        name = self.rng.choice(sorted(self.made))
                        del self.made[name]
                        self.deleted.add(name)
                        status, answer = ask(self.door, connection, "DELETE", f"{path}/{name}")
                    else:
                        name = f"{self.prefix}-{number}"
                        body = {
                            "apiVersion": "tenancy.kcp.io/v1alpha1",
                            "kind": "Workspace",
                            "metadata": {"name": name},
                        }
                        status, answer = ask(self.door, connection, "POST", path, body)
                        if status == 201:
                            self.made[name] = answer["spec"]["cluster"]
                except BROKEN:
                    return
                if status >= 300:
                    self.faults.append(f"{name} answered {status}: {answer}")
                    return
                if self.trigger.count():
                    self.trigger.pull()


def ask(
    door: Door, connection: http.client.HTTPSConnection, method: str, path: str, body: Json = None
) -> tuple[int, Json]:
    """Send a request and return the status and the decoded answer."""
    door.send(connection, method, path, body)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_workspace_is_half_born_after_kill_9_and_deletions_end(tmp_path: Path) -> None:
    print(f"seed {SEED} (KCP_CRASH_SEED), {ROUNDS} rounds (KCP_CRASH_WORKSPACES)")
    world = World(tmp_path / "root", random.Random(SEED))
    kept: dict[str, str] = {}
    try:
        parents = organizations(world.start())
        for serial in range(ROUNDS):
            makers = make_until_death(world, parents, serial)
            faults = [fault for maker in makers for fault in maker.faults]
            assert not faults, f"seed {SEED}, round {serial}: {faults[:5]}"
            if world.rng.random() < INTERRUPTED:
                world.interrupt_start()
            door = world.start()
            gone = {f"{maker.parent}/{name}" for maker in makers for name in maker.deleted}
            for maker in makers:
                kept |= {f"{maker.parent}/{name}": cluster for name, cluster in maker.made.items()}
            wrong = check(door, parents, kept, gone)
            assert not wrong, "\n".join([f"seed {SEED}, round {serial}:", *wrong[:20]])
        assert kept
        delete_all(world.door, parents)
    finally:
        world.bury()


def organizations(door: Door) -> list[str]:
    """Make an organization for each writer; returns the names of their logical clusters."""
    parents = []
    with closing(door.connect()) as connection:
        for number in range(WRITERS):
            body = {"metadata": {"name": f"org-{number}"}, "spec": {"type": ORGANIZATION}}
            head = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
            made = door.ask(connection, "POST", f"/clusters/root/{TENANCY}", {**head, **body})
            parents.append(made["spec"]["cluster"])
    return parents


def make_until_death(world: World, parents: list[str], serial: int) -> list[Maker]:
    """Write from several threads until the kill that one of them causes."""
    trigger = Trigger(world.kill, world.rng.randint(1, MOST_ACKNOWLEDGEMENTS))
    makers = [
        Maker(world.door, parent, f"ws-{serial}-{number}", random.Random(world.rng.random()), trigger)
        for number, parent in enumerate(parents)
    ]
    threads = [threading.Thread(target=maker.run) for maker in makers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return makers


def check(door: Door, parents: list[str], kept: dict[str, str], gone: set[str]) -> list[str]:
    """Say what is wrong: with what was acknowledged, with half-born workspaces, with what does not go."""
    wrong: list[str] = []
    with closing(door.connect()) as connection:
        wait_until_gone(door, gone)
        found = workspaces(door, connection)
        rows = {row["metadata"]["annotations"]["kcp.io/cluster"]: row for row in everything(door, connection, ROWS)}
        for where, cluster in kept.items():
            if where not in found:
                wrong.append(f"{where} was acknowledged and is lost")
            elif found[where]["spec"]["cluster"] != cluster:
                wrong.append(f"{where} was in {cluster} and is in {found[where]['spec']['cluster']}")
        for where, workspace in found.items():
            wrong += half_born(where, workspace, rows.pop(workspace["spec"]["cluster"], None))
        orphans = [name for name, row in rows.items() if row["spec"].get("owner")]
        wrong += [f"logical cluster {name} belongs to no workspace" for name in orphans]
        # What is born stands in lists over all clusters exactly for those that exist.
        clusters = {workspace["spec"]["cluster"] for workspace in found.values()}
        for path, names in BORN.items():
            wrong += content(door, connection, path, names, clusters)
    return wrong


def half_born(where: str, workspace: Json, row: Json) -> list[str]:
    """Say how a workspace and its logical cluster do not fit."""
    if workspace["status"]["phase"] != "Ready":
        return [f"{where} is {workspace['status']['phase']}"]
    if row is None:
        return [f"{where} has no logical cluster"]
    parent, name = where.split("/")
    owner = row["spec"]["owner"]
    if (owner["cluster"], owner["name"], owner["uid"]) != (parent, name, workspace["metadata"]["uid"]):
        return [f"the logical cluster of {where} belongs to {owner}"]
    return [] if row["status"]["phase"] == "Ready" else [f"the logical cluster of {where} is {row['status']['phase']}"]


def content(
    door: Door, connection: http.client.HTTPSConnection, path: str, names: set[str], clusters: set[str]
) -> list[str]:
    """Say which workspaces lack what they are born with, and what stands in clusters that do not exist."""
    resource = path.replace("namespaces/default/", "")
    seen: dict[str, set[str]] = {}
    for item in everything(door, connection, resource):
        metadata = item["metadata"]
        seen.setdefault(metadata["annotations"]["kcp.io/cluster"], set()).add(metadata["name"])
    wrong = [f"{cluster} has {seen.get(cluster)} of {path}" for cluster in clusters if seen.get(cluster) != names]
    strange = {cluster for cluster in seen if len(cluster) == 16} - clusters
    return wrong + [f"{cluster} has {path} and does not exist" for cluster in strange]


def workspaces(door: Door, connection: http.client.HTTPSConnection) -> dict[str, Json]:
    """Return all workspaces, by their parent and name."""
    items = everything(door, connection, TENANCY)
    return {f"{item['metadata']['annotations']['kcp.io/cluster']}/{item['metadata']['name']}": item for item in items}


def everything(door: Door, connection: http.client.HTTPSConnection, resource: str) -> list[Json]:
    """Return the objects of all logical clusters."""
    items: list[Json] = door.ask(connection, "GET", f"/clusters/*/{resource}")["items"]
    return items


def wait_until_gone(door: Door, gone: set[str]) -> None:
    """Wait until the workspaces that somebody asked to go and that were marked are gone.

    A request that the kill cut short may have come to nothing: what is not marked stays.
    """
    with closing(door.connect()) as connection:
        answer = door.ask(connection, "GET", f"/clusters/*/{TENANCY}")
        going = {
            f"{item['metadata']['annotations']['kcp.io/cluster']}/{item['metadata']['name']}"
            for item in answer["items"]
            if "deletionTimestamp" in item["metadata"]
        }
        assert going <= gone, f"{going - gone} are going and nobody asked them to"
        since = answer["metadata"]["resourceVersion"]
        door.send(connection, "GET", f"/clusters/*/{TENANCY}?watch=true&resourceVersion={since}")
        watch = connection.getresponse()
        while going:
            event = json.loads(watch.readline())
            if event["type"] == "DELETED":
                metadata = event["object"]["metadata"]
                going.discard(f"{metadata['annotations']['kcp.io/cluster']}/{metadata['name']}")


def delete_all(door: Door, parents: list[str]) -> None:
    """Delete the organizations with all that is in them: nothing is left that was born."""
    with closing(door.connect()) as connection:
        for number in range(len(parents)):
            door.ask(connection, "DELETE", f"/clusters/root/{TENANCY}/org-{number}")
        wait_until_gone(door, set(workspaces(door, connection)))
        assert not everything(door, connection, TENANCY)
        left = [row for row in everything(door, connection, ROWS) if row["spec"].get("owner")]
        assert not left
        for path in BORN:
            assert not content(door, connection, path, set(), set())
