"""Completion of words: what kubectl's own completion runs as `kubectl_complete-<plugin>`.

It gets the words behind the plugin's name, the last one unfinished, and prints what that could become, one a line, then
`:` and a number that tells the shell what to do (cobra's protocol). Anything that goes wrong means no suggestions: a
shell at its prompt is no place for complaints.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from kcp.cli import commands, plugin
from kcp.cli.flags import FlagError, parse
from kcp.cli.target import WORKSPACES, Target, overrides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.cli.commands import Command

# Directives of the protocol; their sum is told.
NO_SPACE, NO_FILES = 2, 4
# How long the server may take before the shell gets its prompt back (seconds).
PATIENCE = 2.0
# Commands whose word is a workspace.
SWITCHES = (commands.WORKSPACES, commands.USE)


def kubectl_kcp(arguments: Sequence[str] | None = None) -> int:
    """Complete `kubectl kcp …`."""
    return main(commands.PLUGIN, arguments)


def kubectl_ws(arguments: Sequence[str] | None = None) -> int:
    """Complete `kubectl ws …`."""
    return main(commands.WORKSPACES, arguments)


def kubectl_create_workspace(arguments: Sequence[str] | None = None) -> int:
    """Complete `kubectl create workspace …`."""
    return main(commands.CREATE, arguments)


def main(root: Command, arguments: Sequence[str] | None) -> int:
    """Print the suggestions and the directive."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        found = suggestions(root, words)
    except Exception:  # whatever it is, the shell goes on without suggestions
        found = []
    for suggestion in found:
        print(suggestion)
    print(f":{NO_FILES}")
    return 0


def suggestions(root: Command, words: list[str]) -> list[str]:
    """Return what the last of the words could become."""
    *before, unfinished = words or [""]
    command, line, rest = plugin.find(root, root.name, before)
    flags = (*command.flags, *commands.COMMON)
    if unfinished.startswith("-") and unfinished != "-":
        return [f"--{f.name}\t{f.about}" for f in flags if not f.hidden and f"--{f.name}".startswith(unfinished)]
    wants_workspace = bool(before) and before[-1] in {"-w", "--workspace"}
    try:
        parsed = parse(rest[:-1] if wants_workspace else rest, flags)
    except FlagError:
        return []  # the value of some other flag
    found = []
    if not parsed.words and not wants_workspace:
        found += [f"{below.name}\t{below.about}" for below in command.commands if below.name.startswith(unfinished)]
    if wants_workspace or (command in SWITCHES and not parsed.words):
        # A server that does not answer takes nothing from what is known without it.
        with suppress(Exception), ExitStack() as closing:
            found += workspaces(Target(plugin.Call(command, line, parsed, closing)), unfinished)
    return found


def workspaces(target: Target, unfinished: str) -> list[str]:
    """Return the targets that begin as the unfinished one does: its siblings, asked of the server."""
    from kcp.client.connection import connect
    from kcp.client.http import HttpClient

    separator = "/" if "/" in unfinished else ":"
    above, found, begun = unfinished.rpartition(separator)
    typed = above + found
    target.use(HttpClient(connect(target.config, overrides(target.call)), seconds=PATIENCE))
    current = target.current
    if typed in {":", "/"}:
        return [f"{typed}{name}" for name in (current.path.partition(":")[0],) if name.startswith(begun)]
    place = target.resolve(above, current) if above else current
    listed = target.client.list_all(place.url + WORKSPACES)
    names = sorted(str(workspace["metadata"]["name"]) for workspace in listed)
    return [f"{typed}{name}" for name in names if name.startswith(begun)]
