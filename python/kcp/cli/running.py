"""What commands that go on until they are told to end have in common."""

from __future__ import annotations

import logging
import signal
import sys
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from kcp.cli.plugin import Call


def set_up_logging(call: Call) -> None:
    """Log to stderr; `-v 4` and above shows more."""
    level = logging.DEBUG if int(call.flag("v") or 0) >= 4 else logging.INFO
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def first_of(error: Exception) -> Exception:
    """Return what stopped the first of several tasks."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


async def until_signal(scope: trio.CancelScope) -> None:
    """Cancel `scope` at SIGTERM or SIGINT."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
            return
