"""`virtual-workspaces`: serve the virtual workspaces of a kcp as a process of their own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kcp.server.options import UsageError
from kcp.server.outside_options import parse

if TYPE_CHECKING:
    from collections.abc import Sequence


def main() -> int:
    """Run the command of its own."""
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; returns 0, 1 when it cannot start, 2 for wrong usage."""
    try:
        options = parse(arguments)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        from kcp.server.files import StartError
        from kcp.server.outside import run as serve
    except ImportError as error:
        if error.name != "kcp._core":
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    try:
        serve(options)
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the server listens for signals
        return 130
    return 0
