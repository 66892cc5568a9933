"""`kcp version`: which kcp this is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcp import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Print the version."""
    del arguments
    print(f"kcp {__version__}")
    return 0
