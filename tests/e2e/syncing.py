"""Two clusters with a syncer between them, and what is seen on both sides."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.program import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kcp.syncer.names import Site
    from tests.e2e.conftest import Client
    from tests.e2e.program import Program

SYNCER = Path(sys.executable).parent / "syncer"
LABEL = "workload.kcp.io/cluster"
SECONDS = 30
Object = Any


def deployment(name: str = "web", *, replicas: int = 3, **pod: Object) -> Object:
    spec = {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}], **pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {LABEL: "east", "app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }


@dataclass(frozen=True, slots=True)
class Side:
    """One cluster, by kubectl, in one namespace."""

    kubectl: Client
    namespace: str

    def __call__(self, *words: str, stdin: str = "") -> str:
        return self.kubectl("--namespace", self.namespace, *words, stdin=stdin)

    def get(self, what: str) -> Object:
        """Return an object; None when it is not there."""
        found = self("get", what, "-o", "json", "--ignore-not-found", "--show-managed-fields")
        return json.loads(found) if found else None

    def put(self, thing: Object) -> None:
        self("apply", "-f", "-", stdin=json.dumps(thing))

    def wait(self, what: str, holds: Callable[[Object], object]) -> Object:
        """Wait until an object is as `holds` says (None: it is not there), watching it; return it then."""
        limit = time.monotonic() + SECONDS
        while True:
            found = self.get(what)
            if holds(found):
                return found
            assert time.monotonic() < limit, f"{what} does not come to be as expected: {json.dumps(found)}"
            self._await_change(what)

    def _await_change(self, what: str) -> None:
        """Wait for the next event of a kind's objects, or a moment where the watch begins too late to see one."""
        kind = what.partition("/")[0]
        watch = self.kubectl.start("--namespace", self.namespace, "get", kind, "--watch-only", "-o", "name")
        assert watch.stdout is not None
        with watch.stdout:
            select.select([watch.stdout], [], [], 0.5)
            watch.kill()
            watch.wait()

    def revision(self) -> dict[str, str]:
        """Return the resourceVersion of everything the syncer may touch here."""
        listed = json.loads(self("get", "deployments,secrets,configmaps", "-o", "json"))["items"]
        return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in listed}


@dataclass(frozen=True, slots=True)
class Pair:
    """A workspace, a physical cluster, and how a syncer between them is called."""

    above: Side
    below: Side
    site: Site
    flags: tuple[str, ...]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a syncer that ends by itself."""
        command = [str(SYNCER), *self.flags, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=_environment())

    @contextmanager
    def syncing(self, *words: str) -> Iterator[Program]:
        """Run a syncer that must end in peace when the block is left."""
        with self.started(*words) as program:
            yield program
            program.stop()

    @contextmanager
    def started(self, *words: str) -> Iterator[Program]:
        """Run a syncer, killed when the block is left; it has both sides listed when the block begins."""
        with self.begun(*words) as program:
            program.wait_for_line("both sides are listed")
            yield program

    @contextmanager
    def begun(self, *words: str) -> Iterator[Program]:
        """Run a syncer, killed when the block is left."""
        with running([SYNCER, *self.flags, *words], _environment()) as program:
            yield program

    def kill(self, program: Program) -> None:
        program.process.send_signal(signal.SIGKILL)
        program.process.wait()


def _environment() -> dict[str, str]:
    return {**{n: v for n, v in os.environ.items() if not re.search("(?i)proxy", n)}, "PYTHONUNBUFFERED": "1"}
