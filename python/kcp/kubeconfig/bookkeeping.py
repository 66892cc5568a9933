"""How the current and the previous workspace are kept in a kubeconfig.

Context and cluster `workspace.kcp.io/current` are where one is, `workspace.kcp.io/previous` where one was. Contexts
made by people are never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcp.kubeconfig.config import Entry
from kcp.kubeconfig.files import KubeconfigError

if TYPE_CHECKING:
    from kcp.kubeconfig.config import Kubeconfig

CURRENT = "workspace.kcp.io/current"
PREVIOUS = "workspace.kcp.io/previous"


class NoPreviousError(KubeconfigError):
    """There is no workspace to go back to."""


class ContextExistsError(KubeconfigError):
    """A context of that name is there and is not to be overwritten."""


def enter(config: Kubeconfig, url: str, context: str = "") -> None:
    """Make `url` the current workspace, and what was current the previous one.

    Args:
        config: to be changed.
        url: of the workspace.
        context: whose user and namespace are used; the current one when empty.

    Raises:
        KubeconfigError: the context or its cluster is missing.
    """
    old, cluster = _context(config, context)
    if old.body.get("cluster") == CURRENT:
        config.set_cluster(PREVIOUS, cluster)
        config.set_context(PREVIOUS, _with(old, cluster=PREVIOUS))
    else:
        config.set_context(PREVIOUS, old)
    config.set_cluster(CURRENT, _with(cluster, server=url))
    config.set_context(CURRENT, _with(old, cluster=CURRENT))
    config.set_current_context(CURRENT)


def swap(config: Kubeconfig) -> None:
    """Change places with the previous workspace.

    Raises:
        NoPreviousError: there is none.
        KubeconfigError: an entry is missing.
    """
    if PREVIOUS not in config.contexts:
        raise NoPreviousError("no previous workspace found in kubeconfig")
    back, back_cluster = _context(config, PREVIOUS)
    here, here_cluster = _context(config, "")
    if back.body.get("cluster") == PREVIOUS:
        config.set_cluster(CURRENT, back_cluster)
        back = _with(back, cluster=CURRENT)
    if here.body.get("cluster") == CURRENT:
        config.set_cluster(PREVIOUS, here_cluster)
        here = _with(here, cluster=PREVIOUS)
    config.set_context(CURRENT, back)
    config.set_context(PREVIOUS, here)
    config.set_current_context(CURRENT)


def create_context(config: Kubeconfig, name: str, url: str, *, overwrite: bool, use: bool) -> str:
    """Make a context and a cluster of one name that lead to `url`, and return what to say about it.

    Raises:
        ContextExistsError: it is there, and `overwrite` is not set.
        KubeconfigError: the current context or its cluster is missing.
    """
    old, cluster = _context(config, "")
    existed = name in config.contexts
    if existed and not overwrite:
        raise ContextExistsError(f'context "{name}" already exists in kubeconfig, use --overwrite to update it')
    switched = use and config.current_context != name
    config.set_cluster(name, _with(cluster, server=url))
    config.set_context(name, _with(old, cluster=name))
    if use:
        config.set_current_context(name)
    done = f'{"Updated" if existed else "Created"} context "{name}"'
    return f"{done} and switched to it." if switched else f"{done}."


def _context(config: Kubeconfig, name: str) -> tuple[Entry, Entry]:
    name = name or config.current_context
    if name not in config.contexts:
        raise KubeconfigError(f'current "{name}" context not found')
    context = config.contexts[name]
    cluster = str(context.body.get("cluster") or "")
    if cluster not in config.clusters:
        raise KubeconfigError(f'cluster "{cluster}" not found in kubeconfig')
    return context, config.clusters[cluster]


def _with(entry: Entry, **fields: str) -> Entry:
    return Entry({**entry.body, **fields}, entry.file)
