"""`kubectl create workspace NAME` and `kubectl ws create NAME`: create a workspace and wait until it is ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kcp.cli import workspace_use
from kcp.cli.plugin import UserError
from kcp.cli.target import WORKSPACES, Target
from kcp.client.selectors import label_selector
from kcp.client.status import StatusError
from kcp.kubeconfig import create_context, edit, parse_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from kcp.cli.plugin import Call
    from kcp.client.http import HttpClient

# How long a workspace may take to become ready, and how often it is asked (seconds).
READY_SECONDS = 60.0
ASK_EVERY = 0.5


def run(call: Call) -> int:
    """Create it, then make a context for it or enter it, as the flags say."""
    if len(call.words) != 1:
        raise UserError(f"accepts 1 arg(s), received {len(call.words)}")
    wanted = parse_type(str(call.flag("type"))) if call.flag("type") else None
    existing_is_fine = bool(call.flag("ignore-existing"))
    if existing_is_fine and wanted and not _is_absolute(wanted):
        raise UserError("--ignore-existing must not be used with non-absolute type path")
    target, name = Target(call), call.words[0]
    place = target.wanted
    body = manifest(name, wanted, str(call.flag("location-selector")))
    create(target.client, place.url + WORKSPACES, body, existing_is_fine=existing_is_fine)
    inside = place.at(f"{place.path}:{name}")
    enter, context = bool(call.flag("enter")), str(call.flag("create-context"))
    if context:
        with edit(target.locations) as config:
            print(create_context(config, context, inside.url, overwrite=existing_is_fine, use=enter))
    elif enter:
        workspace_use.switch(target, inside, short=False)
    return 0


def _is_absolute(wanted: dict[str, str]) -> bool:
    path = wanted.get("path", "")
    return path == "root" or path.startswith("root:")


def manifest(name: str, wanted: dict[str, str] | None, selector: str) -> dict[str, Any]:
    """Return the Workspace to create.

    Raises:
        UserError: the selector is none.
    """
    spec: dict[str, Any] = {}
    if wanted:
        spec["type"] = wanted
    if selector:
        try:
            spec["location"] = {"selector": label_selector(selector)}
        except ValueError as error:
            raise UserError(f"invalid location selector: {error}") from None
    return {
        "apiVersion": "tenancy.kcp.io/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": name},
        "spec": spec,
    }


def create(
    client: HttpClient,
    collection: str,
    body: dict[str, Any],
    *,
    existing_is_fine: bool = False,
    say: Callable[[str], None] = print,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Create a workspace, wait until it is ready and return it; `say` gets each line for people.

    Raises:
        UserError: it exists with another type, or is not ready in a minute.
        StatusError: the server refuses.
    """
    existed = False
    try:
        workspace = client.post(collection, body)
    except StatusError as error:
        if error.reason != "AlreadyExists" or not existing_is_fine:
            raise
        existed, workspace = True, client.get(f"{collection}/{body['metadata']['name']}")
        _check_type(workspace, body["spec"].get("type"))
    ready = _phase(workspace) == "Ready"
    done = "already exists" if existed else "created"
    if not ready:
        say(f"{label(workspace)} {done}. Waiting for it to be ready...")
    elif existed:
        say(f"{label(workspace)} {done}.")
    until = clock() + READY_SECONDS
    while _phase(workspace) != "Ready":
        if clock() >= until:
            raise UserError(
                f'workspace "{body["metadata"]["name"]}" is not ready after a minute: its phase is '
                f"{_phase(workspace) or 'unknown'}"
            )
        sleep(ASK_EVERY)
        workspace = client.get(f"{collection}/{body['metadata']['name']}")
    say(f"{label(workspace)} is ready to use.")
    return workspace


def _phase(workspace: dict[str, Any]) -> str:
    return str((workspace.get("status") or {}).get("phase") or "")


def _check_type(workspace: dict[str, Any], wanted: dict[str, str] | None) -> None:
    actual = (workspace.get("spec") or {}).get("type") or {}
    if wanted and (wanted["name"], wanted.get("path")) != (actual.get("name"), actual.get("path")):
        name, asked = workspace["metadata"]["name"], f"{wanted.get('path')}:{wanted['name']}"
        raise UserError(
            f'workspace "{name}" cannot be created with type {asked}, '
            f"it already exists with different type {actual.get('path')}:{actual.get('name')}"
        )


def label(workspace: dict[str, Any]) -> str:
    """Return `Workspace "name" (type path:name)`."""
    kind = (workspace.get("spec") or {}).get("type") or {}
    shown = f" (type {kind.get('path')}:{kind.get('name')})" if kind.get("name") else ""
    return f'Workspace "{workspace["metadata"]["name"]}"{shown}'
