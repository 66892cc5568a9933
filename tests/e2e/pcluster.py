"""A physical cluster: a real control plane with controllers, whose nodes and pods are played."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HACK = Path(__file__).resolve().parents[2] / "hack"


@contextmanager
def running(name: str, directory: Path) -> Iterator[Path]:
    """Run a cluster until the block is left; yields its administrator's kubeconfig, which needs no other file."""
    if subprocess.run([HACK / "peers"], stdout=subprocess.PIPE, check=False).returncode:
        pytest.fail("the programs of a physical cluster are missing and cannot be built (hack/peers)")
    environment = {**os.environ, "KCP_PCLUSTERS_DIR": str(directory)}
    tool = HACK / "pcluster"
    try:
        up = subprocess.run([tool, "up", name], stdout=subprocess.PIPE, text=True, env=environment, check=False)
        assert up.returncode == 0, "hack/pcluster up failed"
        yield Path(up.stdout.strip())
    finally:
        subprocess.run([tool, "down", name], env=environment, check=True)
