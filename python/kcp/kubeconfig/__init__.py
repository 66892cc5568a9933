"""Kubeconfig files: found, merged, changed and written by kubectl's rules.

What belongs here: where the files are, what they say together, how they are changed without damage, and how the current
workspace is kept in them. What stays out: connections (`kcp.client`) and anything said to people (`kcp.cli`). Nothing
here imports more than YAML: a command that only reads the current workspace is to be quick.
"""

from kcp.kubeconfig.bookkeeping import NoPreviousError, create_context, enter, swap
from kcp.kubeconfig.config import Entry, Kubeconfig, edit, load, parse
from kcp.kubeconfig.files import KubeconfigError, Locations, locate
from kcp.kubeconfig.workspaces import NotAWorkspaceError, PathError, Place, parse_type, place_of, resolve

__all__ = [
    "Entry",
    "Kubeconfig",
    "KubeconfigError",
    "Locations",
    "NoPreviousError",
    "NotAWorkspaceError",
    "PathError",
    "Place",
    "create_context",
    "edit",
    "enter",
    "load",
    "locate",
    "parse",
    "parse_type",
    "place_of",
    "resolve",
    "swap",
]
