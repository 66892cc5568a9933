"""The kubeconfig of a physical cluster, as it stands in an object: all of it inline, and nothing but a way to a server.

Whoever may write the object decides what this process connects to and with which credentials; not what it runs, reads
or sends elsewhere.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from kcp.client.connection import Connection, Overrides, connect, connect_as_told
from kcp.kubeconfig import KubeconfigError

if TYPE_CHECKING:
    from kcp.kubeconfig import Entry, Kubeconfig

# One cluster with certificates has about 6 kB.
MAX_BYTES = 256 * 1024
# What a kubeconfig of a physical cluster calls its parts when it is put together here.
NAME = "cluster"
# Fields that hold a file, and may hold its content instead.
FILES = ("certificate-authority", "client-certificate", "client-key")


def connection_of(content: bytes, context: str = "") -> Connection:
    """Return the connection of a kubeconfig that somebody put into an object.

    Runs nothing and reads no file. Nothing of the content is in the errors but names.

    Args:
        content: YAML or JSON.
        context: empty for the current one.

    Raises:
        KubeconfigError: it is none, or holds what it may not: programs, paths, proxies, plain HTTP, servers that are
            not checked, YAML aliases, more than `MAX_BYTES`. One line.
    """
    if len(content) > MAX_BYTES:
        raise KubeconfigError(f"the kubeconfig has {len(content)} bytes; {MAX_BYTES} are allowed")
    _refuse_aliases(content)
    connection = connect_as_told(content, context, trusted=False)
    _check_server(connection)
    _check_headers(connection)
    return connection


def _refuse_aliases(content: bytes) -> None:
    # A few lines of them stand for more than any memory holds.
    if b"*" not in content:
        return
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(content, yaml.CSafeLoader)):
            raise KubeconfigError("the kubeconfig has YAML aliases; write their values out")
    except yaml.YAMLError:
        raise KubeconfigError("the kubeconfig is not YAML") from None


def _check_server(connection: Connection) -> None:
    try:
        url = urlsplit(connection.server)
        usable = bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or not connection.server.isascii() or not connection.server.isprintable() or " " in connection.server:
        raise KubeconfigError("the server of the kubeconfig is not a URL such as https://host:6443")
    if url.scheme != "https":
        raise KubeconfigError("the server of the kubeconfig is not https: credentials would go in the open")
    if url.username is not None or url.query or url.fragment:
        raise KubeconfigError("the server of the kubeconfig has a user, a query or a fragment in its URL")
    if connection.insecure:
        raise KubeconfigError(
            "the kubeconfig has insecure-skip-tls-verify: credentials would go to whoever answers; "
            "give certificate-authority-data instead"
        )


def _check_headers(connection: Connection) -> None:
    """Refuse what would break out of a header; the library's own complaint would show the value."""
    values = [("token", connection.token), ("username", connection.username), ("password", connection.password)]
    values += [("impersonation", text) for pair in connection.impersonation for text in pair]
    for what, text in values:
        if not text.isprintable() or (what != "password" and not text.isascii()):
            raise KubeconfigError(f"the {what} of the kubeconfig has characters that no header takes")


def inline(config: Kubeconfig, context: str = "") -> str:
    """Return a kubeconfig with one context and everything in it, as JSON: what the files hold stands in it.

    For a person's own kubeconfig, whose files may be read.

    Raises:
        KubeconfigError: the context is not there, a file cannot be read, or the outcome is nothing that may stand in an
            object (exec plugins, token files, proxies).
    """
    connect(config, Overrides(context=context))  # complains of what is missing
    found = config.contexts[context or config.current_context]
    cluster = config.clusters[str(found.body["cluster"])]
    name = str(found.body.get("user") or "")
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "clusters": [{"name": NAME, "cluster": _with_data(cluster)}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, **({"user": NAME} if name else {})}}],
        "users": [{"name": NAME, "user": _with_data(config.users[name])}] if name else [],
    }
    text = json.dumps(document)
    connection_of(text.encode())
    return text


def _with_data(entry: Entry) -> dict[str, Any]:
    body = {field: value for field, value in entry.body.items() if field != "extensions"}
    for field in FILES:
        body.pop(field, None)
        path = entry.path(field)
        if path and not body.get(f"{field}-data"):
            try:
                with open(path, "rb") as file:
                    body[f"{field}-data"] = base64.b64encode(file.read()).decode()
            except OSError as error:
                raise KubeconfigError(f"unable to read {field} {path}: {error.strerror}") from None
    return body
