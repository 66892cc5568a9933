"""What an idle watch costs: the server's resident memory with thousands of them open over HTTP/2, for each."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from benches import systems

if TYPE_CHECKING:
    from pathlib import Path

# Streams of one connection are limited; clients that hold many watches open several.
WATCHES = 4_000
CONNECTIONS = 8


def bytes_per_watch(program: Path) -> float:
    """Measure kcp; `program` is the load generator. Returns bytes."""
    directory = systems.scratch("idle")
    system = systems.start_kcp(directory)
    try:
        system.prepare()
        # What the first watches bring with them (buffers, caches) is not theirs.
        opened(program, system, 200)
        before = system.rss()
        return (opened(program, system, WATCHES) - before) / WATCHES
    finally:
        system.end()
        shutil.rmtree(directory, ignore_errors=True)


def opened(program: Path, system: systems.Running, watches: int) -> int:
    """Resident memory of the server while that many watches are open; they are closed again."""
    command = [str(program), "idle", "--server", system.server, "--ca", str(system.ca), "--token", system.user_token]
    command += ["--watchers", str(watches), "--connections", str(CONNECTIONS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        if load.stdout.readline() != "open\n":
            raise SystemExit(f"error: {system.name}: the watches could not be opened")
        resident = system.rss()
        load.stdin.close()
        load.stdout.read()
    return resident
