"""The workspace types that `root` begins with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kcp.client import Client, StatusError
from kcp.config import workspace_types
from kcp.tenancy.hooks import TYPES, USER

if TYPE_CHECKING:
    from collections.abc import Collection

    from kcp.client.in_process import Caller

ROOT = "root"
BATTERY = "workspace-types"


async def ensure_types(caller: Caller, batteries: Collection[str] = (BATTERY,)) -> int:
    """Create the types that are missing and put right those that were shipped otherwise; return how many were written.

    A type of a battery that is not wanted is left as it is. Hooks have to answer while this runs.

    Raises:
        StatusError: a type cannot be read or written.
    """
    client = Client(caller, ROOT, USER, agent="kcp-bootstrap")
    written = 0
    for shipped in json.loads(workspace_types()):
        if shipped.get("battery", BATTERY) not in batteries:
            continue
        spec = shipped["spec"]
        if shipped["name"] == ROOT and BATTERY not in batteries:
            spec = {**spec, "defaultChildWorkspaceType": {"name": "universal", "path": ROOT}}
        written += await _ensure(client, shipped["name"], spec, create_only=shipped.get("createOnly", False))
    return written


async def _ensure(client: Client, name: str, spec: dict[str, Any], *, create_only: bool) -> bool:
    try:
        found = await client.get(f"{TYPES}/{name}")
    except StatusError as error:
        if not error.is_not_found:
            raise
        body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType"}
        await client.post(TYPES, {**body, "metadata": {"name": name}, "spec": spec})
        return True
    if create_only or found["spec"] == spec:
        return False
    await client.put(f"{TYPES}/{name}", {**found, "spec": spec})
    return True
