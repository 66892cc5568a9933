"""kill -9 in the middle of mixed writes, again and again on one root directory.

Whatever was acknowledged, or seen by a watcher, is there afterwards; a write in flight is there whole or not at
all; revisions go on rising; and a watch goes on from the last revision it saw as though nothing had happened.
"""

from __future__ import annotations

import os
import random
import ssl
import subprocess
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.conftest import kcp_command, read_kubeconfig, start_kcp
from tests.crash.ledger import (
    GIVEN_CONFIGMAP,
    Event,
    Key,
    Ledger,
    Version,
    Write,
    confirm_seen,
    key_of,
    rising,
    version_of,
)
from tests.crash.writer import CLUSTERS, GROUP, SHARED, THINGS, Door, Trigger, Watcher, Writer, manifest, path_of

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# More rounds, or the choices of an earlier run again (the threads' interleaving is not part of them).
ROUNDS = int(os.environ.get("KCP_CRASH_ROUNDS", "200"))
SEED = int(os.environ.get("KCP_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
CHUNK = 25
MOST_ACKNOWLEDGEMENTS = 60
# How far back, in events, a watch resumes; now and then it is the whole history.
RECENT = 500
# In this share of the rounds a first restart is killed while it recovers.
INTERRUPTED = 0.15
MARKER = "marker"
RESOURCES = ("configmaps", "namespaces", "customresourcedefinitions", *THINGS)


@dataclass(slots=True)
class World:
    """One root directory through all rounds, and the process that serves it now."""

    root: Path
    rng: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    process: subprocess.Popen[str] | None = None
    door: Door = field(init=False)
    round: int = 0
    broken: bool = False

    def start(self, *options: str) -> Door:
        """Start the server, after the end of the one before, and return the way in."""
        self.bury()
        self.process, url = start_kcp(self.root, *options)
        token = read_kubeconfig(self.root / "admin.kubeconfig")["users"]["kcp-admin"]["token"]
        self.door = Door(url, token, ssl.create_default_context(cafile=str(self.root / "ca.crt")))
        return self.door

    def interrupt_start(self) -> None:
        """Start the server and kill it as soon as it has opened the store's directory: recovery is cut short too."""
        self.bury()
        command = [kcp_command(), "start", "--root-directory", str(self.root), "--secure-port", "0"]
        lock = self.root / "store" / "LOCK"
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, text=True)
        own = str(self.process.pid)
        while self.process.poll() is None and lock.read_text().strip() != own:
            os.sched_yield()
        assert self.process.returncode is None, f"a start ended by itself with {self.process.returncode}"
        self.bury()

    def kill(self) -> None:
        """Send SIGKILL; the process is not waited for."""
        assert self.process is not None
        self.process.kill()

    def bury(self) -> None:
        """Kill the process, if that is still to be done, and wait for its end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def mark(self, door: Door, connection: http.client.HTTPSConnection) -> list[Write]:
        """Change the marker of every cluster: writes after which nothing of this round can come."""
        writes = []
        for cluster in CLUSTERS:
            key = Key("configmaps", cluster, "default", MARKER)
            verb = "update" if key in self.ledger.state else "create"
            write = Write(verb, key, None, {"write": f"marker-{self.round}"}, acknowledged=True)
            method, path = ("PUT", path_of(key)) if verb == "update" else ("POST", path_of(key, collection=True))
            answer = door.ask(connection, method, path, manifest(key, write.content or {}))
            write.revision = int(answer["metadata"]["resourceVersion"])
            writes.append(write)
        return writes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("crash") / "root", random.Random(SEED))
    try:
        prepare(world)
        yield world
    finally:
        world.bury()


def prepare(world: World) -> None:
    """Make the shared objects and begin the history with a list."""
    door = world.start()
    with closing(door.connect()) as connection:
        for cluster in CLUSTERS:
            key = Key("configmaps", cluster, "default", SHARED)
            door.ask(connection, "POST", path_of(key, collection=True), manifest(key, {"write": "first"}))
        marks = world.mark(door, connection)
        world.ledger.state = read_state(door, connection)
    # The history begins at the last marker, as though its event had been the first ever seen.
    first = marks[-1]
    assert first.revision is not None
    world.ledger.history.append(Event("ADDED", first.key, first.content or {}, first.revision))
    world.ledger.raise_newest([first.revision])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, ROUNDS, CHUNK))
def test_what_was_acknowledged_survives_kill_9_and_watches_resume(world: World, first: int) -> None:
    print(f"seed {SEED} (KCP_CRASH_SEED), {ROUNDS} rounds (KCP_CRASH_ROUNDS)")
    assert not world.broken, "an earlier round failed; its model of the state no longer holds"
    world.broken = True
    for _ in range(first, min(first + CHUNK, ROUNDS)):
        world.round += 1
        wrong = one_round(world)
        assert not wrong, "\n".join([f"seed {SEED}, round {world.round}:", *wrong[:20]])
    world.broken = False


def one_round(world: World) -> list[str]:
    """Write, kill, restart and check; return what is wrong."""
    ledger, door = world.ledger, world.door
    trigger = Trigger(world.kill, world.rng.randint(1, MOST_ACKNOWLEDGEMENTS))
    watcher = Watcher(door, ledger.newest_event())
    serial = str(world.round)
    writers = [
        Writer(number, random.Random(world.rng.random()), door, dict(ledger.state), trigger, serial)
        for number in range(len(THINGS))
    ]
    watching = threading.Thread(target=watcher.run)
    watching.start()
    watcher.begun.wait()
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in [*threads, watching]:
        thread.join()

    wrong = [fault for writer in writers for fault in writer.faults] + watcher.faults
    writes = [writer.writes for writer in writers]
    confirm_seen(writes, watcher.seen)
    told = [write.revision for sequence in writes for write in sequence if write.revision is not None]
    ledger.raise_newest([*told, *(event.revision for event in watcher.seen)])
    if len(told) != len(set(told)):
        wrong.append(f"a revision was told for two writes: {sorted(told)}")

    if world.rng.random() < INTERRUPTED:
        world.interrupt_start()
    door = world.start()
    with closing(door.connect()) as connection:
        wrong += ledger.check_state(writes, read_state(door, connection))
        marks = world.mark(door, connection)
        wrong += check_marks(ledger, marks)
        resumed_at = watcher.seen[-1].revision if watcher.seen else ledger.newest_event()
        end = marks[-1].key
        resumed = read_to(door, "*", resumed_at, end, world.round)
        wrong += rising(resumed_at, resumed)
        wrong += ledger.check_events([*writes, marks], [*watcher.seen, *resumed])
        wrong += check_history(world, door)
    return wrong


def check_marks(ledger: Ledger, marks: Sequence[Write]) -> Iterator[str]:
    """Yield the markers whose revision is not above every one told before the restart."""
    for write in marks:
        assert write.revision is not None
        if write.revision <= ledger.newest:
            yield f"{write.verb} {write.key} got revision {write.revision}, told before was {ledger.newest}"
        ledger.state[write.key] = Version(write.content, write.revision)
        ledger.raise_newest([write.revision])


def check_history(world: World, door: Door) -> Iterator[str]:
    """Yield how watches from any older revision differ from what happened since."""
    history = world.ledger.history
    for cluster in ("*", world.rng.choice(CLUSTERS)):
        back = len(history) if world.rng.random() < 0.03 else min(RECENT, len(history))
        start = len(history) - world.rng.randint(1, back)
        since = history[start].revision
        wanted = [event for event in history[start + 1 :] if cluster in ("*", event.key.cluster)]
        if not wanted:
            continue
        got = read_to(door, cluster, since, wanted[-1].key, world.round)
        if got != wanted:
            lost = [event for event in wanted if event not in got]
            extra = [event for event in got if event not in wanted]
            where = f"a watch of {cluster} from {since}"
            yield f"{where}: lost {lost[:3]}, extra {extra[:3]}, {len(got)} events instead of {len(wanted)}"


def read_to(door: Door, cluster: str, since: int, end: Key, round_: int) -> list[Event]:
    """Watch from a revision up to this round's marker."""
    got = []
    with closing(door.connect()) as connection:
        for event in door.watch(connection, cluster, since):
            got.append(event)
            if event.key == end and event.content == {"write": f"marker-{round_}"}:
                return got
    pytest.fail(f"a watch of {cluster} from {since} ended after {len(got)} events and before the marker")


def read_state(door: Door, connection: http.client.HTTPSConnection) -> dict[Key, Version]:
    """Read every object that these tests write."""
    state: dict[Key, Version] = {}
    for cluster in CLUSTERS:
        for resource in RESOURCES:
            if resource in THINGS and not any(
                key.name == f"{resource}.{GROUP}" for key in state if key.cluster == cluster
            ):
                continue
            listed = door.ask(connection, "GET", path_of(Key(resource, cluster, "", ""), collection=True))
            for item in listed["items"]:
                key = key_of(resource, item)
                if key.name not in {GIVEN_CONFIGMAP, "default"}:
                    state[key] = version_of(key, item)
    return state
