"""`python -m benches`: prints the table of `docs/benchmarks.md` and exits 1 when a row is below its floor.

Systems alternate and never run at the same time; each row is the median of its rounds. The load is a closed loop of 32
requests over 4 HTTP/2 connections, sent by an ordinary user that a RoleBinding allows it. The table of workspaces is
that of `python -m benches workspaces`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from benches import crds, idle, lock, systems, workspaces
from benches.table import Row, build_load, machine, render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benches.systems import Running

RATES = ("get", "create", "update", "patch", "apply", "list", "watch")
# Floors: how many times as fast as kube-apiserver + etcd on the same machine. Rows without one are for the record.
RATIO_FLOORS = {"get": 7.0, "create": 5.0, "update": 5.0, "patch": 5.0, "apply": 4.0, "list": 3.5, "watch": 3.5}
READY_FLOOR_SECONDS = 0.5
CRD_VISIBLE_FLOOR_SECONDS = 1.0
CRD_MEMORY_FLOOR_BYTES = 64 * 1024
IDLE_WATCH_FLOOR_BYTES = 6 * 1024
RSS_FLOOR_BYTES = 80 * 1024 * 1024
MIB = 1024 * 1024


def load(program: Path, system: Running, mode: str, seconds: float) -> dict[str, Any]:
    """Run one operation against one system for some seconds."""
    command = [str(program), mode, "--server", system.server, "--ca", str(system.ca), "--token", system.user_token]
    command += ["--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120, check=False)
    if done.returncode != 0:
        raise SystemExit(f"error: {system.name}: {mode}: {done.stderr.strip()}")
    result: dict[str, Any] = json.loads(done.stdout)
    if result["errors"]:
        print(f"  {system.name}: {mode}: {result['errors']} errors, first: {result['first_error']}", file=sys.stderr)
    return result


def measure(start: Callable[[Path], Running], modes: list[str], seconds: float, program: Path) -> Figures:
    """Measure one system, started here and ended here, for one round of the alternation."""
    directory = systems.scratch("run")
    system = start(directory)
    try:
        idle = system.rss()
        system.prepare()
        results = {mode: load(program, system, mode, seconds) for mode in modes}
        return Figures(ready=system.ready_after, rss_idle=idle, rss_after=system.rss(), results=results)
    finally:
        system.end()
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one round found. Seconds and bytes."""

    ready: float
    rss_idle: int
    rss_after: int
    results: dict[str, dict[str, Any]]


def rate_row(mode: str, ours: list[Figures], peer: list[Figures]) -> Row:
    """Compare the medians of one operation."""
    mine = median(float(figures.results[mode]["rate"]) for figures in ours)
    p99 = median(int(figures.results[mode]["p99_us"]) for figures in ours) / 1000
    floor = RATIO_FLOORS.get(mode)
    text = f"{mine:,.0f}/s, p99 {p99:.1f} ms"
    if not peer:
        return Row(f"{mode} per second", text, "not built", "", f"{floor:g}×" if floor else "", None)
    theirs = median(float(figures.results[mode]["rate"]) for figures in peer)
    ratio = mine / theirs if theirs else 0.0
    passed = None if floor is None else ratio >= floor
    return Row(f"{mode} per second", text, f"{theirs:,.0f}/s", f"{ratio:.1f}×", f"{floor:g}×" if floor else "", passed)


def rows(modes: list[str], ours: list[Figures], peer: list[Figures]) -> list[Row]:
    """Make the table."""
    ready = median(figures.ready for figures in ours)
    rss = median(figures.rss_idle for figures in ours)
    peer_ready = f"{median(figures.ready for figures in peer):.1f} s" if peer else "not built"
    peer_rss = f"{median(figures.rss_idle for figures in peer) / MIB:.0f} MiB" if peer else "not built"
    return [
        Row("start to ready, empty", f"{ready:.2f} s", peer_ready, "", "0.5 s", ready <= READY_FLOOR_SECONDS),
        Row("RSS idle", f"{rss / MIB:.0f} MiB", peer_rss, "", "80 MiB", rss <= RSS_FLOOR_BYTES),
        *(rate_row(mode, ours, peer) for mode in modes),
    ]


def lock_rows(program: Path) -> list[Row]:
    """GETs while Python is idle, held and busy: an unrelated busy process is the measure for the last two."""
    found = lock.rates(lambda system: load(program, system, "get", lock.MEASURED_SECONDS))
    beside = found["an unrelated process busy"]
    return [
        Row(f"get per second, {what}", f"{rate:,.0f}/s", "", f"{rate / beside:.1f}× of beside a busy process", "", None)
        for what, rate in found.items()
    ]


def size_rows(program: Path) -> list[Row]:
    """What many definitions and many idle watches cost; measured for kcp alone, the floors are absolute."""
    found = crds.measure()
    visible, slowest = median(found.visible), max(found.visible)
    watch = idle.bytes_per_watch(program)
    count = f"{crds.GROUPS * crds.EACH:,} CRDs"
    return [
        Row(
            f"CRD visibility, with {count}",
            f"{visible:.3f} s, slowest {slowest:.3f} s",
            "",
            "",
            "1 s",
            visible <= CRD_VISIBLE_FLOOR_SECONDS,
        ),
        Row(
            f"RAM per CRD, with {count}",
            f"{found.memory / 1024:.1f} kB",
            "",
            "",
            "64 kB",
            found.memory <= CRD_MEMORY_FLOOR_BYTES,
        ),
        Row("idle watch memory", f"{watch / 1024:.1f} kB", "", "", "6 kB", watch <= IDLE_WATCH_FLOOR_BYTES),
    ]


def header(rounds: int, seconds: float) -> str:
    """Name the machine, the versions and the date."""
    return (
        f"{machine()}; {rounds} rounds of {seconds:g} s after 1 s of warm-up, medians; "
        "load generator on the same machine, 32 requests in flight over 4 HTTP/2 connections."
    )


def main() -> int:
    """Run the command."""
    if sys.argv[1:2] == ["workspaces"]:
        return workspaces.main(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds per system, alternating (default 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured seconds per operation (default 5)")
    parser.add_argument("--only", nargs="*", choices=RATES, default=list(RATES), help="operations to run")
    parser.add_argument("--no-sizes", dest="sizes", action="store_false", help="leave out many CRDs and idle watches")
    parser.add_argument("--no-peer", action="store_true", help="measure kcp alone; ratios are left out")
    options = parser.parse_args()
    program = build_load()
    compare = not options.no_peer and systems.has_kube()
    if not compare:
        print("kube-apiserver is not measured (hack/peers builds it where Go is present)", file=sys.stderr)
    ours: list[Figures] = []
    peer: list[Figures] = []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        ours.append(measure(systems.start_kcp, options.only, options.seconds, program))
        if compare:
            time.sleep(1)  # lets the disk settle between systems
            peer.append(measure(systems.start_kube, options.only, options.seconds, program))
    table = rows(options.only, ours, peer)
    if "get" in options.only:
        table += lock_rows(program)
    if options.sizes:
        table += size_rows(program)
    print(header(options.rounds, options.seconds))
    print()
    print(render(table))
    return 1 if any(row.passed is False for row in table) else 0


if __name__ == "__main__":
    sys.exit(main())
