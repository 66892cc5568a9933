"""The table that the commands here print: its rows, where it was made, and the load generator that fills it."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benches.systems import ROOT


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `passed` is None where the row has no floor."""

    what: str
    ours: str
    peer: str
    ratio: str
    floor: str
    passed: bool | None


def build_load() -> Path:
    """Build the load generator; returns its path."""
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "-p", "kcp-load"], cwd=ROOT, check=True)
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT, check=True, capture_output=True
    )
    return Path(json.loads(metadata.stdout)["target_directory"]) / "release/kcp-load"


def render(table: list[Row]) -> str:
    """Render the table as Markdown."""
    lines = ["| what | kcp | kube-apiserver + etcd | ratio | floor | |", "|---|---|---|---|---|---|"]
    marks = {True: "ok", False: "BELOW", None: ""}
    for row in table:
        lines.append(f"| {row.what} | {row.ours} | {row.peer} | {row.ratio} | {row.floor} | {marks[row.passed]} |")
    return "\n".join(lines)


def machine() -> str:
    """Name the date, the commit and the machine."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    cores = subprocess.run(["nproc"], capture_output=True, text=True, check=False).stdout.strip()
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return (
        f"{when}, commit {commit.stdout.strip() or 'unknown'}, {cores} cores ({cpu or platform.machine()}), "
        f"{platform.system()} {platform.release()}"
    )
