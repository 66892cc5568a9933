"""What a kubeconfig says about reaching a server: address, trust, credentials."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kcp.kubeconfig import Entry, KubeconfigError, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kcp.kubeconfig import Kubeconfig


# What makes a reader run a program, read a file, or send credentials by way of somebody else.
UNTRUSTED = frozenset(
    {"exec", "auth-provider", "client-certificate", "client-key", "tokenFile", "certificate-authority", "proxy-url"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What flags set instead of the kubeconfig; empty or None is not set."""

    context: str = ""
    user: str = ""
    namespace: str = ""
    server: str = ""
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    as_uid: str = ""
    as_user_extra: tuple[tuple[str, str], ...] = ()
    certificate_authority: str = ""
    insecure_skip_tls_verify: bool | None = None
    tls_server_name: str = ""
    proxy_url: str = ""
    disable_compression: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Everything needed to reach a server as somebody. Shows no secrets in its `repr`."""

    server: str
    authority: bytes | None = None
    """Certificates to trust, PEM; None: the system's."""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    """Read again for every request: such tokens are renewed in place."""
    username: str = ""
    password: str = field(default="", repr=False)
    exec_plugin: Mapping[str, Any] | None = None
    exec_directory: str = ""
    """Directory of the file that names the plugin; its relative command starts there."""
    impersonation: tuple[tuple[str, str], ...] = ()
    """Headers that say whom to act as."""
    namespace: str = "default"

    def at(self, server: str) -> Connection:
        """Return the same for another URL of the same server."""
        return replace(self, server=server)


def connect(config: Kubeconfig, overrides: Overrides | None = None) -> Connection:
    """Return the connection of a context.

    Raises:
        KubeconfigError: context, cluster or user is missing, or a file that they name cannot be read.
    """
    flags = overrides or Overrides()
    name = flags.context or config.current_context
    context = _found(config.contexts, name, "context") if name else Entry({}, config.locations.default)
    cluster = _referred(config.clusters, context, "cluster", needed=not flags.server)
    who = flags.user or str(context.body.get("user") or "")
    user = _found(config.users, who, "auth info") if who else Entry({}, context.file)
    if user.body.get("auth-provider"):
        raise KubeconfigError(f'user "{who}" has an auth-provider; no such plugin is built in, use exec instead')
    server = flags.server or str(cluster.body.get("server") or "")
    if not server:
        raise KubeconfigError("no server is configured: set one in the kubeconfig or with --server")
    insecure = _flag(flags.insecure_skip_tls_verify, cluster, "insecure-skip-tls-verify")
    compress = _flag(flags.disable_compression, cluster, "disable-compression")
    return Connection(
        server=server if "://" in server else f"http://{server}",
        authority=None if insecure else _authority(flags, cluster),
        insecure=insecure,
        tls_server_name=flags.tls_server_name or str(cluster.body.get("tls-server-name") or ""),
        proxy_url=flags.proxy_url or str(cluster.body.get("proxy-url") or ""),
        disable_compression=compress,
        impersonation=_impersonation(flags, user.body),
        namespace=flags.namespace or str(context.body.get("namespace") or "default"),
        **_credentials(flags, user),
    )


def connect_as_told(content: bytes, context: str = "", *, trusted: bool) -> Connection:
    """Return the connection of a kubeconfig that is no file: its current context's, or that of `context`.

    Args:
        content: YAML or JSON.
        context: empty for the current one.
        trusted: whether who wrote it may run programs and read files here; else (it stood in an object of somebody's)
            an exec plugin, a path or a proxy in it is refused.

    Raises:
        KubeconfigError: it is no kubeconfig, or holds what it may not.
    """
    config = parse(content)
    if not trusted:
        for kind, entries in (("cluster", config.clusters), ("user", config.users)):
            for name, entry in entries.items():
                if found := sorted(UNTRUSTED & entry.body.keys()):
                    raise KubeconfigError(f'{kind} "{name}" has {found[0]}, which a kubeconfig in an object may not')
    return connect(config, Overrides(context=context))


def _found(entries: Mapping[str, Entry], name: str, what: str) -> Entry:
    if name not in entries:
        raise KubeconfigError(f'{what} "{name}" does not exist')
    return entries[name]


