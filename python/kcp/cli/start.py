"""`kcp start`: start the API server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kcp.server.options import UsageError, parse

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Start a server and serve until SIGTERM or SIGINT."""
    try:
        options = parse(arguments)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    from kcp.server.files import StartError
    from kcp.server.run import run as serve

    try:
        serve(options)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the server listens for signals
        return 130
    return 0
