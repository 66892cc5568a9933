"""The whole ASGI application of virtual workspaces that run on their own: health, who calls, and the way in."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import trio

from kcp.client import StatusError, User
from kcp.virtual.callers import Callers
from kcp.virtual.service import UNRESOLVED
from kcp.virtual.visit import MASTERS, refuse

if TYPE_CHECKING:
    from kcp.virtual.service import Scope, Services
    from kcp.virtual.visit import Receive, Send, Upstream

log = logging.getLogger(__name__)

HEALTH = ("healthz", "livez", "readyz")
# How long the server behind may take until this one is not ready.
READY_SECONDS = 5.0
# Of a header that says who calls, or as whom he acts: nothing behind the entrance needs them.
_CREDENTIALS = (b"authorization", b"impersonate-", b"x-remote-", b"sec-websocket-protocol")
QUESTION = json.dumps({"question": "entries", "user": "", "groups": [], "after": "", "limit": 1}).encode()


class Entrance:
    """Answers `/healthz`, `/livez` and `/readyz` to everybody; all else goes to the services with the caller's name."""

    def __init__(self, services: Services, upstream: Upstream) -> None:
        """Stand before `services`, which show `upstream`."""
        self._services = services
        self._upstream = upstream
        self._callers = Callers(upstream)
        self.stopping = False
        """Whether the process is about to end: then it is not ready any more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        first, _, rest = scope["path"].strip("/").partition("/")
        if first in HEALTH and scope["method"] in {"GET", "HEAD"}:
            await self._health(scope, send, first, rest)
            return
        known = scope["extensions"]["kcp"]
        shown = User(known["user"], known["groups"], known["uid"], known["extra"]) if known["user"] else None
        try:
            user = await self._callers.identify(shown, scope["headers"])
            if not scope["raw_path"].startswith(b"/services/"):
                raise refuse(404 if MASTERS in user.groups else 403, UNRESOLVED)
        except StatusError as error:
            await _send(send, error.code or 500, b"application/json", json.dumps(error.status).encode() + b"\n")
            return
        identified = {"user": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra}
        kept = [pair for pair in scope["headers"] if not pair[0].lower().startswith(_CREDENTIALS)]
        inside = {**scope, "headers": kept, "extensions": {"kcp": {**known, **identified}}}
        await self._services(inside, receive, send)

    async def _health(self, scope: Scope, send: Send, endpoint: str, wanted: str) -> None:
        checks = {"ping": ""}
        if endpoint == "readyz":
            behind = await self._behind()
            checks |= {"upstream": behind} | dict.fromkeys(self._services.names, behind)
            checks["shutdown"] = "process is shutting down" if self.stopping else ""
        if wanted and wanted not in checks:
            await _send(send, 404, b"text/plain; charset=utf-8", b"404 page not found\n")
            return
        query = parse_qs(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
        excluded = {name for given in query.get("exclude", []) for name in given.split(",")}
        looked = {wanted: checks[wanted]} if wanted else {n: why for n, why in checks.items() if n not in excluded}
        failed = {name: why for name, why in looked.items() if why}
        for name, why in failed.items():
            log.warning("health check %s of %s failed: %s", name, endpoint, why)
        text = "ok"
        if failed or "verbose" in query:
            lines = [f"[-]{name} failed: reason withheld" if why else f"[+]{name} ok" for name, why in looked.items()]
            text = "\n".join([*lines, f"{endpoint} check {'failed' if failed else 'passed'}", ""])
        await _send(send, 500 if failed else 200, b"text/plain; charset=utf-8", text.encode())

    async def _behind(self) -> str:
        """Tell why the server behind cannot be shown; empty when it can."""
        with trio.move_on_after(READY_SECONDS):
            try:
                answer = await self._upstream.ask(QUESTION)
            except (StatusError, BrokenPipeError) as error:
                return str(error)
            return "" if answer.status == 200 else f"the server behind answers {answer.status}"
        return "the server behind does not answer"


async def _send(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers: Any = [(b"content-type", content_type), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
