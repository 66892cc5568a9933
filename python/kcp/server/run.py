"""Start, serve, end: the life of `kcp start`.

Order of the start: the root directory is held, certificates are there, the address is bound and the store open, the
listener accepts; only then is trio imported, and the ready line printed.
Order of the end: controllers stop; the listener drains (no new connections, watches end, requests finish) while the
application still answers; the application ends; the store closes.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcp.core import Options as CoreOptions
from kcp.core import Server, StoreError, Token, User
from kcp.server import files, logs
from kcp.server.files import StartError
from kcp.server.kubeconfig import GROUPS, SAMPLE_USER, admin_kubeconfig
from kcp.server.options import ADMIN, USER, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from kcp.server.options import Options
    from kcp.server.outside_options import OutsideOptions

# How long requests get to finish when the server ends.
DRAIN_SECONDS = 10.0
# The logical cluster that kubectl meets first; others come into being with an administrator's first write.
ROOT_CLUSTER = "root"
# Hooks wait for Python threads at most this long (seconds): the interpreter's default of 5 ms made a hook's p99 12 ms.
SWITCH_INTERVAL = 0.0005


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        StartError: the server cannot start.
        UsageError: an option names something that is not there.
    """
    _check_controllers(options)
    sys.setswitchinterval(SWITCH_INTERVAL)
    logs.set_up(options.logging_format, options.verbosity)
    with files.root_directory(options.root_directory) as root:
        tokens = files.admin_tokens(root, users(options.batteries))
        serving = serving_certificate(options, root)
        host = files.external_host(options.bind_address)
        listening = _listen(options) if options.listener == "hypercorn" else None
        server = _open(options, root, serving, host, tokens)
        try:
            port = listening.getsockname()[1] if listening else server.address[1] if server.address else 0
            url = url_of(host, port)
            kubeconfig = options.kubeconfig_path or root / files.ADMIN_KUBECONFIG
            if tokens:
                files.write(kubeconfig, admin_kubeconfig(url, serving.ca, tokens))
            if not options.fsync:
                print("warning: --unsafe-no-fsync: a crash loses writes that were acknowledged", file=sys.stderr)
            server.listen()

            import trio  # 100 ms, during which the listener answers already

            from kcp.server.serve import serve

            wanted = options.controllers if options.run_controllers else ()
            shown = kubeconfig if tokens else None
            trio.run(
                serve,
                server,
                serving,
                url,
                shown,
                wanted,
                options.batteries,
                listening,
                options.run_virtual_workspaces,
                move_to(options.virtual_workspace_url or url, root),
            )
        finally:
            server.close()
            if listening is not None:
                listening.close()


@dataclass(frozen=True, slots=True)
class Move:
    """Virtual workspaces are elsewhere than objects were told that they are."""

    base: str
    """URL before `/services/`."""
    file: Path

    def done(self) -> None:
        """Remember that objects were told."""
        files.write(self.file, f"{self.base}\n")


def move_to(base: str, root: Path) -> Move | None:
    """Return the move since the last start, if there was one."""
    file = root / files.VIRTUAL_WORKSPACES
    return None if (files.kept(file) or "").strip() == base else Move(base, file)


def url_of(host: str, port: int) -> str:
    """Return the URL of a server."""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def users(batteries: Collection[str]) -> tuple[str, ...]:
    """Return the names of those who get a token: the administrators, and the sample user."""
    if ADMIN not in batteries:
        return ()
    return (*GROUPS, SAMPLE_USER) if USER in batteries else tuple(GROUPS)


def _user(name: str) -> User:
    return User(name, (GROUPS[name],) if name in GROUPS else ())


def _check_controllers(options: Options) -> None:
    if options.controllers == ("*",):
        return  # nothing to check, and the controllers bring trio
    from kcp.controllers import UnknownControllerError, choose

    try:
        choose(options.controllers)
    except UnknownControllerError as error:
        raise UsageError(f"argument --controllers: {error}") from error


def serving_certificate(options: Options | OutsideOptions, root: Path) -> files.Serving:
    """Return the serving certificate that options name, else the directory's own."""
    if options.tls_cert_file is not None and options.tls_private_key_file is not None:
        return files.given_serving(options.tls_cert_file, options.tls_private_key_file)
    return files.own_serving(root, options.bind_address)


def _listen(options: Options) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.bind_address else socket.AF_INET
    try:
        return socket.create_server((options.bind_address, options.secure_port), family=family, backlog=1024)
    except OSError as error:
        raise cannot_listen(options.bind_address, options.secure_port, error) from error


def cannot_listen(address: str, port: int, error: OSError) -> StartError:
    """Return what ends a start whose address cannot be listened on."""
    # What the core raises carries the whole text; the interpreter's own errors carry the number as well.
    reason = os.strerror(error.errno) if error.errno else error
    return StartError(f"cannot listen on {address}:{port}: {reason}")


def _open(options: Options, root: Path, serving: files.Serving, host: str, tokens: dict[str, str]) -> Server:
    native = options.listener == "native"
    client_ca = None if options.client_ca_file is None else files.read(options.client_ca_file, "client CA")
    token_file = None if options.token_auth_file is None else files.read(options.token_auth_file, "token file")
    try:
        return Server(
            CoreOptions(
                store=root / "store",
                fsync=options.fsync,
                listen=(options.bind_address, options.secure_port) if native else None,
                certificate=serving.certificate,
                key=serving.key,
                client_ca=client_ca,
                external_host=host,
                virtual_workspace_url=options.virtual_workspace_url,
                root_ca=serving.ca.decode(errors="replace"),
                service_account_key=files.service_account_key(root),
                tokens=tuple(Token(token, _user(name)) for name, token in tokens.items()),
                token_file=None if token_file is None else token_file.decode(errors="replace"),
                event_ttl=options.event_ttl,
                total_object_limit=options.total_object_limit,
                clusters=(ROOT_CLUSTER,),
                bridge=True,
            )
        )
    except StoreError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise cannot_listen(options.bind_address, options.secure_port, error) from error
    except ValueError as error:
        if options.token_auth_file and str(error).startswith("line "):
            raise StartError(f"token file {options.token_auth_file}: {error}") from error
        raise StartError(str(error)) from error
