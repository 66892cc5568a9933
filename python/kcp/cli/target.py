"""What a command is about: the kubeconfig, the workspace it is in, and a client for the server."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from kcp.kubeconfig import Kubeconfig, KubeconfigError, Place, load, locate, place_of, resolve
from kcp.kubeconfig.workspaces import LEGACY_NOTE, is_legacy

if TYPE_CHECKING:
    from kcp.cli.plugin import Call
    from kcp.client.connection import Overrides
    from kcp.client.http import HttpClient

WORKSPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"

# Flags that replace a text of the kubeconfig.
TEXTS = (
    "context",
    "user",
    "namespace",
    "server",
    "token",
    "username",
    "password",
    "as-uid",
    "certificate-authority",
    "tls-server-name",
    "proxy-url",
)
# From this `-v` on requests are told.
VERBOSE = 6


class Target:
    """Kubeconfig, current workspace and client of a call, each found when it is asked for."""

    def __init__(self, call: Call) -> None:
        """Read the kubeconfig that the flags or the environment name.

        Raises:
            KubeconfigError: it cannot be read.
        """
        self.call = call
        self.locations = locate(str(call.flag("kubeconfig")), os.environ)
        self.config: Kubeconfig = load(self.locations)
        self._client: HttpClient | None = None

    @property
    def url(self) -> str:
        """URL of the current context's server, or of the flag.

        Raises:
            KubeconfigError: there is none.
        """
        if server := str(self.call.flag("server")):
            return server
        name = str(self.call.flag("context")) or self.config.current_context
        context = self.config.contexts.get(name)
        if context is None:
            raise KubeconfigError(f'current "{name}" context not found')
        cluster = str(context.body.get("cluster") or "")
        if cluster not in self.config.clusters:
            raise KubeconfigError(f'cluster "{cluster}" not found in kubeconfig')
        return str(self.config.clusters[cluster].body.get("server") or "")

    @property
    def current(self) -> Place:
        """The workspace the kubeconfig is in.

        Raises:
            NotAWorkspaceError: its URL leads to none.
        """
        return place_of(self.url)

    @property
    def wanted(self) -> Place:
        """The workspace that `--workspace` names, else the current one."""
        current, flag = self.current, str(self.call.flag("workspace"))
        return self.resolve(flag, current) if flag else current

    def resolve(self, target: str, current: Place) -> Place:
        """Return the workspace that a target names; says so when it is written in the old way."""
        home = os.environ.get("HOME", "")
        if is_legacy(target) and not (home and (target + "/").startswith(home.rstrip("/") + "/")):
            print(LEGACY_NOTE, file=sys.stderr)
        path = resolve(target, current.path, find_home=lambda: self.home(current), home_directory=home)
        return current.at(path)

    def home(self, current: Place) -> str:
        """Ask the server for the path of the caller's home workspace."""
        answer = self.client.get(f"{current.at('root').url}{WORKSPACES}/~")
        return place_of(str((answer.get("spec") or {}).get("URL") or "")).path

    def use(self, client: HttpClient) -> None:
        """Speak through this client, and close it when the command ends."""
        self._client = client
        self.call.closing.callback(client.close)

    @property
    def client(self) -> HttpClient:
        """A client with the credentials of the call."""
        if self._client is None:
            from kcp.client.connection import connect
            from kcp.client.http import HttpClient

            told = _tell if int(self.call.flag("v") or 0) >= VERBOSE else None
            self.use(HttpClient(connect(self.config, overrides(self.call)), told=told))
        assert self._client is not None
        return self._client


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def overrides(call: Call) -> Overrides:
    """Return what the call's flags set instead of the kubeconfig."""
    from kcp.client.connection import Overrides

    found: dict[str, Any] = {name.replace("-", "_"): str(call.flag(name)) for name in TEXTS}
    for name in ("insecure-skip-tls-verify", "disable-compression"):
        found[name.replace("-", "_")] = call.flag(name) if call.given(name) else None
    extra = []
    for pair in call.flag("as-user-extra") or ():
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise KubeconfigError(f'--as-user-extra "{pair}" is not key=value')
        extra.append((key, value))
    return Overrides(**found, as_user_extra=tuple(extra))
