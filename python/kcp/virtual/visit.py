"""One request to a virtual workspace: who asks for what, and the ways to answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

from kcp.client import StatusError, User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from kcp.client import Answer, Headers

    Json: TypeAlias = Any
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]

# As whom views read: what a caller may see is the view's decision.
SYSTEM = User("system:kcp:virtual-workspaces", ("system:masters",))
MASTERS = "system:masters"
# Bytes of a request's body; the data path takes no more either.
LONGEST_BODY = 3 * 1024 * 1024
# What a client says about the answer it wants. Nothing that names a user or a cluster is among them.
PASSED = {b"accept", b"accept-encoding", b"content-type", b"user-agent", b"if-none-match"}
# What the server's own connection says.
_OWN = {b"audit-id", b"connection", b"content-length", b"date", b"keep-alive", b"transfer-encoding"}
# Makes a review one of rules alone; and where a review that explains itself says how the gate decided.
_DEEP = (b"x-kcp-internal-deep-subjectaccessreview", b"true")
_GATE = "sar.auth.kcp.io/02-content-decision"
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    410: "Expired",
    413: "RequestEntityTooLarge",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Streamed(Protocol):
    """An answer whose body is iterated over."""

    status: int
    headers: Headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the pieces of the body."""
        ...


class Upstream(Protocol):
    """The kcp that a virtual workspace shows: `kcp.core.Server`, or a server that a kubeconfig names."""

    async def call(
        self, method: str, target: str, *, headers: Headers | None = None, body: bytes = b"", user: User | None = None
    ) -> Answer:
        """Make a request as `user` and return its whole answer."""
        ...

    def stream(
        self, method: str, target: str, *, headers: Headers | None = None, body: bytes = b"", user: User | None = None
    ) -> AbstractAsyncContextManager[Streamed]:
        """As `call`, but with a body that is read piece by piece."""
        ...

    async def ask(self, question: bytes) -> Answer:
        """Ask what no path of the API tells."""
        ...


def refuse(code: int, message: str) -> StatusError:
    """Return the exception that answers with a `Status`."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    return StatusError({**status, "reason": _REASONS.get(code, ""), "code": code})


@dataclass(frozen=True, slots=True)
class Info:
    """What a path asks for. `resource` is empty for what is no resource."""

    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def collection(self) -> str:
        """Path of the collection, quoted, below the logical cluster."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{quote(self.namespace, safe='')}" if self.namespace else ""
        return f"{base}{scope}/{self.resource}"


def segments(raw: bytes) -> tuple[str, ...]:
    """Return the decoded segments of a percent-encoded path.

    Raises:
        StatusError: 400 for a segment that climbs, is empty, or hides a slash: what was decided about a path has to
            hold for the path that is passed on.
    """
    try:
        found = tuple(unquote_to_bytes(part).decode() for part in raw.strip(b"/").split(b"/"))
    except UnicodeDecodeError:
        raise refuse(400, "the path is not UTF-8") from None
    for part in found:
        if part in {"", ".", ".."} or "/" in part or any(ord(letter) < 32 for letter in part):
            raise refuse(400, f"invalid path segment {part!r}")
    return found


def parse(method: str, path: Sequence[str], query: Sequence[tuple[str, str]]) -> Info:
    """Tell what a path below a logical cluster asks for."""
    plain = Info(method.lower())
    if path[:1] == ("api",) and len(path) > 2:
        group, version, rest = "", path[1], path[2:]
    elif path[:1] == ("apis",) and len(path) > 3:
        group, version, rest = path[1], path[2], path[3:]
    else:
        return plain
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return plain
    resource, name, subresource = (*rest, "", "")[:3]
    if method in {"GET", "HEAD"}:
        verb = "watch" if is_watch(query) else "get" if name else "list"
    else:
        verb = _VERBS.get(method, method.lower())
        if verb == "delete" and not name:
            verb = "deletecollection"
    return Info(verb, group, version, namespace, resource, name, subresource)


def is_watch(query: Sequence[tuple[str, str]]) -> bool:
    """Tell whether a query asks for a watch."""
    return any(key == "watch" and value.lower() not in {"0", "false", "f"} for key, value in query)


