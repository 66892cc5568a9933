"""How a command runs: find the command, read its flags, run its module, and say what went wrong in one line."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from kcp.cli import commands
from kcp.cli.flags import FlagError, Parsed, Value, describe, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.cli.commands import Command

DEPRECATED_CREATE = "Command \"create\" is deprecated, use 'kubectl create workspace' instead."


class UserError(Exception):
    """What was asked for cannot be done: one line, exit status 1."""


class Call(NamedTuple):
    """A command and what it was given."""

    command: Command
    line: str
    """How the command is called, as in `kubectl ws tree`."""
    parsed: Parsed
    closing: ExitStack
    """Closes what the command opened, when it has ended."""

    @property
    def words(self) -> list[str]:
        """The words that are no flags."""
        return self.parsed.words

    def flag(self, name: str) -> Value:
        """Return a flag's value; a flag that the command does not have is not set."""
        return self.parsed.flags.get(name, "")

    def given(self, name: str) -> bool:
        """Whether a flag was written."""
        return name in self.parsed.given


def kubectl_kcp(arguments: Sequence[str] | None = None) -> int:
    """Run `kubectl kcp …` and return the exit status."""
    return main(commands.PLUGIN, "kubectl kcp", arguments, "error")


def kubectl_ws(arguments: Sequence[str] | None = None) -> int:
    """Run `kubectl ws …` and return the exit status."""
    return main(commands.WORKSPACES, "kubectl ws", arguments, "Error")


def kubectl_create_workspace(arguments: Sequence[str] | None = None) -> int:
    """Run `kubectl create workspace …` and return the exit status."""
    return main(commands.CREATE, "kubectl create workspace", arguments, "Error")


def crd_puller(arguments: Sequence[str] | None = None) -> int:
    """Run `crd-puller …` and return the exit status."""
    return main(commands.CRD_PULLER, "crd-puller", arguments, "error", misused=2)


def crds(arguments: Sequence[str] | None = None) -> int:
    """Run `kcp crds …` and return the exit status."""
    return main(commands.CRDS, "kcp crds", arguments, "error", misused=2)


def compat(arguments: Sequence[str] | None = None) -> int:
    """Run `compat …` and return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Upstream's tool has its flag behind one dash.
    words = ["--lcd" if word == "-lcd" else word for word in words]
    return main(commands.COMPAT, "compat", words, "error", misused=2, failed=2)


def syncer(arguments: Sequence[str] | None = None) -> int:
    """Run `syncer …` and return the exit status."""
    return _run_respelled(commands.SYNCER, arguments)


def cluster_controller(arguments: Sequence[str] | None = None) -> int:
    """Run `cluster-controller …` and return the exit status."""
    return _run_respelled(commands.CLUSTER_CONTROLLER, arguments)


def _run_respelled(command: Command, arguments: Sequence[str] | None) -> int:
    """Run a command whose flags are also taken in the older spelling, with underscores, and behind one dash."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    names = {flag.name for flag in command.flags}
    return main(command, command.name, [_respelled(word, names) for word in words], "error", misused=2)


def _respelled(word: str, names: set[str]) -> str:
    name, equals, value = word.partition("=")
    plain = name.lstrip("-").replace("_", "-")
    return f"--{plain}{equals}{value}" if name.startswith("-") and plain in names else word


def main(
    root: Command, line: str, arguments: Sequence[str] | None, prefix: str, *, misused: int = 1, failed: int = 1
) -> int:
    """Run a command below `root`; complaints go to stderr behind `prefix`.

    Wrong usage has the exit status `misused`, and what cannot be done `failed`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command, line, words = find(root, line, words)
        parsed = parse(words, (*command.flags, *commands.COMMON))
        with ExitStack() as closing:
            return _run(Call(command, line, parsed, closing))
    except FlagError as error:
        print(f"{prefix}: {error}", file=sys.stderr)
        return misused
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not _is_expected(error):
            raise
        print(f"{prefix}: {error}", file=sys.stderr)
        return failed


def find(root: Command, line: str, arguments: list[str]) -> tuple[Command, str, list[str]]:
    """Return the command that the words lead to, how it is called, and the arguments without the words that led there.

    Flags may stand before the words. A word that names no sub-command is an argument.
    """
    command = root
    while command.commands and (at := _first_word(command, arguments)) is not None:
        below = command.find(arguments[at])
        if below is None:
            if command.module:
                break
            raise FlagError(f'unknown command "{arguments[at]}" for "{line}"')
        command, line = below, f"{line} {below.name}"
        arguments = arguments[:at] + arguments[at + 1 :]
    return command, line, arguments


def _first_word(command: Command, arguments: Sequence[str]) -> int | None:
    """Return the index of the first argument that is neither a flag nor the value of one."""
    known = {flag for _, below in command.walk() for flag in below.flags} | set(commands.COMMON)
    takes = {f"--{flag.name}" for flag in known if not isinstance(flag.default, bool)}
    takes |= {f"-{flag.short}" for flag in known if flag.short and not isinstance(flag.default, bool)}
    value = False
    for at, argument in enumerate(arguments):
        if argument == "--":
            return None
        if value:
            value = False
        elif argument.startswith("-") and len(argument) > 1:
            value = argument in takes
        else:
            return at
    return None


def _run(call: Call) -> int:
    command = call.command
    if call.flag("version") is True:
        from kcp import __version__

        print(f"kcp {__version__}")
        return 0
    if call.flag("help") or not command.module or len(call.words) > command.most:
        print(usage(command, call.line))
        return 0
    place, _, function = command.module.partition(":")
    module = importlib.import_module(place)
    if command is commands.CREATE and call.line != "kubectl create workspace":
        print(DEPRECATED_CREATE, file=sys.stderr)
    status: int = getattr(module, function or "run")(call)
    return status


def _is_expected(error: Exception) -> bool:
    from kcp.client.status import StatusError, UnreachableError
    from kcp.kubeconfig import KubeconfigError, NotAWorkspaceError, PathError

    expected = (UserError, KubeconfigError, NotAWorkspaceError, PathError, StatusError, UnreachableError)
    return isinstance(error, expected)


def usage(command: Command, line: str) -> str:
    """Return the help of a command."""
    lines = [f"{command.about}.", "", "Usage:"]
    if command.module:
        lines.append(" ".join(f"  {line} {command.words} [flags]".split(" ")).replace("  [", " [").rstrip())
    if command.commands:
        lines.append(f"  {line} [command]")
    if command.aliases:
        lines += ["", "Aliases:", f"  {', '.join((command.name, *command.aliases))}"]
    if command.commands:
        lines += ["", "Available Commands:", *(f"  {below.name:<15} {below.about}" for below in command.commands)]
    if command.examples:
        lines += ["", "Examples:", *(f"  {example}" for example in command.examples)]
    lines += ["", "Flags:", *describe((*command.flags, *commands.COMMON))]
    if command.statuses:
        lines += ["", "Exit status:", *(f"  {status}" for status in command.statuses)]
    return "\n".join(lines)
