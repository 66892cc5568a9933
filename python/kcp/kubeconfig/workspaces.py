"""Where a URL or a target leads: base, workspace path, and the syntax of targets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_WORD = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SEPARATOR = "/clusters/"
SYSTEM = "system:"
LEGACY_NOTE = (
    "Note: Using 'root:' to define an absolute path is no longer supported. "
    "Instead, use ':root' to specify an absolute path."
)


class NotAWorkspaceError(Exception):
    """A URL does not lead to a workspace."""

    def __init__(self, url: str) -> None:
        """Name the URL."""
        super().__init__(f'current URL "{url}" does not point to a workspace')
        self.url = url


class PathError(Exception):
    """A target is no workspace path."""


class Place(NamedTuple):
    """A workspace of a server."""

    base: str
    """URL of the server, with what stands before `/clusters/`."""
    path: str

    @property
    def url(self) -> str:
        """URL of the workspace."""
        return f"{self.base}{_SEPARATOR}{self.path}"

    @property
    def parent(self) -> Place | None:
        """The workspace it is in; None for roots, for names of clusters and for system clusters."""
        above, colon, _ = self.path.rpartition(":")
        return Place(self.base, above) if colon and not self.path.startswith(SYSTEM) else None

    @property
    def name(self) -> str:
        """The last word of the path."""
        return self.path.rpartition(":")[2]

    def at(self, path: str) -> Place:
        """Return another workspace of the same server."""
        return Place(self.base, path)


def place_of(url: str) -> Place:
    """Return the workspace a URL leads to; what follows the workspace is dropped.

    Raises:
        NotAWorkspaceError: it leads to none.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise NotAWorkspaceError(url) from None
    before, found, after = parts.path.partition(_SEPARATOR)
    path = unquote(after.partition("/")[0])
    if not found or not parts.netloc or not is_path(path):
        raise NotAWorkspaceError(url)
    return Place(urlunsplit((parts.scheme, parts.netloc, before, "", "")), path)


def is_path(path: str) -> bool:
    """Whether a text is a workspace path: words between colons, or a system cluster."""
    words = path.removeprefix(SYSTEM).split(":")
    return all(_WORD.fullmatch(word) for word in words)


def resolve(target: str, current: str, *, find_home: Callable[[], str], home_directory: str = "") -> str:
    """Return the absolute path that a target names, seen from the workspace `current`.

    Args:
        target: as typed, anything but `-`; empty and `~` are the home workspace.
        current: path of the current workspace; empty when there is none and only absolute targets make sense.
        find_home: asks the server for the home workspace's path.
        home_directory: what a shell makes of `~`.

    Raises:
        PathError: it is no path, or goes above the root.
    """
    text = _plain(target, home_directory)
    if text == "":
        return find_home()
    if text == ":":
        return _first(current)
    if text == "~" or text.startswith("~:"):
        words = [find_home(), *text.split(":")[1:]]
    elif text.startswith(":"):
        words = _split(text[1:])
    else:
        words = [*_split(current), *text.split(":")]
    return _walk([word for word in words if word], target) if all(words[1:]) else _invalid(target)


def is_legacy(target: str) -> bool:
    """Whether a target is absolute in the old way, without the leading colon."""
    return re.fullmatch(r"root(?:[:/].*)?", target, re.DOTALL) is not None


def _plain(target: str, home_directory: str) -> str:
    home = home_directory.rstrip("/")
    if home and (target == home or target.startswith(f"{home}/")):
        target = f"~{target[len(home) :]}"
    text = target.replace("/", ":")
    if is_legacy(text):
        text = f":{text}"
    return text


def _first(path: str) -> str:
    return path if path.startswith(SYSTEM) else path.partition(":")[0]


def _split(path: str) -> list[str]:
    return [path] if path.startswith(SYSTEM) else path.split(":")


def _walk(words: list[str], target: str) -> str:
    walked: list[str] = []
    for word in words:
        if word == "..":
            if len(walked) < 2:
                raise PathError("cannot go up from root")
            walked.pop()
        elif word != ".":
            walked.append(word)
    path = ":".join(walked)
    return path if is_path(path) else _invalid(target)


def _invalid(target: str) -> str:
    raise PathError(f"invalid workspace path: {target}")


def parse_type(text: str) -> dict[str, str]:
    """Return a reference to a workspace type from `<name>` or `<path>:<name>`; names are in lower case.

    Raises:
        PathError: its path is none.
    """
    path, _, name = text.removeprefix(":").rpartition(":")
    if path and not is_path(path):
        raise PathError(f"invalid workspace path: {path}")
    return {"name": name.lower(), "path": path} if path else {"name": name.lower()}
