"""A core that was built for other Python code is noticed before anything is served."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kcp.core import stamp

if TYPE_CHECKING:
    from pathlib import Path

START = "import sys; from kcp.cli import main; sys.exit(main(sys.argv[1:]))"
MISMATCH = "the Rust core (kcp._core) was built for another version of this Python code: build both together"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Return a copy of the package around the same core."""
    package = tmp_path / "kcp"
    shutil.copytree(stamp.PACKAGE, package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (core,) = stamp.PACKAGE.glob("_core*.so")
    (package / core.name).symlink_to(core)
    return package


def start(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START, *words]
    return subprocess.run(command, cwd=package.parent, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", stamp.BOUNDARY)
def test_each_file_of_the_boundary_counts(other: Path, name: str) -> None:
    stamp.check(other)
    with (other / name).open("a") as file:
        file.write("# newer\n")
    with pytest.raises(stamp.CoreMismatchError, match="built for another version"):
        stamp.check(other)


def test_a_start_with_another_core_is_one_line_and_a_failure(other: Path) -> None:
    with (other / "controllers" / "__init__.py").open("a") as file:
        file.write("# newer\n")
    ended = start(other, "start", "--root-directory", str(other.parent / "root"), "--secure-port", "0")
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"error: {MISMATCH}\n")
    assert not (other.parent / "root").exists()
    assert start(other, "version").returncode == 0
