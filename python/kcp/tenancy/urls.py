"""URLs of virtual workspaces in workspace types, brought up to date when the server moved."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kcp.client import Client, StatusError
from kcp.tenancy.hooks import TYPES, USER

if TYPE_CHECKING:
    from kcp.client.in_process import Caller

log = logging.getLogger(__name__)

# Types of a page.
PAGE = 500


async def refresh_urls(caller: Caller, base: str) -> int:
    """Let every type name virtual workspaces at `base`; return how many were written.

    The data path says the URLs with each write of a type, so that a write that changes nothing else is enough.

    Raises:
        StatusError: types cannot be listed.
    """
    client = Client(caller, "*", USER, agent="kcp-bootstrap")
    written, token = 0, ""
    while True:
        page = await client.get(f"{TYPES}?limit={PAGE}{token}")
        for item in page["items"]:
            if _is_elsewhere(item, base):
                written += await _write(client, item["metadata"])
        if not (more := page["metadata"].get("continue")):
            return written
        token = f"&continue={quote(more, safe='')}"


def _is_elsewhere(item: dict[str, Any], base: str) -> bool:
    endpoints = (item.get("status") or {}).get("virtualWorkspaces") or []
    return any(not endpoint["url"].startswith(f"{base}/services/") for endpoint in endpoints)


async def _write(client: Client, metadata: dict[str, Any]) -> bool:
    cluster, name = metadata["annotations"]["kcp.io/cluster"], metadata["name"]
    try:
        await client.of(cluster).merge_patch(f"{TYPES}/{quote(name)}/status", {})
    except StatusError as error:
        if not error.is_not_found:  # such as a logical cluster that is offline: its own next write does it
            log.warning("the URLs of workspace type %s in %s stay as they are: %s", name, cluster, error)
        return False
    return True
