"""The root directory: what a server keeps besides its store.

| file | content | mode |
|---|---|---|
| lock | pid of the server that uses the directory; locked while it runs | 0600 |
| ca.crt, ca.key | the server's own certificate authority, made once | 0644, 0600 |
| apiserver.crt, apiserver.key | serving certificate, made anew when names or dates ask for it | 0644, 0600 |
| sa.key | signs service accounts' tokens, made once | 0600 |
| tokens | bearer tokens of the administrators and of the sample user, made once | 0600 |
| admin.kubeconfig | written at every start, here or where `--kubeconfig-path` says | 0600 |
| virtual-workspaces.url | where objects were told that virtual workspaces are | 0600 |
| store/ | the store | |

A file is written beside its place and renamed, so that a crash leaves the old one or the new one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcp.core import certificate_covers, make_authority, make_key, make_serving_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AUTHORITY_NAME = "kcp-ca"
VIRTUAL_WORKSPACES = "virtual-workspaces.url"
ADMIN_KUBECONFIG = "admin.kubeconfig"
# Names under which a pod would look for an API server, as every Kubernetes serving certificate has them.
SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")


class StartError(Exception):
    """The server cannot start: one line, exit status 1."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What the listener shows, and what clients are to trust."""

    certificate: bytes
    key: bytes
    ca: bytes


@contextmanager
def root_directory(path: Path) -> Iterator[Path]:
    """Make the directory where it is missing and hold it for this process.

    Raises:
        StartError: it is no directory, cannot be used, or another server holds it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileExistsError, NotADirectoryError):
        raise StartError(f"root directory {path} is not a directory") from None
    except OSError as error:
        raise StartError(f"root directory {path} cannot be used: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, 32).decode(errors="replace").strip()
            raise StartError(f"root directory {path} is in use by another kcp (pid {pid})") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield path
    finally:
        os.close(descriptor)


def read(path: Path, what: str) -> bytes:
    """Read a file that an option names.

    Raises:
        StartError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartError(f"{what} {path} cannot be read: {error.strerror}") from error


def write(path: Path, content: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        partial.replace(path)
    except OSError as error:
        raise StartError(f"{path} cannot be written: {error.strerror}") from error


def kept(path: Path) -> str | None:
    """Return the content of a file that an earlier start wrote; None when there is none yet."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StartError(f"{path} cannot be read: {reason}") from error


def external_host(bind_address: str) -> str:
    """Return the host under which clients reach the server: the address bound, or where that is all, this machine's."""
    if bind_address not in {"0.0.0.0", "::"}:
        return bind_address
    family = socket.AF_INET if bind_address == "0.0.0.0" else socket.AF_INET6
    # A documentation address: connecting a datagram socket sends nothing, it only asks for the route.
    target = "192.0.2.1" if family == socket.AF_INET else "2001:db8::1"
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
        except OSError:  # no route, so nobody but this machine can reach it
            return "127.0.0.1" if family == socket.AF_INET else "::1"
        host: str = probe.getsockname()[0]
        return host


def serving_names(bind_address: str) -> list[str]:
    """Return the names and addresses that the serving certificate has to hold for."""
    names = [
        external_host(bind_address),
        "127.0.0.1",
        "::1",
        "localhost",
        socket.gethostname(),
        *SERVICE_NAMES,
    ]
    if bind_address not in {"0.0.0.0", "::"}:
        names.insert(0, bind_address)
    return [name for name in dict.fromkeys(names) if name.isascii() and "_" not in name and name]


def own_serving(root: Path, bind_address: str) -> Serving:
    """Return a serving certificate of the server's own authority, making what is missing or does not fit any more."""
    ca, ca_key = kept(root / "ca.crt"), kept(root / "ca.key")
    if ca is None or ca_key is None:
        ca, ca_key = make_authority(AUTHORITY_NAME)
        # The key first: a certificate without its key would be made anew, a key alone harms nobody.
        write(root / "ca.key", ca_key)
        write(root / "ca.crt", ca, 0o644)
        (root / "apiserver.crt").unlink(missing_ok=True)
    names = serving_names(bind_address)
    certificate, key = kept(root / "apiserver.crt"), kept(root / "apiserver.key")
    if certificate is None or key is None or not certificate_covers(certificate.encode(), names):
        try:
            certificate, key = make_serving_certificate(AUTHORITY_NAME, ca_key, names)
        except ValueError as error:
            raise StartError(f"{root / 'ca.key'}: {error}") from error
        (root / "apiserver.crt").unlink(missing_ok=True)
        write(root / "apiserver.key", key)
        write(root / "apiserver.crt", certificate, 0o644)
    return Serving(certificate.encode(), key.encode(), ca.encode())


def given_serving(certificate: Path, key: Path) -> Serving:
    """Return the serving certificate that options name; clients are to trust the certificate itself."""
    chain = read(certificate, "serving certificate")
    return Serving(chain, read(key, "serving key"), chain)


def service_account_key(root: Path) -> str:
    """Return the key that signs service accounts' tokens, made at the first start."""
    key = kept(root / "sa.key")
    if key is None:
        key = make_key()
        write(root / "sa.key", key)
    return key


def admin_tokens(root: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Return a bearer token for each of the kubeconfig's users, the same at every start."""
    path = root / "tokens"
    lines = (kept(path) or "").splitlines()
    known = dict(line.split(" ", 1) for line in lines if " " in line)
    if not all(known.get(name) for name in names):
        known.update({name: known.get(name) or secrets.token_urlsafe(32) for name in names})
        write(path, "".join(f"{name} {token}\n" for name, token in known.items()))
    return {name: known[name] for name in names}
