"""`kubectl ws -i` and `kubectl ws tree -i`: walk through the workspaces on the whole screen."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kcp.cli import workspace_use
from kcp.cli.plugin import UserError
from kcp.cli.target import Target
from kcp.cli.workspace_tree import LOGICAL_CLUSTER, PHASES, Node, children_of
from kcp.client.status import StatusError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.text import Text

    from kcp.cli.plugin import Call
    from kcp.client.http import HttpClient
    from kcp.kubeconfig import Place

TITLE = "kcp Workspaces"
# Bytes of the keyboard → what they mean.
KEYS = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"k": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"j": "down",
    b"\x1b[C": "expand",
    b"\x1bOC": "expand",
    b"l": "expand",
    b"\x1b[D": "collapse",
    b"\x1bOD": "collapse",
    b"h": "collapse",
    b"\x7f": "collapse",
    b"\x08": "collapse",
    b" ": "toggle",
    b"\r": "enter",
    b"\n": "enter",
    b"q": "quit",
    b"\x1b": "quit",
    b"\x03": "quit",
    b"": "quit",
}
# What the detail line counts.
COUNTED = (
    ("exports", "/apis/apis.kcp.io/v1alpha1/apiexports"),
    ("endpointslices", "/apis/apis.kcp.io/v1alpha1/apiexportendpointslices"),
    ("bindings", "/apis/apis.kcp.io/v1alpha1/apibindings"),
)


class Browser:
    """The state of the screen: which nodes are open and which line is chosen. Knows no terminal."""

    def __init__(self, top: Node, list_children: Callable[[Node], list[Node]]) -> None:
        """Begin with `top` open."""
        self._list_children = list_children
        self._listed: set[int] = set()
        self._open: set[int] = set()
        self.top = top
        self.chosen = 0
        self.complaint = ""
        self._expand(top)

    def rows(self) -> list[tuple[int, Node]]:
        """Return what is shown: depth and node, from the top."""
        rows, stack = [], [(0, self.top)]
        while stack:
            depth, node = stack.pop()
            rows.append((depth, node))
            if id(node) in self._open:
                stack += [(depth + 1, child) for child in reversed(node.children)]
        return rows

    @property
    def node(self) -> Node:
        """The chosen node."""
        return self.rows()[self.chosen][1]

    def is_open(self, node: Node) -> bool:
        """Whether a node's children are shown."""
        return id(node) in self._open

    def choose(self, place: Place) -> None:
        """Open the way down to a workspace and choose it, as far as it can be found."""
        while (at := self._towards(place)) is not None:
            self.chosen = at
            if self.node.place == place:
                return
            self._expand(self.node)

    def press(self, key: str) -> None:
        """Act on a key other than Enter and those that quit."""
        rows = self.rows()
        self.complaint = ""
        if key == "up":
            self.chosen = max(self.chosen - 1, 0)
        elif key == "down":
            self.chosen = min(self.chosen + 1, len(rows) - 1)
        elif key == "expand" or (key == "toggle" and not self.is_open(self.node)):
            self._expand(self.node)
        elif key in {"collapse", "toggle"}:
            self._collapse(rows)

    def _towards(self, place: Place) -> int | None:
        """Return the deepest shown row on the way to a workspace, if it is below the chosen one."""
        found = None
        for at, (_, node) in enumerate(self.rows()):
            mine = node.place
            if mine is not None and (place.path == mine.path or place.path.startswith(f"{mine.path}:")):
                found = at
        return found if found is not None and (found > self.chosen or not self.is_open(self.rows()[found][1])) else None

    def _expand(self, node: Node) -> None:
        if node.place is None:
            return
        if id(node) not in self._listed:
            self._listed.add(id(node))
            try:
                node.children.extend(self._list_children(node))
            except (StatusError, UnreachableError) as error:
                self.complaint = str(error)
        self._open.add(id(node))

    def _collapse(self, rows: list[tuple[int, Node]]) -> None:
        depth, node = rows[self.chosen]
        if self.is_open(node) and node.children:
            self._open.discard(id(node))
        elif depth:
            self.chosen = max(at for at, (above, _) in enumerate(rows[: self.chosen]) if above == depth - 1)


def run(call: Call) -> int:
    """Browse, and switch to the workspace that is chosen with Enter."""
    if call.words:
        raise UserError("interactive mode does not accept arguments")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("interactive mode needs a terminal")
    target = Target(call)
    current, client = target.current, target.client
    place = topmost(client, current)
    browser = Browser(Node(place.name, place, "", []), lambda node: children_of(client, node, full=False))
    browser.choose(current)
    chosen = show(browser, client)
    if chosen is not None:
        workspace_use.switch(target, chosen, short=bool(call.flag("short")))
    return 0


def topmost(client: HttpClient, place: Place) -> Place:
    """Return the highest ancestor that the caller may enter."""
    while (parent := place.parent) is not None and workspace_use.may_enter(client, parent):
        place = parent
    return place


def show(browser: Browser, client: HttpClient) -> Place | None:
    """Show the browser until a workspace is chosen or somebody quits."""
    from rich.console import Console
    from rich.live import Live

    console, details = Console(), Details(client)
    with raw_keys() as read_key, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(render(browser, details.of(browser.node), console.height, console.width), refresh=True)
            key = KEYS.get(read_key(), "")
            if key == "quit":
                return None
            if key == "enter" and browser.node.place is not None:
                return browser.node.place
            browser.press(key)


def render(browser: Browser, detail: str, height: int, width: int) -> Text:
    """Return the screen's content; the chosen line is always in sight."""
    from rich.text import Text

    room = max(height - 4, 1)
    rows = browser.rows()
    first = max(0, min(browser.chosen - room // 2, len(rows) - room))
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{TITLE}\n\n", "bold")
    for at, (depth, node) in enumerate(rows[first : first + room], first):
        mark = "  " if node.place is None else "▾ " if browser.is_open(node) else "▸ "
        style = PHASES.get(node.phase, "red") + (" reverse" if at == browser.chosen else "")
        text.append(f"{'  ' * depth}{mark}")
        text.append(f"{node.label}\n", style)
    text.append(f"\n{(browser.complaint or detail)[:width]}", "dim")
    return text


class Details:
    """The detail line of each workspace, asked for once."""

    def __init__(self, client: HttpClient) -> None:
        """Ask through `client`."""
        self._client = client
        self._known: dict[str, str] = {}

    def of(self, node: Node) -> str:
        """Return `cluster:… exports:… endpointslices:… bindings:…`; a dash for what the caller may not see."""
        if node.place is None:
            return "mounted from elsewhere"
        url = node.place.url
        if url not in self._known:
            counts = [f"{name}:{self._count(url + path)}" for name, path in COUNTED]
            self._known[url] = "  ".join((f"cluster:{self._cluster(url)}", *counts))
        return self._known[url]

    def _count(self, collection: str) -> str:
        try:
            return str(len(self._client.list_all(collection)))
        except (StatusError, UnreachableError):
            return "-"

    def _cluster(self, url: str) -> str:
        try:
            found = self._client.get(url + LOGICAL_CLUSTER)
        except (StatusError, UnreachableError):
            return "-"
        return str((found["metadata"].get("annotations") or {}).get("kcp.io/cluster") or "-")


@contextmanager
def raw_keys() -> Iterator[Callable[[], bytes]]:
    """Take keys one at a time, without echo, until the block is left."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        # A key is what arrives in one piece: a terminal sends an arrow's three bytes in one write.
        yield lambda: os.read(descriptor, 8)
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)
