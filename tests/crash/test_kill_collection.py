"""kill -9 in the middle of garbage collection and of the deletion of namespaces and definitions.

After the restart everything that had to go goes, by what the store alone knows, and nothing else does.
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
from tests.crash.writer import BROKEN, Door

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator
    from pathlib import Path

    from tests.crash.ledger import Json

# More rounds, or the choices of an earlier run again (the threads' interleaving is not part of them).
ROUNDS = int(os.environ.get("KCP_CRASH_COLLECTIONS", "12"))
SEED = int(os.environ.get("KCP_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
CORE = "/clusters/collected/api/v1"
NAMESPACES = f"{CORE}/namespaces"
DEFINITIONS = "/clusters/collected/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# Dependents of an owner, and objects of a namespace and of a definition: more than are deleted at a time.
MANY = 70
SOME = 20


@dataclass(slots=True)
class Scene:
    """What a round begins with, by uid: what goes, and what stays with its resourceVersion."""

    doomed: set[str] = field(default_factory=set)
    staying: dict[str, str] = field(default_factory=dict)
    # What deletes it all: path and policy.
    deletes: list[tuple[str, str]] = field(default_factory=list)


class Stage:
    """Creates the objects of a round."""

    def __init__(self, door: Door, connection: http.client.HTTPSConnection, serial: int) -> None:
        self.door = door
        self.connection = connection
        self.serial = serial
        self.scene = Scene()

    def set_up(self) -> Scene:
        """Make owners of each policy, a namespace and a definition that will go, and neighbours that will not."""
        home = f"{NAMESPACES}/default/configmaps"
        for policy in ("Background", "Foreground"):
            owner = self.create(home, f"{policy.lower()}-owner", goes=True)
            self.scene.deletes.append((f"{home}/{owner['metadata']['name']}", policy))
            for number in range(MANY):
                middle = self.create(home, f"{policy.lower()}-{number}", owner, goes=True)
                if number < SOME:
                    self.create(home, f"{policy.lower()}-{number}-below", middle, goes=True)
        left = self.create(home, "orphaning-owner", goes=True)
        self.scene.deletes.append((f"{home}/{left['metadata']['name']}", "Orphan"))
        kept = self.create(home, "kept-owner", goes=False)
        for number in range(SOME):
            self.create(home, f"kept-{number}", kept, goes=False)
            # One owner that stays is enough; the reference to the other one is taken away, which is a change.
            self.create(home, f"shared-{number}", kept, owner, goes=None)
            self.create(home, f"orphan-{number}", left, goes=None)
        for name, goes in (("going", True), ("staying", False)):
            self.create(NAMESPACES, name, goes=goes)
            for number in range(MANY if goes else SOME):
                self.create(f"{NAMESPACES}/{name}-{self.serial}/configmaps", f"{name}-{number}", goes=goes)
        self.scene.deletes.append((f"{NAMESPACES}/going-{self.serial}", "Background"))
        for name, goes in (("goers", True), ("stayers", False)):
            self.define(f"{name}{self.serial}", goes=goes)
        self.scene.deletes.append((f"{DEFINITIONS}/goers{self.serial}.crash.example.com", "Background"))
        random.Random(self.serial).shuffle(self.scene.deletes)
        return self.scene

    def define(self, plural: str, *, goes: bool) -> None:
        """Create a definition and instances of it."""
        schema = {"openAPIV3Schema": {"type": "object"}}
        spec = {
            "group": "crash.example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": plural.capitalize()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        }
        body = {"metadata": {"name": f"{plural}.crash.example.com"}, "spec": spec}
        self.note(self.door.ask(self.connection, "POST", DEFINITIONS, body), goes=goes)
        path = f"/clusters/collected/apis/crash.example.com/v1/namespaces/default/{plural}"
        for number in range(SOME):
            kind = {"apiVersion": "crash.example.com/v1", "kind": plural.capitalize()}
            self.create(path, f"one-{number}", goes=goes, kind=kind)

    def create(
        self, collection: str, name: str, *owners: Json, goes: bool | None, kind: Json | None = None
    ) -> dict[str, Json]:
        """Create an object of this round; `goes` is None where it stays but changes."""
        references = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": one["metadata"]["name"], "uid": one["metadata"]["uid"]}
            | {"blockOwnerDeletion": True}
            for one in owners
        ]
        body = {**(kind or {}), "metadata": {"name": f"{name}-{self.serial}", "ownerReferences": references}}
        created: dict[str, Json] = self.door.ask(self.connection, "POST", collection, body)
        self.note(created, goes=goes)
        return created

    def note(self, created: dict[str, Json], *, goes: bool | None) -> None:
        metadata = created["metadata"]
        if goes:
            self.scene.doomed.add(metadata["uid"])
        else:
            # Other writers (a definition's conditions, a namespace's content) are over when the create is answered.
            self.scene.staying[metadata["uid"]] = metadata["resourceVersion"] if goes is False else ""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_had_to_go_goes_after_kill_9_and_nothing_else(tmp_path: Path) -> None:
    print(f"seed {SEED} (KCP_CRASH_SEED), {ROUNDS} rounds (KCP_CRASH_COLLECTIONS)")
    world = World(tmp_path / "root", random.Random(SEED))
    cut_short = 0
    try:
        for serial in range(ROUNDS):
            with closing((door := world.start()).connect()) as connection:
                scene = Stage(door, connection, serial).set_up()
            wait_for_death(world, door, scene, world.rng.randint(0, 2 * MANY))
            if world.rng.random() < INTERRUPTED:
                world.interrupt_start()
            door = world.start()
            with closing(door.connect()) as connection:
                left = scene.doomed & found(door, connection, serial).keys()
                cut_short += bool(left)
                for path, policy in scene.deletes:  # what was in flight may not have happened
                    delete(door, connection, path, policy)
            for path in collections(serial):
                until_gone(door, path, scene.doomed)
            with closing(door.connect()) as connection:
                there = found(door, connection, serial)
                lost = [uid for uid in scene.staying if uid not in there]
                assert not lost, f"seed {SEED}, round {serial}: {len(lost)} objects went that had to stay"
                changed = [uid for uid, version in scene.staying.items() if version and there[uid] != version]
                assert not changed, f"seed {SEED}, round {serial}: {len(changed)} objects were changed"
                assert not scene.doomed & there.keys()
    finally:
        world.bury()
    assert cut_short > ROUNDS // 4, "the kill came too late to cut anything short"


def wait_for_death(world: World, door: Door, scene: Scene, count: int) -> None:
    """Delete what is to go and kill the server after so many objects went."""
    begun = threading.Event()

    def kill_after() -> None:
        with closing(door.connect()) as connection:
            events = watch(door, connection, f"{CORE}/configmaps", "")
            begun.set()
            try:
                for _ in range(count):
                    while next(events)["type"] != "DELETED":
                        pass
            finally:
                world.kill()

    killer = threading.Thread(target=kill_after)
    killer.start()
    begun.wait()
    with closing(door.connect()) as connection:
        for path, policy in scene.deletes:
            try:
                delete(door, connection, path, policy)
            except BROKEN:
                break
    killer.join()


def delete(door: Door, connection: http.client.HTTPSConnection, path: str, policy: str) -> None:
    door.send(connection, "DELETE", path, {"propagationPolicy": policy})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status in (200, 202, 404, 409), f"{path}: {answer.status} {text!r}"


def collections(serial: int) -> Iterator[str]:
    """Yield the paths under which all objects of a round are."""
    yield from (f"{CORE}/configmaps", NAMESPACES, DEFINITIONS)
    for plural in ("goers", "stayers"):
        yield f"/clusters/collected/apis/crash.example.com/v1/{plural}{serial}"


def found(door: Door, connection: http.client.HTTPSConnection, serial: int) -> dict[str, str]:
    """Return uid and resourceVersion of all objects there are."""
    there = {}
    for path in collections(serial):
        for one in listed(door, connection, path)["items"]:
            there[one["metadata"]["uid"]] = one["metadata"]["resourceVersion"]
    return there


def listed(door: Door, connection: http.client.HTTPSConnection, path: str) -> dict[str, Json]:
    """Return a list; an empty one of a resource that is no longer served."""
    door.send(connection, "GET", path)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status == 404:
        return {"items": [], "metadata": {}}
    assert answer.status == 200, f"{path}: {answer.status} {text!r}"
    state: dict[str, Json] = json.loads(text)
    return state


def until_gone(door: Door, path: str, doomed: set[str]) -> None:
    """Watch a collection until nothing is left in it of what has to go."""
    with closing(door.connect()) as connection:
        state = listed(door, connection, path)
    left = doomed & {one["metadata"]["uid"] for one in state["items"]}
    with closing(door.connect()) as connection:
        events = watch(door, connection, path, state["metadata"].get("resourceVersion", "")) if left else iter(())
        for event in events:
            if event["type"] == "DELETED":
                left.discard(event["object"]["metadata"]["uid"])
            if not left:
                break
    assert not left, f"{path}: {len(left)} objects stay that had to go"


def watch(door: Door, connection: http.client.HTTPSConnection, path: str, since: str) -> Iterator[dict[str, Json]]:
    """Begin a watch, and return its events until it ends."""
    door.send(connection, "GET", f"{path}?watch=true&resourceVersion={since}")
    answer = connection.getresponse()
    assert answer.status == 200, f"{path}: {answer.status} {answer.read()!r}"
    return (json.loads(line) for line in answer)
