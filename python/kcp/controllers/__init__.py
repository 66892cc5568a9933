"""Controllers: what needs time or judgement after a write.

Each takes keys of one kind of unfinished work from the store's index, which the data path keeps in the same commit as
the object; a restart reads nothing but that index. What belongs here: one module a controller, with its steps as plain
functions over a client. What stays out: anything a client's next call relies on; that is decided with the write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcp.controllers import garbage, workspaces
from kcp.controllers.definitions import delete_instances
from kcp.controllers.namespaces import empty_namespace
from kcp.controllers.runner import Controller
from kcp.controllers.tokens import fill_token

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CONTROLLERS", "Controller", "UnknownControllerError", "choose"]

CONTROLLERS = (
    Controller("namespace-controller", "namespace-deletion", empty_namespace),
    Controller("customresourcedefinition-controller", "crd-deletion", delete_instances),
    Controller(garbage.NAME, "absent-owner", garbage.collect),
    Controller(garbage.NAME, "held-owner", garbage.let_go),
    Controller(workspaces.NAME, "workspace-deletion", workspaces.end_workspace),
    Controller(workspaces.NAME, "logicalcluster-deletion", workspaces.end_logical_cluster),
    Controller("serviceaccount-token-controller", "token-secret", fill_token),
)


class UnknownControllerError(ValueError):
    """A name that no controller has."""


def choose(names: Sequence[str]) -> tuple[Controller, ...]:
    """Choose controllers as kube-controller-manager's `--controllers` does.

    `*` stands for all of them, `foo` turns one on, `-foo` turns it off; what is named comes before `*`.

    Raises:
        UnknownControllerError: a name that no controller has.
    """
    known = {controller.name for controller in CONTROLLERS}
    for name in names:
        if name != "*" and name.removeprefix("-") not in known:
            message = f"{name.removeprefix('-')!r} is not a controller: choose from {', '.join(sorted(known))}"
            raise UnknownControllerError(message)
    return tuple(
        controller
        for controller in CONTROLLERS
        if controller.name in names or ("*" in names and f"-{controller.name}" not in names)
    )
