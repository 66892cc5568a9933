"""Decisions in the middle of a write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from kcp.client import Client, StatusError, User
from kcp.tenancy.types import RefusedTypeError, Type, compile_type

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kcp.client.in_process import Caller

    Hook: TypeAlias = Callable[[bytes], Awaitable[tuple[int, bytes]]]

# Who hooks read as.
USER = User("system:kcp:tenancy", ("system:masters",))
TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"


def hooks(caller: Caller) -> dict[str, Hook]:
    """Return the hooks of tenancy by name, which read through `caller`."""

    async def fetch(path: str, name: str) -> Type | None:
        try:
            return Type.read(await Client(caller, path, USER, agent="kcp-tenancy").get(f"{TYPES}/{name}"))
        except StatusError as error:
            if error.code in (403, 404):
                return None
            raise

    async def workspacetype(question: bytes) -> tuple[int, bytes]:
        asked = json.loads(question)
        own = Type(asked["cluster"], asked["path"], asked["object"])
        try:
            template = await compile_type(own, fetch)
        except RefusedTypeError as refusal:
            return 403, _forbidden(str(refusal))
        return 200, json.dumps(template).encode()

    return {"workspacetype": workspacetype}


def _forbidden(message: str) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 403}
    return json.dumps({**status, "reason": "Forbidden", "message": message}).encode()
