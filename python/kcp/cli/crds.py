"""`kcp crds`: the definitions of kinds of Kubernetes that come with kcp, shown and put into workspaces."""

from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from kcp.cli.plugin import UserError
from kcp.config import contrib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.cli.plugin import Call
    from kcp.client.http import HttpClient

Definition: TypeAlias = dict[str, Any]

COLLECTION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# How long a server may take to serve a definition it took (seconds); a real one needs about one.
PATIENCE = 30
# How often a definition is read again that somebody else changes at the same time.
TRIES = 5


def show_list(call: Call) -> int:
    """Print a line for each definition."""
    rows = [("NAME", "VERSION", "KIND", "NAMESPACED", "SHORTNAMES")]
    for name, text in contrib().items():
        spec = _decoded(text)["spec"]
        versions = ",".join(version["name"] for version in spec["versions"])
        namespaced = "true" if spec["scope"] == "Namespaced" else "false"
        rows.append((name, versions, spec["names"]["kind"], namespaced, ",".join(spec["names"].get("shortNames", ()))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def show(call: Call) -> int:
    """Print definitions as they are shipped.

    Raises:
        UserError: no such definition is.
    """
    for _, text in _chosen(call.words):
        sys.stdout.write(f"---\n{text.decode()}")
    return 0


def install(call: Call) -> int:
    """Create definitions, or bring them up to date, and wait until they are served.

    Raises:
        UserError: no such definition is shipped, or the server did not come to serve one.
        StatusError: the server refused.
        UnreachableError: no answer came.
    """
    from kcp.cli.target import Target

    chosen = _chosen(call.words)
    target = Target(call)
    server = target.wanted.url if call.given("workspace") else target.url
    for name, text in chosen:
        print(f"customresourcedefinition/{name} {_put(target.client, server, _decoded(text))}")
    for name, _ in chosen:
        _wait_served(target.client, server, name)
    return 0


def _chosen(words: Sequence[str]) -> list[tuple[str, bytes]]:
    shipped = contrib()
    if not words:
        raise UserError("which definitions? `kcp crds list` has their names, `all` means all of them")
    if "all" in words:
        return list(shipped.items())
    # A group without a name is called `core` here, and nothing by kubectl.
    names = {word: word if word in shipped or "." in word else f"{word}.core" for word in words}
    for word, name in names.items():
        if name not in shipped:
            raise UserError(f'no definition "{word}" comes with kcp; `kcp crds list` has their names')
    return [(name, shipped[name]) for name in dict.fromkeys(names.values())]


def _decoded(text: bytes) -> Definition:
    decoded: Definition = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return decoded


def _put(client: HttpClient, server: str, definition: Definition) -> str:
    """Create or replace a definition; return what became of it."""
    from kcp.client.status import StatusError

    path = f"{server}{COLLECTION}"
    try:
        client.post(path, definition)
        return "created"
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
    for left in reversed(range(TRIES)):
        present = client.get(f"{path}/{definition['metadata']['name']}")
        wanted = _merged(present, definition)
        try:
            answer = client.put(f"{path}/{definition['metadata']['name']}", wanted)
        except StatusError as error:
            if not error.is_conflict or not left:
                raise
            continue
        same = answer["metadata"]["resourceVersion"] == present["metadata"]["resourceVersion"]
        return "unchanged" if same else "configured"
    raise AssertionError("unreachable")


def _merged(present: Definition, definition: Definition) -> Definition:
    """Return what is there with the shipped specification; labels and annotations of others stay."""
    metadata = dict(present["metadata"])
    annotations = definition["metadata"].get("annotations") or {}
    if annotations:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    spec = {**definition["spec"], **{k: present["spec"][k] for k in ("conversion",) if k in present["spec"]}}
    return {**present, "metadata": metadata, "spec": spec}


def _wait_served(client: HttpClient, server: str, name: str) -> None:
    path = f"{server}{COLLECTION}"
    present = client.get(f"{path}/{name}")
    query = {
        "fieldSelector": f"metadata.name={name}",
        "resourceVersion": present["metadata"]["resourceVersion"],
        "timeoutSeconds": str(PATIENCE),
    }
    # Nothing is watched where the first look decides.
    events = chain([{"type": "ADDED", "object": present}], client.watch(path, query))
    for event in events:
        present = event["object"]
        found = {str(c["type"]): c["status"] for c in (present.get("status") or {}).get("conditions") or ()}
        if found.get("Established") == "True":
            return
        if event["type"] == "DELETED" or found.get("NamesAccepted") == "False":
            break
    conditions = (present.get("status") or {}).get("conditions") or ()
    reasons = [str(c["message"]) for c in conditions if c.get("status") == "False" and c.get("message")]
    raise UserError(f"{name} is not served: {'; '.join(reasons) or 'the server does not say why'}")
