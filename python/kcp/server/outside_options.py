"""The options of `virtual-workspaces`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kcp.server.options import Parser, UsageError, add_client_ca, add_listening, add_logging, check, refuse_later

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "virtual-workspaces"
DEFAULT_PORT = 6444
EXAMPLES = """examples:
  Show what a kcp on this machine holds. Its objects name this process when it is told where that is:
    kcp start --run-virtual-workspaces=false --shard-virtual-workspace-url=https://127.0.0.1:6444
    virtual-workspaces --kubeconfig .kcp/admin.kubeconfig

  On all addresses, with a certificate of one's own, and for callers with client certificates as well:
    virtual-workspaces --kubeconfig admin.kubeconfig --bind-address 0.0.0.0 \\
      --tls-cert-file tls.crt --tls-private-key-file tls.key --client-ca-file clients.crt

  Ask it what kubectl asks any server:
    kubectl --server https://127.0.0.1:6444/services/workspaces/all/clusters/* get workspaces
"""
# Options of the like command elsewhere that this release does not have.
LATER = ("--requestheader-*", "--authentication-*", "--workspaces:*", "--cache-kubeconfig", "--feature-gates")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideOptions:
    """The options of `virtual-workspaces`, checked."""

    kubeconfig: Path
    context: str
    """Empty: the file's context `shard-base`, else its current one."""
    root_directory: Path
    bind_address: str
    secure_port: int
    tls_cert_file: Path | None
    tls_private_key_file: Path | None
    client_ca_file: Path | None
    verbosity: int
    logging_format: str


def parser() -> argparse.ArgumentParser:
    """Return the parser of `virtual-workspaces`."""
    result = Parser(
        prog=PROGRAM,
        description="Serve the virtual workspaces of a kcp, below /services/, as a process of their own.",
        epilog=EXAMPLES,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=34, width=100),
    )
    server = result.add_argument_group("the kcp that is shown")
    server.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="reaches it as somebody in system:masters; a logical cluster in its URL does not count (required)",
    )
    server.add_argument(
        "--context", default="", metavar="NAME", help="of the kubeconfig (default shard-base, else the current one)"
    )
    serving = result.add_argument_group("serving")
    add_listening(serving, DEFAULT_PORT)
    serving.add_argument(
        "--root-directory",
        type=Path,
        default=Path(".kcp-virtual-workspaces"),
        metavar="DIR",
        help="where the serving certificate is kept that is made when none is given, with its authority ca.crt, which "
        "clients are to trust (default .kcp-virtual-workspaces)",
    )
    who = result.add_argument_group("authentication")
    add_client_ca(who)
    add_logging(result)
    return result


def parse(arguments: Sequence[str]) -> OutsideOptions:
    """Read the options.

    Raises:
        UsageError: they are wrong, or of another release.
        SystemExit: help was asked for and printed.
    """
    if list(arguments) == ["options"]:
        parser().print_help(sys.stdout)
        raise SystemExit(0)
    refuse_later(arguments, LATER, PROGRAM)
    found = parser().parse_args(arguments)
    check(found)
    if found.kubeconfig is None:
        raise UsageError("--kubeconfig is required: it says which kcp is shown")
    return OutsideOptions(
        kubeconfig=found.kubeconfig,
        context=found.context,
        root_directory=found.root_directory,
        bind_address=found.bind_address,
        secure_port=found.secure_port,
        tls_cert_file=found.tls_cert_file,
        tls_private_key_file=found.tls_private_key_file,
        client_ca_file=found.client_ca_file,
        verbosity=found.v,
        logging_format=found.logging_format,
    )
