"""The Rust core. `kcp.core` is its one door; nothing else imports it.

Every call returns at once, or leaves the interpreter to others while it waits (said where it does). Rust threads never
run Python: what they have to say is queued, and one event loop per server drains the queue.

Headers are lists of (name, value) pairs of bytes, names in lower case. A user is (name, uid, groups, extra). Times are
seconds. Ids are numbers that no other request or call of the same server has.
"""

from typing import Final, TypeAlias, final

from typing_extensions import disjoint_base

__all__ = [
    "BOUNDARY",
    "Answered",
    "Door",
    "Front",
    "Gone",
    "Hook",
    "Keys",
    "Readable",
    "Request",
    "Server",
    "StoreError",
    "Work",
    "Writable",
    "certificate_covers",
    "log_to_stderr",
    "make_authority",
    "make_key",
    "make_serving_certificate",
]

BOUNDARY: Final[bytes]
"""The files of the package that describe the boundary, joined, as they were when the core was built."""

_Headers: TypeAlias = list[tuple[bytes, bytes]]
_User: TypeAlias = tuple[str, str, list[str], list[tuple[str, list[str]]]]
_Event: TypeAlias = Request | Readable | Writable | Gone | Answered | Keys | Work

class StoreError(Exception):
    """The store cannot be opened: in use, unreadable, corrupt, of another version. One line; nothing was changed."""

@final
class Request:
    """A request for the application. Answer it with `reply`, and after a streamed body with `finish`."""

    id: Final[int]
    method: Final[str]
    path: Final[str]
    """Percent-encoded, without the logical cluster's prefix."""
    query: Final[str]
    http_version: Final[str]
    headers: Final[_Headers]
    cluster: Final[str]
    """The logical cluster; empty for none, `*` for all."""
    user: Final[str]
    uid: Final[str]
    groups: Final[list[str]]
    extra: Final[list[tuple[str, list[str]]]]
    client: Final[tuple[str, int] | None]
    body: Final[bytes | None]
    """The whole body, or None when it is to be read with `read_body`."""

@final
class Readable:
    """`read_body` or `read_answer` of this id, which had returned None, has more or has ended."""

    id: Final[int]

@final
class Writable:
    """`write_body` of this id, which had returned False, takes more."""

    id: Final[int]

@final
class Gone:
    """The client of this bridged request has gone before it was answered completely."""

    id: Final[int]

@final
class Answered:
    """A call was answered. `body` is None when it is to be read with `read_answer` and given up with `forget_call`."""

    id: Final[int]
    status: Final[int]
    headers: Final[_Headers]
    body: Final[bytes | None]

@final
class Keys:
    """The answer to `take_work`: (resource, logical cluster, namespace, name) each; `error` where there is none."""

    id: Final[int]
    keys: Final[list[tuple[str, str, str, str]]]
    error: Final[str | None]

@final
class Hook:
    """A write waits for a decision; `Server.answer_hook` brings it."""

    id: Final[int]
    name: Final[str]
    question: Final[bytes]

@final
class Work:
    """A kind of unfinished work has new keys. Told once until the next `take_work` of that kind."""

    kind: Final[str]

@disjoint_base
class Door:
    """What requests for the application come through and their answers go back. `Server` and `Front` are such."""

    @property
    def address(self) -> tuple[str, int] | None:
        """IP address and port listened on."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when there are events after an empty `drain_events`."""

    def drain_events(self, limit: int = 256) -> list[_Event]:
        """Take events, at most `limit`. After an empty list wait until `fileno` is readable."""

    def read_body(self, id: int) -> bytes | None:
        """Read on in a bridged request's body; as `read_answer`.

        Raises:
            BrokenPipeError: the client has gone.
        """

    def reply(self, id: int, status: int, headers: _Headers, first: bytes, more: bool) -> bool:
        """Send the head of an answer with its first piece; `more` tells whether others follow.

        Returns:
            False when nobody waits for it: the client has gone, or it was answered before.

        Raises:
            ValueError: the status or a header is not valid HTTP.
        """

    def write_body(self, id: int, data: bytes) -> bool:
        """Send another piece; False when it was not taken (`Writable` will tell when to send it again).

        Raises:
            BrokenPipeError: the client has gone.
        """

    def finish(self, id: int, *, broken: bool = False) -> None:
        """End an answer. `broken`: it is incomplete; one without a head becomes a 500."""

@final
class Front(Door):
    """A listener without a store: every request is for the application.

    A `Request` says whom the connection's certificate stands for, and has an empty user where it shows none; a bearer
    token stays in its headers. Headers with which a proxy would name a user are taken away. A certificate that does not
    hold is 401 unless there is a token besides.
    """

    def __new__(
        cls,
        *,
        listen: tuple[str, int],
        certificate: bytes,
        key: bytes,
        client_ca: bytes | None,
        workers: int,
    ) -> Front:
        """Bind the address; clients wait in the socket's backlog until `listen`. As `Server`.

        Raises:
            OSError: the address is taken or is not this machine's.
            ValueError: a certificate or key cannot be used.
        """

    def listen(self) -> None:
        """Begin to serve connections."""

    def statistics(self) -> dict[str, int]:
        """Count requests_bridged and connections."""

    def drain(self, seconds: float) -> int:
        """Stop accepting, wait for requests, at most so long (leaves the interpreter). Watches are the application's.

        Returns:
            the number of connections that were cut because the time was over.
        """

    def close(self) -> None:
        """End the runtime (leaves the interpreter). A second call does nothing."""

