"""How the controllers of deletions begin: with the object, if it is still there and being deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcp.client import StatusError

if TYPE_CHECKING:
    from kcp.client import Client


async def find(client: Client, path: str) -> dict[str, Any] | None:
    """Return the object at `path`; None when there is none."""
    try:
        return await client.get(path)
    except StatusError as error:
        if error.is_not_found:
            return None
        raise


async def find_deleted(client: Client, path: str) -> dict[str, Any] | None:
    """Return the object at `path`; None when there is none, or when it is not being deleted."""
    found = await find(client, path)
    return found if found is not None and "deletionTimestamp" in found["metadata"] else None
