"""The README's second example, run as it stands there by the users it is about."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import DRAIN_SECONDS, start_kcp
from tests.e2e.conftest import COMMAND_SECONDS, REPOSITORY, TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADING = "## Workspaces that people own"
USERS = ("alice", "bob", "carol")


def section() -> str:
    """Return the example's part of the README."""
    text = (REPOSITORY / "README.md").read_text()
    return text.split(HEADING)[1].split("\n## ")[0]


def steps(block: str) -> list[tuple[str, str]]:
    """Return the commands of a block, each with what it prints."""
    found: list[tuple[str, str]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), ""))
        elif found:
            command, said = found[-1]
            found[-1] = (command, said + line + "\n")
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Return a directory with a server's files and each user's kubeconfig, made as the README says."""
    (csv,) = re.findall(r"```csv\n(.*?)```", section(), re.DOTALL)
    (tmp_path / "users.csv").write_text(csv)
    (tmp_path / "docs").symlink_to(REPOSITORY / "docs")
    root = tmp_path / ".kcp"
    process, _ = start_kcp(root, "--token-auth-file", str(tmp_path / "users.csv"))
    try:
        set_up = next(block for block in blocks() if "set-credentials" in block)
        loop = re.search(r"\$ (for user in .*?done)\n", set_up, re.DOTALL)
        assert loop is not None
        shell(tmp_path, loop[1])
        yield tmp_path
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DRAIN_SECONDS)
        if process.stdout is not None:
            process.stdout.close()


def blocks() -> list[str]:
    """Return the example's blocks of commands."""
    return re.findall(r"```console\n(.*?)```", section(), re.DOTALL)


def shell(place: Path, command: str, user: str = "") -> str:
    """Run a line as somebody types it and return all that it prints."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{TOOLS}:{os.defpath}",
        "HOME": str(place),
        "KUBECACHEDIR": str(place / f"cache-{user}"),
        "KUBECONFIG": str(place / f"{user}.kubeconfig"),
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    return done.stdout


def test_the_example_does_what_the_readme_says(place: Path) -> None:
    seen = []
    for block in blocks():
        who = re.match(r"# (\w+)\n", block)
        if who is None:
            continue
        seen.append(who[1])
        for command, said in steps(block):
            printed = shell(place, command, who[1])
            expected = re.escape(said.strip()).replace("…", ".*")
            notes = [line for line in printed.strip().splitlines() if not line.startswith("Note: ")]
            assert re.fullmatch(expected, "\n".join(notes)), f"{who[1]}$ {command}\n{printed}"
    assert tuple(seen) == USERS
