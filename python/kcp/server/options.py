"""The options of `kcp start`."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PORT = 6443
# What a server may come with, and what it comes with when nobody says otherwise.
ADMIN, USER, WORKSPACE_TYPES = "admin", "user", "workspace-types"
BATTERIES = (ADMIN, WORKSPACE_TYPES, USER)
DEFAULT_BATTERIES = (ADMIN, WORKSPACE_TYPES)

# Options of upstream that this release does not have; each ends in `*` when it stands for a family.
LATER = (
    "--api-audiences",
    "--audit-*",
    "--authentication-admin-token-path",
    "--authentication-config",
    "--authentication-token-webhook-*",
    "--authorization-*",
    "--cache-kubeconfig",
    "--concurrent-serviceaccount-token-syncs",
    "--conversion-cel-transformation-timeout",
    "--cors-allowed-origins",
    "--embedded-etcd-*",
    "--enable-bootstrap-token-auth",
    "--enable-home-workspaces",
    "--enable-leader-election",
    "--encryption-provider-config",
    "--etcd-*",
    "--external-logical-cluster-admin-kubeconfig",
    "--feature-gates",
    "--home-workspaces-*",
    "--leader-election-*",
    "--logical-cluster-admin-kubeconfig",
    "--logical-cluster-object-count-scan-interval",
    "--miniproxy-mapping-file",
    "--mount-proxy-*",
    "--oidc-*",
    "--profiler-address",
    "--profiling",
    "--requestheader-*",
    "--root-ca-file",
    "--root-identities-file",
    "--root-shard-kubeconfig-file",
    "--service-account-*",
    "--shard-base-url",
    "--shard-client-*",
    "--shard-external-url",
    "--shard-kubeconfig-file",
    "--shard-name",
    "--shard-virtual-workspace-ca-file",
    "--tls-sni-cert-key",
    "--tracing-config-file",
    "--watch-cache",
)


class UsageError(Exception):
    """The command line is wrong: one line, exit status 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `kcp start`, checked."""

    root_directory: Path
    kubeconfig_path: Path | None
    """None: in the root directory."""
    batteries: frozenset[str]
    bind_address: str
    secure_port: int
    tls_cert_file: Path | None
    tls_private_key_file: Path | None
    client_ca_file: Path | None
    token_auth_file: Path | None
    fsync: bool
    verbosity: int
    logging_format: str
    listener: str
    run_controllers: bool
    run_virtual_workspaces: bool
    virtual_workspace_url: str
    """Without a slash at its end; empty: where the server is."""
    controllers: tuple[str, ...]
    event_ttl: float
    total_object_limit: int


class Parser(argparse.ArgumentParser):
    """A parser that raises `UsageError`."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(message)


def _boolean(text: str) -> bool:
    if text.lower() in {"true", "1", "t"}:
        return True
    if text.lower() in {"false", "0", "f"}:
        return False
    raise argparse.ArgumentTypeError(f'"{text}" is neither true nor false')


