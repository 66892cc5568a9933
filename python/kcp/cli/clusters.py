"""`kubectl kcp cluster join|list|cordon|uncordon|drain`: physical clusters of a workspace, for people."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

from kcp.cli.plugin import UserError, usage
from kcp.cli.target import Target
from kcp.client.conditions import now
from kcp.client.status import StatusError
from kcp.kubeconfig import load, locate
from kcp.workload.kubeconfig import inline

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from kcp.cli.plugin import Call

API_VERSION = "workload.kcp.io/v1alpha1"
CLUSTERS = f"/apis/{API_VERSION}/workloadclusters"
# Where the kubeconfigs of joined clusters are kept: a namespace that every workspace has.
NAMESPACE = "default"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
MODES = {"": None, "push": "Push", "pull": "Pull", "none": "None"}
SHARED = ("", "none", "children", "descendants")
COLUMNS = ("NAME", "READY", "STATE", "MODE", "SHARED", "REASON")


def join(call: Call) -> int:
    """Register a physical cluster; its kubeconfig, with everything in it, becomes a secret that goes with it."""
    if len(call.words) != 1:
        return _misused(call, 1)
    (name,) = call.words
    mode = _chosen(call, "sync-mode", MODES)
    shared = _chosen(call, "share-with", SHARED)
    target = Target(call)
    kubeconfig = _physical(call)
    place = target.wanted
    secret = f"workloadcluster-{name}"
    spec: dict[str, Any] = {"kubeconfigSecretRef": {"name": secret, "namespace": NAMESPACE}}
    if MODES[mode]:
        spec["syncMode"] = MODES[mode]
    if shared:
        spec["shareWith"] = shared
    body = {"apiVersion": API_VERSION, "kind": "WorkloadCluster", "metadata": {"name": name}, "spec": spec}
    made = target.client.post(place.url + CLUSTERS, body)
    try:
        target.client.post(place.url + SECRETS, _secret(secret, made, kubeconfig))
    except BaseException:
        target.client.delete(f"{place.url}{CLUSTERS}/{name}")
        raise
    print(f'Cluster "{name}" joined {place.path}.')
    return 0


def _physical(call: Call) -> str:
    """Return the kubeconfig of the physical cluster, inline."""
    file, context = str(call.flag("from-kubeconfig")), str(call.flag("from-context"))
    if not file and not context:
        raise UserError("say which physical cluster by --from-kubeconfig, --from-context or both")
    return inline(load(locate(file or str(call.flag("kubeconfig")), os.environ)), context)


def _secret(name: str, cluster: dict[str, Any], kubeconfig: str) -> dict[str, Any]:
    owner = {
        "apiVersion": API_VERSION,
        "kind": "WorkloadCluster",
        "name": cluster["metadata"]["name"],
        "uid": cluster["metadata"]["uid"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "ownerReferences": [owner]},
        "data": {"kubeconfig": base64.b64encode(kubeconfig.encode()).decode()},
    }


def show(call: Call) -> int:
    """Print a line for each cluster."""
    if call.words:
        return _misused(call, 0)
    target = Target(call)
    place = target.wanted
    clusters = target.client.list_all(place.url + CLUSTERS)
    if not clusters:
        print(f"No clusters in {place.path}.")
        return 0
    print(table([COLUMNS, *map(_row, clusters)]))
    return 0


def _row(cluster: dict[str, Any]) -> tuple[str, ...]:
    spec = cluster["spec"]
    conditions = (cluster.get("status") or {}).get("conditions") or []
    ready: dict[str, Any] = next((one for one in conditions if one["type"] == "Ready"), {})
    state = "draining" if spec.get("evictAfter") else "cordoned" if spec.get("unschedulable") else "schedulable"
    cells = (
        cluster["metadata"]["name"],
        ready.get("status") or "Unknown",
        state,
        spec.get("syncMode") or "",
        spec.get("shareWith") or "none",
        ready.get("reason") or "",
    )
    return tuple(str(cell) for cell in cells)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns, as kubectl prints them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def cordon(call: Call) -> int:
    """Place nothing new on clusters."""
    return _change(call, {"unschedulable": True}, "cordoned")


def uncordon(call: Call) -> int:
    """Place on clusters again."""
    return _change(call, {"unschedulable": False, "evictAfter": None}, "uncordoned")


def drain(call: Call) -> int:
    """Place nothing new on clusters, and have what is there go elsewhere."""
    return _change(call, {"unschedulable": True, "evictAfter": now()}, "draining")


def _change(call: Call, spec: dict[str, Any], done: str) -> int:
    """Change each cluster that is named; one that is not there does not keep the others from it."""
    if not call.words:
        return _misused(call, 1)
    target = Target(call)
    place = target.wanted
    missing = []
    for name in call.words:
        try:
            target.client.patch(f"{place.url}{CLUSTERS}/{name}", {"spec": spec})
        except StatusError as error:
            if not error.is_not_found:
                raise
            missing.append(f'"{name}"')
        else:
            print(f'Cluster "{name}" {done}.')
    if missing:
        raise UserError(f"no such cluster in {place.path}: {', '.join(missing)}")
    return 0


def _chosen(call: Call, flag: str, choices: Collection[str]) -> str:
    value = str(call.flag(flag)).lower()
    if value not in choices:
        raise UserError(f'--{flag} "{value}" is none of {", ".join(filter(None, choices))}')
    return value


def _misused(call: Call, wanted: int) -> int:
    if not call.words:
        print(usage(call.command, call.line))
        return 1
    raise UserError(f"accepts {wanted} arg(s), received {len(call.words)}")
