"""A server of this process's own, for measurements and tests that must share the interpreter with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcp.core import Options, Server, Token, User
from kcp.server import files

if TYPE_CHECKING:
    from pathlib import Path


def serve(directory: Path, token: str, *, bridge: bool = False) -> tuple[Server, str]:
    """Serve below `directory` on a free port of loopback; returns the server and its URL.

    `token` is an administrator's. The certificate's authority is `directory / "ca.crt"`. Close the server in the end.
    """
    certificates = files.own_serving(directory, "127.0.0.1")
    server = Server(
        Options(
            store=directory / "store",
            listen=("127.0.0.1", 0),
            certificate=certificates.certificate,
            key=certificates.key,
            tokens=(Token(token, User("admin", ("system:masters",))),),
            bridge=bridge,
        )
    )
    server.listen()
    assert server.address is not None
    return server, f"https://127.0.0.1:{server.address[1]}"