def _referred(entries: Mapping[str, Entry], context: Entry, kind: str, *, needed: bool) -> Entry:
    name = str(context.body.get(kind) or "")
    if not name and not needed:
        return Entry({}, context.file)
    if not name:
        raise KubeconfigError("no configuration has been provided: the kubeconfig has no current context")
    return _found(entries, name, kind)


def _flag(given: bool | None, cluster: Entry, field: str) -> bool:
    return cluster.body.get(field) is True if given is None else given


def _content(entry: Entry, field: str) -> bytes | None:
    """Return what `<field>-data` holds, else the file that `<field>` names."""
    if data := entry.body.get(f"{field}-data"):
        try:
            return base64.b64decode(str(data), validate=True)
        except (binascii.Error, ValueError):
            raise KubeconfigError(f"{field}-data in {entry.file} is not base64") from None
    path = entry.path(field)
    return _file(path, field) if path else None


def _file(path: str, what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise KubeconfigError(f"unable to read {what} {path}: {error.strerror}") from None


def _authority(flags: Overrides, cluster: Entry) -> bytes | None:
    if flags.certificate_authority:
        return _file(os.path.abspath(flags.certificate_authority), "certificate-authority")
    return _content(cluster, "certificate-authority")


def _credentials(flags: Overrides, user: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"certificate": _content(user, "client-certificate"), "key": _content(user, "client-key")}
    if (found["certificate"] is None) != (found["key"] is None):
        raise KubeconfigError("client-certificate and client-key go together in a kubeconfig")
    if flags.token:
        return {**found, "token": flags.token}
    if flags.username:
        return {**found, "username": flags.username, "password": flags.password}
    plugin = user.body.get("exec")
    if plugin is not None and not isinstance(plugin, dict):
        raise KubeconfigError(f"exec of a user in {user.file} is not a mapping")
    return {
        **found,
        "token": str(user.body.get("token") or ""),
        "token_file": user.path("tokenFile"),
        "username": str(user.body.get("username") or ""),
        "password": str(user.body.get("password") or ""),
        "exec_plugin": plugin,
        "exec_directory": os.path.dirname(user.file),
    }


def _impersonation(flags: Overrides, user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers; without a name nobody is impersonated, as with kubectl."""
    name, uid = str(user.get("as") or ""), flags.as_uid or str(user.get("as-uid") or "")
    groups, extra = user.get("as-groups") or [], user.get("as-user-extra") or {}
    if not isinstance(groups, list) or not isinstance(extra, dict):
        raise KubeconfigError("as-groups is not a list, or as-user-extra not a mapping")
    pairs = [(str(key), str(value)) for key, values in extra.items() for value in values or []]
    pairs = list(flags.as_user_extra) or pairs
    if not name:
        if uid or groups or pairs:
            raise KubeconfigError("requesting uid, groups or user-extra without impersonating a user")
        return ()
    headers = [("Impersonate-User", name), *(("Impersonate-Group", str(group)) for group in groups)]
    if uid:
        headers.append(("Impersonate-Uid", uid))
    return (*headers, *((f"Impersonate-Extra-{key}", value) for key, value in pairs))


def trust(connection: Connection) -> ssl.SSLContext:
    """Return the TLS settings of a connection.

    Raises:
        KubeconfigError: certificates or key are not what they should be.
    """
    try:
        if connection.authority is None:
            context = ssl.create_default_context()
        else:
            context = ssl.create_default_context(cadata=connection.authority.decode("ascii"))
            # As Go does: a certificate named as trusted is trusted, whether or not it is an authority.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    except (ssl.SSLError, ValueError):
        raise KubeconfigError("certificate-authority holds no certificates in PEM") from None
    if connection.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if connection.certificate is not None and connection.key is not None:
        with _files(connection.certificate, connection.key) as (certificate, key):
            try:
                context.load_cert_chain(certificate, key, password=_no_password)
            except (ssl.SSLError, ValueError):
                raise KubeconfigError("client-certificate and client-key are no pair in PEM") from None
    return context


def _no_password() -> bytes:
    raise ValueError("the key is encrypted")


@contextmanager
def _files(certificate: bytes, key: bytes) -> Iterator[tuple[str, str]]:
    # The standard library reads a certificate and its key from files only.
    with tempfile.TemporaryDirectory(prefix="kcp-") as directory:
        paths = os.path.join(directory, "certificate"), os.path.join(directory, "key")
        for path, content in zip(paths, (certificate, key), strict=True):
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
        yield paths
