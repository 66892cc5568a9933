"""Completion of words: what kubectl's own completion runs as `kubectl_complete-<plugin>`, and scripts for shells.

It gets the words behind the plugin's name, the last one unfinished, and prints what that could become, one a line, then
`:` and a number that tells the shell what to do (cobra's protocol). Anything that goes wrong means no suggestions: a
shell at its prompt is no place for complaints.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from kcp.cli import COMMANDS, commands, plugin
from kcp.cli.flags import FlagError, parse
from kcp.cli.target import WORKSPACES, Target, overrides
from kcp.config import contrib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.cli.commands import Command

# Directives of the protocol; their sum is told.
NO_SPACE, NO_FILES = 2, 4
# How long the server may take before the shell gets its prompt back (seconds).
PATIENCE = 2.0
# Commands whose word is a workspace, and those whose words are definitions that come with kcp.
SWITCHES = (commands.WORKSPACES, commands.USE)
SHIPPED = tuple(command for command in commands.CRDS.commands if command.most)
# What words of `kcp` and of programs of their own lead to.
ROOTS = {
    "kubectl-kcp": commands.PLUGIN,
    "kubectl-ws": commands.WORKSPACES,
    "kubectl-create-workspace": commands.CREATE,
    "ws": commands.WORKSPACES,
    "crds": commands.CRDS,
    "crd-puller": commands.CRD_PULLER,
    "compat": commands.COMPAT,
}
USAGE = """Print a script that completes words of kcp, crd-puller and compat; kubectl asks its plugins itself.

Usage:
  kcp completion bash|zsh|fish

Examples:
  source <(kcp completion bash)
  kcp completion zsh > "${fpath[1]}/_kcp"
  kcp completion fish | source"""
SCRIPTS = {
    "bash": """_kcp_words() {
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		[[ $line == :* ]] || COMPREPLY+=("${line%%$'\\t'*}")
	done < <(kcp completion words "${COMP_WORDS[@]:0:1}" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _kcp_words kcp crd-puller compat
""",
    "zsh": """#compdef kcp crd-puller compat
_kcp_words() {
	local line
	local -a found
	for line in "${(@f)$(kcp completion words "${words[1]}" "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
		[[ $line == :* ]] || found+=("${line%%$'\\t'*}")
	done
	(( ${#found} )) && compadd -a found || _files
}
compdef _kcp_words kcp crd-puller compat
""",
    "fish": """function __kcp_words
	set -l words (commandline -opc)
	kcp completion words $words (commandline -ct) 2>/dev/null | string match -v ':*'
end
complete -c kcp -a '(__kcp_words)'
complete -c crd-puller -a '(__kcp_words)'
complete -c compat -a '(__kcp_words)'
""",
}


def kubectl_kcp(arguments: Sequence[str] | None = None) -> int:
    """Complete `kubectl kcp …`."""
    return main(commands.PLUGIN, arguments)


def kubectl_ws(arguments: Sequence[str] | None = None) -> int:
    """Complete `kubectl ws …`."""
    return main(commands.WORKSPACES, arguments)


def kubectl_create_workspace(arguments: Sequence[str] | None = None) -> int:
    """Complete `kubectl create workspace …`."""
    return main(commands.CREATE, arguments)


def script(arguments: Sequence[str]) -> int:
    """Print a script for a shell (`kcp completion SHELL`), or suggestions (`kcp completion words PROGRAM WORD…`).

    Scripts run the latter. The exit status is 2 for an unknown shell.
    """
    if len(arguments) > 1 and arguments[0] == "words":
        program, words = arguments[1], list(arguments[2:])
        if program == "kcp":
            program, words = (words[0], words[1:]) if len(words) > 1 else ("", words)
        if not program:
            return _print([f"{n}\t{about}" for n, _, about in COMMANDS if n.startswith(words[0] if words else "")])
        return main(ROOTS[program], words) if program in ROOTS else _print([])
    if len(arguments) == 1 and arguments[0] in SCRIPTS:
        sys.stdout.write(SCRIPTS[arguments[0]])
        return 0
    help_wanted = bool(arguments) and arguments[0] in {"-h", "--help"}
    print(USAGE, file=sys.stdout if help_wanted else sys.stderr)
    return 0 if help_wanted else 2


def main(root: Command, arguments: Sequence[str] | None) -> int:
    """Print the suggestions and the directive."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        found = suggestions(root, words)
    except Exception:  # whatever it is, the shell goes on without suggestions
        found = []
    return _print(found)


def _print(found: list[str]) -> int:
    for suggestion in found:
        print(suggestion)
    print(f":{NO_FILES}")
    return 0


def suggestions(root: Command, words: list[str]) -> list[str]:
    """Return what the last of the words could become."""
    *before, unfinished = words or [""]
    command, line, rest = plugin.find(root, root.name, before)
    flags = (*command.flags, *commands.COMMON)
    if unfinished.startswith("-") and unfinished != "-":
        return [f"--{f.name}\t{f.about}" for f in flags if not f.hidden and f"--{f.name}".startswith(unfinished)]
    wants_workspace = bool(before) and before[-1] in {"-w", "--workspace"}
    try:
        parsed = parse(rest[:-1] if wants_workspace else rest, flags)
    except FlagError:
        return []  # the value of some other flag
    found = []
    if not parsed.words and not wants_workspace:
        found += [f"{below.name}\t{below.about}" for below in command.commands if below.name.startswith(unfinished)]
    with suppress(Exception), ExitStack() as closing:
        # A server that does not answer takes nothing from what is known without it.
        call = plugin.Call(command, line, parsed, closing)
        if wants_workspace or (command in SWITCHES and not parsed.words):
            found += workspaces(Target(call), unfinished)
        elif command in SHIPPED:
            found += [name for name in (*contrib(), "all") if name.startswith(unfinished)]
        elif command is commands.CRD_PULLER:
            found += resources(Target(call), unfinished)
    return found


def resources(target: Target, unfinished: str) -> list[str]:
    """Return the resources of a server that begin as the unfinished word does."""
    from kcp.client.connection import connect
    from kcp.client.http import HttpClient
    from kcp.puller import discover, resources_of

    target.use(HttpClient(connect(target.config, overrides(target.call)), seconds=PATIENCE))
    found, _ = resources_of(discover(target.client), [])
    return [name for name in (*sorted(r.full_name for r in found), "all") if name.startswith(unfinished)]


def workspaces(target: Target, unfinished: str) -> list[str]:
    """Return the targets that begin as the unfinished one does: its siblings, asked of the server."""
    from kcp.client.connection import connect
    from kcp.client.http import HttpClient

    separator = "/" if "/" in unfinished else ":"
    above, found, begun = unfinished.rpartition(separator)
    typed = above + found
    target.use(HttpClient(connect(target.config, overrides(target.call)), seconds=PATIENCE))
    current = target.current
    if typed in {":", "/"}:
        return [f"{typed}{name}" for name in (current.path.partition(":")[0],) if name.startswith(begun)]
    place = target.resolve(above, current) if above else current
    listed = target.client.list_all(place.url + WORKSPACES)
    names = sorted(str(workspace["metadata"]["name"]) for workspace in listed)
    return [f"{typed}{name}" for name in names if name.startswith(begun)]
