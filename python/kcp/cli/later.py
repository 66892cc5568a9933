"""Commands of a later release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcp.cli.plugin import UserError

if TYPE_CHECKING:
    from kcp.cli.plugin import Call


def run(call: Call) -> int:
    """Say that there is no such command yet."""
    raise UserError(f"this release of kcp has no exported APIs, so that '{call.line}' has nothing to do")
