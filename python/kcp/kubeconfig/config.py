"""What the kubeconfig files say together, and changes to it.

Entries are plain mappings as the files have them, so that fields unknown here survive. The first file that has an entry
of a name wins, as with kubectl. A changed entry goes back to its own file; a copy goes where its original is, so that
relative paths in it go on meaning the same; anything else goes to the default file.
"""

from __future__ import annotations

import copy
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from kcp.kubeconfig import text
from kcp.kubeconfig.files import KubeconfigError, Locations, locked, read, replace

if TYPE_CHECKING:
    from collections.abc import Iterator

# Kind of entry → fields that hold a path, relative to the file.
PATHS = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
    "context": (),
}


class Entry(NamedTuple):
    """A cluster, user or context: what its file says of it, and which file that is."""

    body: dict[str, Any]
    file: str

    def path(self, field: str) -> str:
        """Return a field that names a file, absolute; empty when it is not set."""
        value = str(self.body.get(field) or "")
        return os.path.join(os.path.dirname(self.file), value) if value else ""


class Kubeconfig:
    """The merged configuration. Changes are kept here until `edit` writes them."""

    def __init__(self, locations: Locations, documents: dict[str, dict[str, Any]]) -> None:
        """Merge documents by file, of `locations`, in that order."""
        self.locations = locations
        self._documents = documents
        self._changed: set[str] = set()
        self.clusters = self._merge("cluster")
        self.users = self._merge("user")
        self.contexts = self._merge("context")
        self._default = locations.default

    @property
    def current_context(self) -> str:
        """Name of the current context; empty for none."""
        return next((name for d in self._documents.values() if (name := str(d.get("current-context") or ""))), "")

    def set_current_context(self, name: str) -> None:
        """Make a context current."""
        if self.current_context != name:
            self._document(self._default)["current-context"] = name

    def set_cluster(self, name: str, entry: Entry) -> None:
        """Set a cluster, copied from `entry`."""
        self._set("cluster", self.clusters, name, entry)

    def set_context(self, name: str, entry: Entry) -> None:
        """Set a context, copied from `entry`."""
        self._set("context", self.contexts, name, entry)

    def changed(self) -> Iterator[tuple[str, str]]:
        """Yield each file to write and its new content."""
        for file in self.locations.paths:
            if file in self._changed:
                yield file, text.render(self._documents[file])

    def _merge(self, kind: str) -> dict[str, Entry]:
        merged: dict[str, Entry] = {}
        for file, document in self._documents.items():
            for item in document.get(f"{kind}s") or []:
                merged.setdefault(item["name"], Entry(item.get(kind) or {}, file))
        return merged

    def _document(self, file: str) -> dict[str, Any]:
        self._changed.add(file)
        return self._documents.setdefault(file, {"apiVersion": "v1", "kind": "Config"})

    def _set(self, kind: str, entries: dict[str, Entry], name: str, entry: Entry) -> None:
        # Where an entry of that name already is: written elsewhere, the old one could win.
        file = entries[name].file if name in entries else entry.file
        body = copy.deepcopy(entry.body)
        if os.path.dirname(file) != os.path.dirname(entry.file):
            body.update({field: absolute for field in PATHS[kind] if (absolute := entry.path(field))})
        entries[name] = Entry(body, file)
        document = self._document(file)
        if not document.get(f"{kind}s"):
            document[f"{kind}s"] = []
        for item in document[f"{kind}s"]:
            if item["name"] == name:
                item[kind] = body
                return
        document[f"{kind}s"].append({"name": name, kind: body})


def load(locations: Locations) -> Kubeconfig:
    """Read and merge the files; missing ones count as empty, unless a flag named it.

    Raises:
        KubeconfigError: a file cannot be read or is no kubeconfig.
    """
    documents = {}
    for path in locations.paths:
        content = read(path)
        if content is not None:
            documents[path] = _checked(path, content)
        elif locations.explicit:
            raise KubeconfigError(f'error loading config file "{path}": No such file or directory')
    return Kubeconfig(locations, documents)


def parse(content: bytes, origin: str = "kubeconfig") -> Kubeconfig:
    """Read what is no file; `origin` is what errors call it. Relative paths in it begin where the process is.

    Raises:
        KubeconfigError: it is no kubeconfig.
    """
    return Kubeconfig(Locations((origin,), explicit=True), {origin: _checked(origin, content)})


@contextmanager
def edit(locations: Locations) -> Iterator[Kubeconfig]:
    """Read the files anew under their locks, give them to be changed, and write what changed.

    Nothing is written when the block raises.

    Raises:
        KubeconfigError: a file cannot be locked, read or written.
    """
    with locked(locations.paths):
        config = load(locations)
        yield config
        for path, content in config.changed():
            replace(path, content)


def _checked(path: str, content: bytes) -> dict[str, Any]:
    try:
        document = text.parse(content)
        if document is None:
            return {"apiVersion": "v1", "kind": "Config"}
        _check(document)
    except (ValueError, RecursionError) as error:
        raise KubeconfigError(f'error loading config file "{path}": {error}') from None
    checked: dict[str, Any] = document
    return checked


def _check(document: object) -> None:
    if not isinstance(document, dict):
        raise ValueError("it is not a mapping")
    for field, wanted in (("kind", "Config"), ("apiVersion", "v1")):
        if document.get(field) not in [wanted, None, ""]:
            raise ValueError(f"its {field} is not {wanted}")
    if not isinstance(document.get("current-context"), str | None):
        raise ValueError("current-context is not a string")
    for kind in PATHS:
        _check_list(kind, document.get(f"{kind}s"))


def _check_list(kind: str, items: object) -> None:
    if items is None:
        return
    if not isinstance(items, list):
        raise ValueError(f"{kind}s is not a list")
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise ValueError(f"{kind}s[{number}] has no name")
        body = item.get(kind)
        if not isinstance(body, dict | None):
            raise ValueError(f"{kind}s[{number}].{kind} is not a mapping")
        for field, value in (body or {}).items():
            if field in STRINGS and not isinstance(value, str | None):
                raise ValueError(f"{kind}s[{number}].{kind}.{field} is not a string")


# Fields that this package and the connection read as text.
STRINGS = frozenset(
    {
        "server",
        "tls-server-name",
        "certificate-authority",
        "certificate-authority-data",
        "proxy-url",
        "cluster",
        "user",
        "namespace",
        "client-certificate",
        "client-certificate-data",
        "client-key",
        "client-key-data",
        "token",
        "tokenFile",
        "username",
        "password",
        "as",
        "as-uid",
    }
)
