"""The command line: one module per command, each imported only when it is asked for.

A command's module has `run(arguments) -> int`; the plugins of kubectl are commands of `kcp` as well. What belongs here:
options, messages to people, exit codes.
What stays out: everything that would be useful without a terminal.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "main"]

# Name, module (and function, where it is not `run`), what `kcp --help` says about it.
COMMANDS = (
    ("start", "kcp.cli.start", "start the API server"),
    ("kubectl-kcp", "kcp.cli.plugin:kubectl_kcp", "kubectl's plugin: workspaces and APIs (`kubectl kcp`)"),
    ("kubectl-ws", "kcp.cli.plugin:kubectl_ws", "kubectl's plugin: workspaces (`kubectl ws`)"),
    (
        "kubectl-create-workspace",
        "kcp.cli.plugin:kubectl_create_workspace",
        "kubectl's plugin: create a workspace",
    ),
    ("ws", "kcp.cli.plugin:kubectl_ws", "the same as kubectl-ws"),
    ("virtual-workspaces", "kcp.cli.virtual_workspaces", "serve virtual workspaces as a process of their own"),
    ("crd-puller", "kcp.cli.plugin:crd_puller", "definitions of what a Kubernetes API server has"),
    ("crds", "kcp.cli.plugin:crds", "definitions of kinds of Kubernetes that come with kcp"),
    ("compat", "kcp.cli.plugin:compat", "whether definitions are compatible, and what both take"),
    ("syncer", "kcp.cli.plugin:syncer", "objects of a workspace to a physical cluster, and their status back"),
    ("cluster-controller", "kcp.cli.plugin:cluster_controller", "look after registered physical clusters"),
    ("completion", "kcp.cli.complete:script", "print what completes words in a shell"),
    ("version", "kcp.cli.version", "print the version"),
)


def usage() -> str:
    """Return what `kcp --help` prints."""
    lines = [
        "kcp serves Kubernetes APIs in isolated logical clusters.",
        "",
        "Usage: kcp COMMAND [OPTION...]",
        "",
    ]
    lines += ["Commands:", *(f"  {name:<24} {about}" for name, _, about in COMMANDS)]
    return "\n".join([*lines, "", "`kcp COMMAND --help` tells the options of a command."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the process's exit status: 0, 1 for a failure, 2 for wrong usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0 if words else 2
    wanted = "version" if words[0] == "--version" else words[0]
    for name, module, _ in COMMANDS:
        if name == wanted:
            place, _, function = module.partition(":")
            try:
                status: int = getattr(importlib.import_module(place), function or "run")(words[1:])
            except ImportError as error:
                if error.name != "kcp._core":
                    raise
                print(f"error: {error}", file=sys.stderr)
                return 1
            return status
    print(f'error: unknown command "{words[0]}" for "kcp"; `kcp --help` lists them', file=sys.stderr)
    return 2
