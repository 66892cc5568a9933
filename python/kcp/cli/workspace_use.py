"""`kubectl ws [TARGET]` and `kubectl ws use TARGET`: switch to a workspace."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kcp.cli import claims, workspace_current
from kcp.cli.plugin import UserError, usage
from kcp.cli.target import WORKSPACES, Target
from kcp.client.status import StatusError
from kcp.kubeconfig import Place, edit, enter, swap

if TYPE_CHECKING:
    from kcp.cli.plugin import Call
    from kcp.client.http import HttpClient

HOME_NOTE = (
    "Note: 'kubectl ws' now matches 'cd' semantics: go to home workspace. "
    "'kubectl ws -' to go back. 'kubectl ws .' to print current workspace."
)


def run(call: Call) -> int:
    """Switch, or print the current workspace for `.`."""
    if call.flag("interactive"):
        from kcp.cli import workspace_browse

        return workspace_browse.run(call)
    if call.command.name == "use" and not call.words:
        print(usage(call.command, call.line))
        return 0
    target, short = Target(call), bool(call.flag("short"))
    wanted = call.words[0] if call.words else ""
    if wanted == ".":
        workspace_current.show(target.url, short=short)
    elif wanted == "-":
        go_back(target, short=short)
    else:
        if not wanted and not short:
            print(HOME_NOTE, file=sys.stderr)
        place = target.resolve(wanted, target.current)
        switch(target, place, short=short, tell_type=wanted != ":")
    return 0


def go_back(target: Target, *, short: bool) -> None:
    """Change places with the previous workspace."""
    with edit(target.locations) as config:
        swap(config)
        context = config.contexts[config.current_context]
        cluster = config.clusters[str(context.body.get("cluster"))]
        url = str(cluster.body.get("server") or "")
    workspace_current.show(url, short=short)


def switch(target: Target, place: Place, *, short: bool, tell_type: bool = True) -> None:
    """Enter a workspace if the caller may, and print where one is then."""
    client = target.client
    kind = look(client, place)
    with edit(target.locations) as config:
        enter(config, place.url, str(target.call.flag("context")))
    claims.warn(client, place)
    workspace_current.show(place.url, short=short, kind=kind if tell_type else "")


def look(client: HttpClient, place: Place) -> str:
    """Return the type of a workspace that the caller may enter; empty when it is not known.

    Raises:
        UserError: there is no such workspace, or the caller may not enter.
        StatusError: the server refuses for another reason.
    """
    denied = not may_enter(client, place)
    kind, missing = type_of(client, place)
    if denied and missing:
        raise UserError(f'workspace "{place.path}" not found')
    if denied:
        raise UserError(f'access to workspace "{place.path}" denied')
    return kind


def may_enter(client: HttpClient, place: Place) -> bool:
    """Whether discovery answers with anything but 403 and emptiness."""
    for path, field in (("/apis", "groups"), ("/api", "versions")):
        try:
            if client.get(place.url + path).get(field):
                return True
        except StatusError as error:
            if not (error.is_forbidden or error.is_not_found):
                raise
    return False


def type_of(client: HttpClient, place: Place) -> tuple[str, bool]:
    """Return `<path>:<name>` of a workspace's type, empty when not known, and whether there is no such workspace."""
    if place.path == "root":
        return "root", False
    parent = place.parent
    if parent is None:
        return "", False
    try:
        workspace = client.get(f"{parent.url}{WORKSPACES}/{place.name}")
    except StatusError as error:
        return "", error.is_not_found
    found = (workspace.get("spec") or {}).get("type") or {}
    return f"{found.get('path')}:{found.get('name')}" if found.get("name") else "", False