@dataclass(slots=True)
class Visit:
    """One request. `path` is decoded and lies below `clusters/CLUSTER`."""

    upstream: Upstream
    user: User
    parameters: tuple[str, ...]
    """What the URL says between the virtual workspace's name and `clusters`."""
    cluster: str
    path: tuple[str, ...]
    prefix: str
    """The URL's path up to and with CLUSTER, as the client knows it."""
    method: str
    query: list[tuple[str, str]]
    headers: Headers
    receive: Receive
    send: Send
    begun: bool = field(default=False)
    """Whether the head of an answer was sent: then a failure cannot become a `Status` any more."""
    ended: bool = field(default=False)

    @property
    def info(self) -> Info:
        """What the path asks for."""
        return parse(self.method, self.path, self.query)

    @property
    def is_master(self) -> bool:
        """Whether the caller may do everything everywhere."""
        return MASTERS in self.user.groups

    def header(self, name: bytes) -> bytes:
        """Return the first value of a header, empty for none."""
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def target(self, cluster: str | None = None, **replaced: str) -> str:
        """Return path and query of the same request in a logical cluster, quoted anew, with parameters replaced."""
        query = [(key, value) for key, value in self.query if key not in replaced]
        query += [(key, value) for key, value in replaced.items() if value]
        path = "/".join(quote(part, safe=":*") for part in self.path)
        return f"/clusters/{cluster or self.cluster}/{path}" + (f"?{urlencode(query)}" if query else "")

    def passed_headers(self) -> Headers:
        """Return what the client said about the answer it wants."""
        return [(name.lower(), value) for name, value in self.headers if name.lower() in PASSED]

    async def body(self) -> bytes:
        """Read the request's body.

        Raises:
            StatusError: 413, it is too long.
        """
        pieces: list[bytes] = []
        length, more = 0, True
        while more:
            message = await self.receive()
            if message["type"] != "http.request":
                raise refuse(400, "the request's body broke off")
            pieces.append(message.get("body", b""))
            length += len(pieces[-1])
            if length > LONGEST_BODY:
                raise refuse(413, f"Request entity too large: limit is {LONGEST_BODY}")
            more = message.get("more_body", False)
        return b"".join(pieces)

    async def may(self, cluster: str, **attributes: str) -> bool:
        """Tell whether the caller's rules in `cluster` allow something, whether or not he may enter it.

        Args:
            cluster: the logical cluster whose rules decide.
            attributes: `group`, `resource`, `name`, `verb` of a SubjectAccessReview.
        """
        review = await self._review(cluster, {"resourceAttributes": attributes}, [_DEEP])
        return bool(review and review["status"].get("allowed"))

    async def may_inside(self, cluster: str, **attributes: str) -> bool:
        """As `may`, of a caller who has to get into the logical cluster besides."""
        review = await self._review(cluster, {"resourceAttributes": attributes}, [])
        return bool(review and review["status"].get("allowed"))

    async def may_enter(self, cluster: str) -> bool:
        """Tell whether the caller gets into a logical cluster at all, whatever he may do there."""
        wish = {"nonResourceAttributes": {"path": "/", "verb": "access"}}
        review = await self._review(cluster, wish, [], "?explain=true")
        if review is None:
            return False
        # A service account is at home without the verb: what counts is that the gate let it through.
        passed = review["metadata"].get("annotations", {}).get(_GATE) in {"Passed", "Allowed"}
        return passed or bool(review["status"].get("allowed"))

    async def _review(self, cluster: str, attributes: Json, headers: Headers, query: str = "") -> Json:
        """Return a SubjectAccessReview of the caller; None where there is no such logical cluster."""
        extra = {key: list(values) for key, values in self.user.extra}
        spec = {"user": self.user.name, "groups": list(self.user.groups), "uid": self.user.uid, "extra": extra}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {**spec, **attributes}}
        target = f"/clusters/{quote(cluster, safe=':')}/apis/authorization.k8s.io/v1/subjectaccessreviews{query}"
        sent = [(b"content-type", b"application/json"), *headers]
        answer = await self.upstream.call("POST", target, headers=sent, body=json.dumps(body).encode(), user=SYSTEM)
        if answer.status in {400, 403, 404}:  # no such cluster, or no name of one
            return None
        if answer.status >= 400:
            raise StatusError.of(answer.status, answer.body)
        return json.loads(answer.body)

    async def read(self, target: str, *, user: User = SYSTEM, accept: bytes = b"application/json") -> Json:
        """Return a decoded object, list or document.

        Raises:
            StatusError: it cannot be read.
        """
        answer = await self.upstream.call("GET", target, headers=[(b"accept", accept)], user=user)
        if answer.status >= 400:
            raise StatusError.of(answer.status, answer.body)
        return json.loads(answer.body)

    async def forward(
        self,
        target: str,
        user: User,
        *,
        body: bytes | None = None,
        method: str | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Answer with what `user` gets for `target`, byte for byte; `headers` go along with the client's own.

        Raises:
            BrokenPipeError: the answer broke off; the client's breaks off as well.
        """
        if body is None:
            body = b"" if self.method in {"GET", "HEAD"} else await self.body()
        opened = self.upstream.stream(
            method or self.method, target, headers=[*self.passed_headers(), *(headers or [])], body=body, user=user
        )
        async with opened as answer:
            await self.begin(answer.status, [pair for pair in answer.headers if pair[0] not in _OWN])
            if self.info.verb == "watch":
                await self.write(b"")  # the head must not wait for the first event
            async for piece in answer:
                await self.write(piece)
            await self.end()

    async def answer(self, document: Json, *, status: int = 200, content_type: bytes = b"application/json") -> None:
        """Answer with a JSON document."""
        raw = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        await self.begin(status, [(b"content-type", content_type), (b"cache-control", b"no-cache, private")])
        await self.send({"type": "http.response.body", "body": raw if self.method != "HEAD" else b""})

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the head of an answer."""
        self.begun = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, piece: bytes) -> None:
        """Send a piece of the body; waits while the client does not read."""
        await self.send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self) -> None:
        """End the body, once."""
        if self.ended:
            return
        self.ended = True
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})


def split_query(raw: bytes) -> list[tuple[str, str]]:
    """Return a query's parameters in their order."""
    return parse_qsl(raw.decode("ascii", "replace"), keep_blank_values=True)
