"""Where kubeconfig files are, and how one is replaced: under kubectl's lock, whole or not at all."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# How long another program may hold a lock (seconds), and how often it is tried. A lock file is made by whoever comes
# first and tells nobody when it goes, so that there is nothing to wait for but the next try.
LOCK_SECONDS = 5.0
LOCK_TRIES_EVERY = 0.05


class KubeconfigError(Exception):
    """A kubeconfig cannot be read, does not fit or cannot be written: one line."""


class Locations(NamedTuple):
    """The files that make up the configuration, the most important first."""

    paths: tuple[str, ...]
    explicit: bool
    """Whether a flag named the file: then it is the only one and has to be there."""

    @property
    def default(self) -> str:
        """The file that new entries go to: the first that exists, else the last."""
        return next((path for path in self.paths if os.path.exists(path)), self.paths[-1])


def locate(flag: str, environment: Mapping[str, str]) -> Locations:
    """Return the files by kubectl's rules: the flag, `$KUBECONFIG` (a list), `~/.kube/config`."""
    if flag:
        return Locations((os.path.abspath(flag),), explicit=True)
    listed = [part for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    if listed:
        return Locations(tuple(dict.fromkeys(os.path.abspath(part) for part in listed)), explicit=False)
    home = environment.get("HOME") or os.path.expanduser("~")
    return Locations((os.path.join(home, ".kube", "config"),), explicit=False)


def read(path: str) -> bytes | None:
    """Return a file's content; None when there is no such file.

    Raises:
        KubeconfigError: it is there and cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KubeconfigError(f'error loading config file "{path}": {error.strerror}') from error


@contextmanager
def locked(
    paths: Iterable[str],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold `<file>.lock` of every file, as kubectl does when it writes.

    Raises:
        KubeconfigError: somebody else holds one for longer than `LOCK_SECONDS`, or it cannot be made.
    """
    with ExitStack() as held:
        for path in sorted(set(paths)):
            _lock(path, held, clock, sleep)
        yield


def _lock(path: str, held: ExitStack, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
    lock, until = f"{path}.lock", clock() + LOCK_SECONDS
    while True:
        try:
            os.makedirs(os.path.dirname(lock) or ".", mode=0o755, exist_ok=True)
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            if clock() >= until:
                raise KubeconfigError(
                    f'config file "{path}" is locked by another program; remove {lock} if none is running'
                ) from None
            sleep(LOCK_TRIES_EVERY)
        except OSError as error:
            raise KubeconfigError(f'config file "{path}" cannot be locked: {error.strerror}') from error
        else:
            held.callback(os.unlink, lock)
            return


def replace(path: str, content: str) -> None:
    """Write a file whole or not at all: beside its place, then renamed; mode and owner stay, a link stays a link.

    Raises:
        KubeconfigError: it cannot be written; the old file is as it was.
    """
    target = os.path.realpath(path)
    partial = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.{os.getpid()}.partial")
    try:
        before = os.stat(target) if os.path.exists(target) else None
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                if before is not None:
                    _keep_owner_and_mode(descriptor, before)
                os.fsync(descriptor)
            os.replace(partial, target)
        except BaseException:
            os.unlink(partial)
            raise
    except OSError as error:
        raise KubeconfigError(f'config file "{path}" cannot be written: {error.strerror}') from error


def _keep_owner_and_mode(descriptor: int, before: os.stat_result) -> None:
    if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
        try:
            os.fchown(descriptor, before.st_uid, before.st_gid)
        except PermissionError:
            return  # whoever writes here may not give files away: the file is then theirs alone
    os.fchmod(descriptor, before.st_mode & 0o7777)