@final
class Server(Door):
    """A store with an API server, and a listener if there is an address to listen on. Several live in one process."""

    def __new__(
        cls,
        *,
        resources: bytes,
        definitions: list[bytes],
        bootstrap_roles: bytes,
        clusters: list[str],
        store: str | None,
        fsync: bool,
        listen: tuple[str, int] | None,
        certificate: bytes,
        key: bytes,
        client_ca: bytes | None,
        external_host: str | None,
        virtual_workspace_url: str,
        root_ca: str,
        service_account_key: str | None,
        tokens: list[tuple[str, _User]],
        token_file: str | None,
        event_ttl: float,
        total_object_limit: int,
        bridge: bool,
        workers: int,
    ) -> Server:
        """Bind the address and open the store; clients wait in the socket's backlog until `listen`.

        Args:
            resources: the table of built-in resources (JSON).
            bootstrap_roles: roles and bindings that hold in every logical cluster (JSON); brought up to date here.
            clusters: names of logical clusters that exist from the start.
            store: directory, made when it is missing; None keeps everything in memory.
            fsync: acknowledge a write only when it is on disk.
            listen: IP address and port, 0 picks one; None opens no socket.
            certificate: PEM of the serving chain, leaf first.
            key: PEM of its key.
            client_ca: PEM of the authorities whose client certificates are believed; None asks for none.
            external_host: under which clients reach the server; None: the address listened on.
            virtual_workspace_url: where virtual workspaces are reached; empty: where the server is.
            root_ca: PEM that clients are to trust, published in every namespace.
            service_account_key: PEM (PKCS #8, ECDSA P-256) that signs service accounts' tokens; None: there are none.
            tokens: static bearer tokens and whom each stands for; only digests are kept.
            token_file: the content of a token file (CSV).
            event_ttl: seconds for which events are kept after they were last written.
            total_object_limit: objects that a logical cluster may hold unless its LogicalCluster says otherwise; 0: any
                number.
            bridge: whether requests for the application become `Request` events.
            workers: threads of the runtime; 0 chooses by the number of cores.

        Raises:
            OSError: the address is taken or is not this machine's.
            StoreError: the store cannot be opened.
            ValueError: a certificate, key, table or token file cannot be used.
        """

    @property
    def listening_descriptor(self) -> int | None:
        """The listening socket's file descriptor, for a forked child to close."""

    def listen(self) -> None:
        """Begin to serve connections. Without an address nothing happens."""

    def call(self, method: str, target: str, headers: _Headers, body: bytes, user: _User | None) -> int:
        """Begin a request from within the process and return its id; `Answered` brings the answer.

        Args:
            method: as in HTTP.
            target: path and query.
            headers: of the request.
            body: whole.
            user: who asks, without proof; None: whoever the headers' credential proves.

        Raises:
            ValueError: not a valid request.
            RuntimeError: the server is closed.
        """

    def call_blocking(self, method: str, target: str, headers: _Headers, body: bytes, user: _User | None) -> Answered:
        """As `call`, but wait for the answer and all of its body (leaves the interpreter; not for watches).

        Raises:
            BrokenPipeError: the body broke off.
        """

    def read_answer(self, id: int) -> bytes | None:
        """Read on in an answer's body; empty at its end, None when there is nothing yet (`Readable` will tell).

        Raises:
            BrokenPipeError: the body broke off, or the call was forgotten.
        """

    def forget_call(self, id: int) -> None:
        """End a call, answered or not. Has to follow every `Answered` without a body."""

    def want_work(self, kind: str) -> None:
        """From now on `Work` tells of new keys of a kind."""

    def take_work(self, kind: str, limit: int, after: tuple[str, str, str, str] | None = None) -> int:
        """Ask for the keys of a kind of unfinished work after one of them, in order; `Keys` brings them.

        They stay until the work is done. `Work` tells of keys that came since the first of them were asked for last.
        """

    def answer_hook(self, id: int, status: int, body: bytes) -> bool:
        """Hand a decision to the write that waits for it.

        Args:
            id: of the `Hook`.
            status: an HTTP status; from 400 on the write is refused.
            body: JSON, the decision or a `Status`.

        Returns:
            whether anybody still waited.
        """

    def ask(self, question: bytes) -> int:
        """Ask what the core knows and no path of the API tells; `Answered` brings the answer.

        Args:
            question: JSON, a `Question` of `rust/kcp-apiserver/src/control.rs`. The answer is JSON, or a `Status` and
                its code.
        """

    def statistics(self) -> dict[str, int]:
        """Count events_waiting, requests_bridged, calls and connections."""

    def drain(self, seconds: float) -> int:
        """Stop accepting, end watches, wait for requests, at most so long (leaves the interpreter).

        Returns:
            the number of connections that were cut because the time was over.
        """

    def close(self) -> None:
        """Close the store and end the runtime (leaves the interpreter). A second call does nothing."""

    def forget_after_fork(self) -> None:
        """In a forked child: forget the runtime, whose threads the child does not have."""

def certificate_covers(certificate: bytes, names: list[str]) -> bool:
    """Tell whether a PEM certificate holds for all of `names` and for at least half of its time more."""

def make_authority(common_name: str) -> tuple[str, str]:
    """Make a certificate authority (ECDSA P-256, ten years) and return PEM of its certificate and its key."""

def make_key() -> str:
    """Make a private key, ECDSA P-256, as PKCS #8 PEM."""

def make_serving_certificate(common_name: str, authority_key: str, names: list[str]) -> tuple[str, str]:
    """Make a serving certificate (ECDSA P-256, two years) and return PEM of it and of its key.

    Args:
        common_name: the authority's, as given to `make_authority`.
        authority_key: PEM of the authority's key.
        names: DNS names and IP addresses it holds for.

    Raises:
        ValueError: the key or a name cannot be used.
    """

def log_to_stderr(format: str, verbosity: int) -> None:
    """Send the core's log lines to stderr as `text` or `json`; once per process.

    Raises:
        ValueError: no such format.
        RuntimeError: called before.
    """