def _duration(text: str) -> float:
    """Read a duration as Go writes it (`1h30m`, `90s`) and return seconds."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    if not re.fullmatch(r"(\d+(\.\d+)?(h|ms|m|s))+", text):
        raise argparse.ArgumentTypeError(f'"{text}" is not a duration such as 1h30m or 90s')
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s)", text)
    return sum(float(number) * units[unit] for number, unit in parts)


def batteries(text: str) -> frozenset[str]:
    """Read names with commas: plain ones are the whole set, those with `+` or `-` change the default.

    Raises:
        ArgumentTypeError: a name is unknown, both ways are mixed, or one battery needs another.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    signed = [word for word in words if word[0] in "+-"]
    if signed and len(signed) != len(words):
        raise argparse.ArgumentTypeError("names with + or - cannot be mixed with plain ones")
    chosen = set(DEFAULT_BATTERIES) if signed else set()
    for word in words:
        name = word.lstrip("+-") if signed else word
        if name not in BATTERIES:
            raise argparse.ArgumentTypeError(f'there is no battery "{name}"; there are {", ".join(BATTERIES)}')
        (chosen.discard if word[0] == "-" else chosen.add)(name)
    if USER in chosen and ADMIN not in chosen:
        raise argparse.ArgumentTypeError("battery user needs battery admin")
    return frozenset(chosen)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of 0 or more')
    return int(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not a port (0 to 65535)')
    return int(text)


def _address(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is not an IP address') from None


def base_url(text: str) -> str:
    """Read the URL that others put paths after.

    Raises:
        ArgumentTypeError: it is none, or says more than where a server is.
    """
    from urllib.parse import urlsplit

    try:
        url = urlsplit(text)
        usable = url.scheme in {"http", "https"} and url.hostname and url.port != 0 and text.isascii()
    except ValueError:  # a port that is no number, a bracket that is not closed
        usable = False
    if not usable or url.query or url.fragment or url.username or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError(f'"{text}" is not a URL such as https://host:6444')
    return text.rstrip("/")


def add_listening(group: argparse._ArgumentGroup, port: int) -> None:
    """Add the flags of address and serving certificate; `port` is the default."""
    group.add_argument(
        "--bind-address",
        type=_address,
        default="127.0.0.1",
        metavar="IP",
        help="address to listen on; 0.0.0.0 or :: for all (default 127.0.0.1)",
    )
    group.add_argument("--secure-port", type=_port, default=port, metavar="PORT", help=f"0 picks one (default {port})")
    group.add_argument(
        "--tls-cert-file",
        type=Path,
        metavar="FILE",
        help="serving certificate, PEM, with its chain; without it kcp makes one from its own authority",
    )
    group.add_argument("--tls-private-key-file", type=Path, metavar="FILE", help="its key, PEM")


def add_client_ca(group: argparse._ArgumentGroup) -> None:
    """Add the flag of client certificates."""
    group.add_argument(
        "--client-ca-file",
        type=Path,
        metavar="FILE",
        help="believe client certificates of these authorities (PEM)",
    )


def add_logging(result: argparse.ArgumentParser) -> None:
    """Add the flags of logging."""
    log = result.add_argument_group("logging")
    log.add_argument("-v", "--v", type=int, default=0, metavar="LEVEL", help="higher tells more (default 0)")
    log.add_argument("--logging-format", choices=("text", "json"), default="text", help="(default text)")


def check(found: argparse.Namespace) -> None:
    """Hold flags against each other.

    Raises:
        UsageError: they do not fit.
    """
    if (found.tls_cert_file is None) != (found.tls_private_key_file is None):
        raise UsageError("--tls-cert-file and --tls-private-key-file go together")
    if not 0 <= found.v <= 10:
        raise UsageError(f"argument -v: {found.v} is not between 0 and 10")


def parser() -> argparse.ArgumentParser:
    """Return the parser of `kcp start`."""
    result = Parser(
        prog="kcp start",
        description="Start an API server that keeps any number of logical clusters.",
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=34, width=100),
    )
    files = result.add_argument_group("files")
    files.add_argument(
        "--root-directory",
        type=Path,
        default=Path(".kcp"),
        metavar="DIR",
        help="where everything is kept: the store, certificates, admin.kubeconfig (default .kcp)",
    )
    files.add_argument(
        "--kubeconfig-path",
        type=Path,
        metavar="FILE",
        help="where the administrators' kubeconfig is written (default admin.kubeconfig in the root directory)",
    )
    files.add_argument(
        "--batteries-included",
        type=batteries,
        default=frozenset(DEFAULT_BATTERIES),
        metavar="NAMES",
        help="what the server comes with, with commas: admin (the kubeconfig), workspace-types, user (a sample user in "
        "the kubeconfig); +NAME and -NAME add to the default and take from it (default admin,workspace-types)",
    )
    files.add_argument(
        "--unsafe-no-fsync",
        type=_boolean,
        nargs="?",
        const=True,
        default=False,
        metavar="BOOL",
        help="acknowledge writes before they are on disk; for servers that are thrown away",
    )
    serving = result.add_argument_group("serving")
    add_listening(serving, DEFAULT_PORT)
    serving.add_argument(
        "--listener",
        choices=("native", "hypercorn"),
        default="native",
        help="hypercorn serves the same through Python, for comparison and debugging (default native)",
    )
    serving.add_argument(
        "--event-ttl",
        type=_duration,
        default=3600.0,
        metavar="DURATION",
        help="how long events are kept after they were last written (default 1h)",
    )
    serving.add_argument(
        "--logical-cluster-total-object-limit",
        dest="total_object_limit",
        type=_count,
        default=0,
        metavar="NUMBER",
        help="how many objects a logical cluster may hold unless its annotation core.kcp.io/max-total-objects says "
        "otherwise; not for root and system:*; 0 for any number (default 0)",
    )
    who = result.add_argument_group("authentication")
    add_client_ca(who)
    who.add_argument(
        "--token-auth-file",
        type=Path,
        metavar="FILE",
        help='static tokens, CSV: token,name,uid,"group1,group2"',
    )
    serving.add_argument(
        "--run-virtual-workspaces",
        type=_boolean,
        nargs="?",
        const=True,
        default=True,
        metavar="BOOL",
        help="serve virtual workspaces below /services/ (default true)",
    )
    serving.add_argument(
        "--shard-virtual-workspace-url",
        dest="virtual_workspace_url",
        type=base_url,
        metavar="URL",
        help="where virtual workspaces are reached, which objects then name; for `kcp virtual-workspaces` that runs on "
        "its own (default where the server is)",
    )
    controllers = result.add_argument_group("controllers")
    controllers.add_argument(
        "--run-controllers",
        type=_boolean,
        nargs="?",
        const=True,
        default=True,
        metavar="BOOL",
        help="run controllers in this process (default true)",
    )
    controllers.add_argument(
        "--controllers",
        default="*",
        metavar="NAMES",
        help="which ones, with commas: '*' all, 'foo' that one, '-foo' not that one (default '*')",
    )
    add_logging(result)
    return result


def refuse_later(arguments: Sequence[str], flags: Sequence[str], program: str) -> None:
    """Refuse `flags` by their names; each ends in `*` when it stands for a family.

    Raises:
        UsageError: one is given.
    """
    for argument in arguments:
        flag = argument.partition("=")[0]
        for later in flags:
            if flag == later or (later.endswith("*") and flag.startswith(later[:-1])):
                raise UsageError(f"this release of kcp has no {flag}; `{program} --help` lists what it has")


def parse(arguments: Sequence[str]) -> Options:
    """Read the options.

    Raises:
        UsageError: they are wrong, or of a later release.
        SystemExit: help was asked for and printed.
    """
    if list(arguments) == ["options"]:
        parser().print_help(sys.stdout)
        raise SystemExit(0)
    refuse_later(arguments, LATER, "kcp start")
    found = parser().parse_args(arguments)
    check(found)
    return Options(
        root_directory=found.root_directory,
        kubeconfig_path=found.kubeconfig_path,
        batteries=found.batteries_included,
        bind_address=found.bind_address,
        secure_port=found.secure_port,
        tls_cert_file=found.tls_cert_file,
        tls_private_key_file=found.tls_private_key_file,
        client_ca_file=found.client_ca_file,
        token_auth_file=found.token_auth_file,
        fsync=not found.unsafe_no_fsync,
        verbosity=found.v,
        logging_format=found.logging_format,
        listener=found.listener,
        run_controllers=found.run_controllers,
        run_virtual_workspaces=found.run_virtual_workspaces,
        virtual_workspace_url=found.virtual_workspace_url or "",
        event_ttl=found.event_ttl,
        total_object_limit=found.total_object_limit,
        controllers=tuple(name.strip() for name in found.controllers.split(",") if name.strip()),
    )
