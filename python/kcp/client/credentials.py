"""Credentials that are asked for when they are needed: token files and exec plugins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from kcp.kubeconfig import KubeconfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kcp.client.connection import Connection

    Runner: TypeAlias = Callable[[list[str], dict[str, str], bool], bytes]

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def run(command: list[str], environment: dict[str, str], interactive: bool) -> bytes:
    """Run an exec plugin and return what it printed.

    Raises:
        KubeconfigError: it cannot be run, or fails.
    """
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
        )
    except OSError as error:
        raise KubeconfigError(f"getting credentials: exec: {command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise KubeconfigError(f"getting credentials: exec: {command[0]} failed with exit code {done.returncode}")
    return done.stdout


def with_plugin(connection: Connection, runner: Runner = run) -> Connection:
    """Return the connection with the credentials that its exec plugin gives; unchanged without a plugin.

    Raises:
        KubeconfigError: the plugin cannot be run, fails, or prints something else than credentials.
    """
    plugin = connection.exec_plugin
    if not plugin:
        return connection
    version = str(plugin.get("apiVersion") or "")
    if version not in VERSIONS:
        raise KubeconfigError(f'exec plugin: invalid apiVersion "{version}"')
    interactive = _interactive(plugin)
    info: dict[str, Any] = {"kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": interactive}}
    if plugin.get("provideClusterInfo"):
        info["spec"]["cluster"] = _cluster(connection)
    environment = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    for variable in plugin.get("env") or []:
        environment[str(variable.get("name"))] = str(variable.get("value"))
    words = [_command(plugin, connection.exec_directory), *(str(word) for word in plugin.get("args") or [])]
    status = _status(runner(words, environment, interactive), version)
    certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
    if certificate and key:
        connection = replace(connection, certificate=str(certificate).encode(), key=str(key).encode())
    return replace(connection, token=str(status.get("token") or connection.token), exec_plugin=None)


def _interactive(plugin: Mapping[str, Any]) -> bool:
    mode = plugin.get("interactiveMode") or "IfAvailable"
    terminal = sys.stdin is not None and sys.stdin.isatty()
    if mode == "Always" and not terminal:
        raise KubeconfigError("exec plugin cannot support interactive mode: standard input is not a terminal")
    return mode != "Never" and terminal


def _command(plugin: Mapping[str, Any], directory: str) -> str:
    command = str(plugin.get("command") or "")
    if not command:
        raise KubeconfigError("exec plugin: no command is given")
    return os.path.join(directory, command) if os.sep in command else command


def _cluster(connection: Connection) -> dict[str, Any]:
    import base64

    found: dict[str, Any] = {"server": connection.server}
    if connection.tls_server_name:
        found["tls-server-name"] = connection.tls_server_name
    if connection.insecure:
        found["insecure-skip-tls-verify"] = True
    if connection.authority is not None:
        found["certificate-authority-data"] = base64.b64encode(connection.authority).decode()
    if connection.proxy_url:
        found["proxy-url"] = connection.proxy_url
    return found


def _status(printed: bytes, version: str) -> dict[str, Any]:
    try:
        document = json.loads(printed)
    except ValueError:
        document = None
    status = document.get("status") if isinstance(document, dict) else None
    if not isinstance(status, dict) or document.get("apiVersion") != version:
        raise KubeconfigError(f"exec plugin didn't return an ExecCredential of {version} with a status")
    expires = status.get("expirationTimestamp")
    if expires and _time(str(expires)) <= datetime.now(UTC):
        raise KubeconfigError("exec plugin returned credentials that have expired")
    if not status.get("token") and not (status.get("clientCertificateData") and status.get("clientKeyData")):
        raise KubeconfigError("exec plugin didn't return a token or cert/key pair")
    return status


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise KubeconfigError("exec plugin returned an expirationTimestamp that is no time") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def authorization(connection: Connection) -> str:
    """Return the value of the Authorization header; empty for none.

    Raises:
        KubeconfigError: the token file cannot be read.
    """
    token = connection.token
    if connection.token_file:
        try:
            with open(connection.token_file, encoding="ascii") as file:
                token = file.read().strip() or token
        except (OSError, UnicodeDecodeError):
            if not token:
                raise KubeconfigError(f"unable to read token file {connection.token_file}") from None
    if token:
        if not token.isascii() or not token.isprintable():
            raise KubeconfigError("a token holds characters that no header can carry")
        return f"Bearer {token}"
    if connection.username:
        import base64

        pair = f"{connection.username}:{connection.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    return ""
