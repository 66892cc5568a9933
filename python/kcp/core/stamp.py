"""Whether the Rust core was built for this Python code.

A core of another commit may load and lack what is relied on: kinds of work that nothing marks, say, so that their
controllers idle for ever. The core holds the files that describe the boundary as they were when it was built.
"""

from __future__ import annotations

from pathlib import Path

from kcp import _core

# Relative to the package, in the order in which the core holds them.
BOUNDARY = ("_core.pyi", "controllers/__init__.py", "client/facts.py")
PACKAGE = Path(__file__).parents[1]


class CoreMismatchError(ImportError):
    """The core belongs to other Python code."""


def check(package: Path = PACKAGE) -> None:
    """Compare the boundary as this package has it with the one the core was built for.

    Raises:
        CoreMismatchError: they differ; the message is one line.
    """
    built_for = getattr(_core, "BOUNDARY", None)
    if built_for != b"".join((package / name).read_bytes() for name in BOUNDARY):
        message = "the Rust core (kcp._core) was built for another version of this Python code: build both together"
        raise CoreMismatchError(message, name=_core.__name__, path=_core.__file__)
