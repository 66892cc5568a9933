"""`kubectl ws tree`: the workspaces below the current one."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from kcp.cli.target import WORKSPACES, Target
from kcp.client.status import StatusError
from kcp.kubeconfig import NotAWorkspaceError, Place, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kcp.cli.plugin import Call
    from kcp.client.http import HttpClient

# Workspaces whose children are asked for at the same time.
AT_ONCE = 8
LOGICAL_CLUSTER = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"


class Node(NamedTuple):
    """A workspace in the tree."""

    label: str
    place: Place | None
    """Where its children are; None for a mount, which is another server's business."""
    phase: str
    """Of the Workspace; empty for the top, whose object is not looked at."""
    children: list[Node]


def run(call: Call) -> int:
    """Print the tree."""
    if call.flag("interactive"):
        from kcp.cli import workspace_browse

        return workspace_browse.run(call)
    target = Target(call)
    try:
        top = target.wanted
    except NotAWorkspaceError as error:
        print(f'current context URL "{error.url}" does not point directly to a kcp workspace')
        return 0
    client, full = target.client, bool(call.flag("full"))
    node = grow(client, top, full=full)
    columns = wide(client, node) if call.flag("wide") else {}
    lines = list(draw(node, columns))
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        _print_coloured(lines)
    else:
        print(".\n" + "\n".join(_aligned(lines)) + ("" if columns else "\n"))
    return 0


def grow(client: HttpClient, top: Place, *, full: bool) -> Node:
    """Read the tree below a workspace, level by level.

    Raises:
        StatusError: a listing is refused for another reason than that there is nothing.
    """
    root = Node(top.path if full else top.name, top, "", [])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        level = [root]
        while level:
            listed = pool.map(lambda node: children_of(client, node, full=full), level)
            for node, children in zip(level, listed, strict=True):
                node.children.extend(children)
            level = [child for node in level for child in node.children if child.place is not None]
    return root


def children_of(client: HttpClient, node: Node, *, full: bool) -> list[Node]:
    """Return a workspace's children in the order of their names; none where workspaces are not served."""
    assert node.place is not None
    try:
        listed = client.list_all(node.place.url + WORKSPACES)
    except StatusError as error:
        if error.is_not_found:
            return []
        raise
    found = (_child(node, workspace, full) for workspace in sorted(listed, key=lambda w: str(w["metadata"]["name"])))
    return [child for child in found if child is not None]


def _child(parent: Node, workspace: dict[str, Any], full: bool) -> Node | None:
    assert parent.place is not None
    name, spec = str(workspace["metadata"]["name"]), workspace.get("spec") or {}
    phase = str((workspace.get("status") or {}).get("phase") or "")
    if "deletionTimestamp" in workspace["metadata"] or phase in {"Terminating", "Deleting"}:
        return None
    shown = f"{parent.label}:{name}" if full else name
    if spec.get("mount"):
        return Node(f"{shown} [m]", None, phase, [])
    try:
        # The path of the URL, on the server that the credentials are for.
        place = parent.place.at(place_of(str(spec.get("URL") or "")).path)
    except NotAWorkspaceError:
        place = None  # not placed yet
    return Node(shown, place, phase, [])


def wide(client: HttpClient, top: Node) -> dict[int, tuple[str, str]]:
    """Return `ws=…` and `lc=…` of every node, by identity."""
    nodes = [node for node in _all(top) if node.place is not None]  # a mount is another server's

    def phases(node: Node) -> tuple[str, str]:
        assert node.place is not None
        try:
            found = client.get(node.place.url + LOGICAL_CLUSTER)
        except StatusError:
            found = {}
        logical = (found.get("status") or {}).get("phase") or "Unknown"
        return f"ws={node.phase or '-'}", f"lc={logical}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {id(node): found for node, found in zip(nodes, pool.map(phases, nodes), strict=True)}


def _all(top: Node) -> Iterator[Node]:
    stack = [top]
    while stack:
        node = stack.pop()
        yield node
        stack += node.children


class Line(NamedTuple):
    """A line of the tree in its parts."""

    guide: str
    label: str
    columns: tuple[str, ...]
    phase: str


def draw(top: Node, columns: dict[int, tuple[str, str]]) -> Iterator[Line]:
    """Yield the lines of a tree, without recursion: a tree may be deeper than the interpreter's stack."""
    stack = [(top, "└── ", "    ")]
    while stack:
        node, guide, below = stack.pop()
        yield Line(guide, node.label, columns.get(id(node), ()), node.phase)
        for number, child in enumerate(reversed(node.children)):
            ends = ("└── ", "    ") if number == 0 else ("├── ", "│   ")
            stack.append((child, below + ends[0], below + ends[1]))


def _aligned(lines: list[Line]) -> Iterator[str]:
    first = max((len(line.guide + line.label) for line in lines if line.columns), default=0)
    second = max((len(line.columns[0]) for line in lines if line.columns), default=0)
    for line in lines:
        text = line.guide + line.label
        yield f"{text:<{first}}  {line.columns[0]:<{second}}  {line.columns[1]}" if line.columns else text


PHASES = {"Ready": "green", "": "bold", "Initializing": "yellow", "Scheduling": "yellow"}


def _print_coloured(lines: list[Line]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    console.print(".")
    for line, plain in zip(lines, _aligned(lines), strict=True):
        text = Text(plain)
        text.stylize("dim", 0, len(line.guide))
        text.stylize(PHASES.get(line.phase, "red"), len(line.guide), len(line.guide) + len(line.label))
        console.print(text)
    if not any(line.columns for line in lines):
        console.print()
