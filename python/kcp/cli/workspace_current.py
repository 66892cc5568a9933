"""`kubectl ws current` and `kubectl ws .`: print the current workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcp.cli.target import Target
from kcp.kubeconfig import NotAWorkspaceError, place_of

if TYPE_CHECKING:
    from kcp.cli.plugin import Call


def run(call: Call) -> int:
    """Print it."""
    show(Target(call).url, short=bool(call.flag("short")))
    return 0


def show(url: str, *, short: bool, kind: str = "") -> None:
    """Print where a URL leads; `kind` is the workspace's type, where it is known."""
    try:
        path = place_of(url).path
    except NotAWorkspaceError:
        if not short:
            print(f'Current workspace is the URL "{url}".')
        return
    print(path if short else f"Current workspace is '{path}'{f' (type {kind})' if kind else ''}.")
