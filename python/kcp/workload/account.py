"""Who a syncer in a physical cluster is upstream: a service account of its workspace, with the rights it needs there.

All of it is owned by the WorkloadCluster and goes with it.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from kcp.client.places import Resource
from kcp.workload.kubeconfig import NAME
from kcp.workload.manifests import ALWAYS, MANAGER, RBAC, Object

if TYPE_CHECKING:
    from kcp.client.connection import Connection
    from kcp.client.session import Session
    from kcp.workload.manifests import Installation

NAMESPACE = "kcp-syncers"
# Follow, hold by a finalizer, tell troubles.
VERBS = ("get", "list", "patch", "watch")
_TOKEN = "kubernetes.io/service-account-token"


async def ensure_account(session: Session, installed: Installation) -> str:
    """Bring the account into being, or up to date; return its token, empty while there is none yet.

    Args:
        session: of the server itself, outside of any logical cluster.
        installed: whose account; of it the image and the kubeconfig do not matter.

    Raises:
        StatusError, UnreachableError: the server refuses, or does not answer.
    """
    secret = Resource("", "v1", "secrets").object(NAMESPACE, installed.identity)
    found: Object = {}
    for resource, body in _objects(installed):
        metadata = body["metadata"]
        path = f"/clusters/{installed.cluster}{resource.object(metadata.get('namespace', ''), metadata['name'])}"
        found = await session.apply(path, body, manager=MANAGER, force=True)
    data = found.get("data") or (await session.get(f"/clusters/{installed.cluster}{secret}")).get("data") or {}
    return base64.b64decode(data.get("token") or "").decode()


def _objects(installed: Installation) -> list[tuple[Resource, Object]]:
    """Return what is applied, the secret of the token last."""
    name = installed.identity
    owner = {
        "apiVersion": "workload.kcp.io/v1alpha1",
        "kind": "WorkloadCluster",
        "name": installed.name,
        "uid": installed.uid,
    }
    wide = {"name": name, "ownerReferences": [owner]}
    own = {**wide, "namespace": NAMESPACE}
    binding = {
        "metadata": wide,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    }
    secret = {"metadata": {**own, "annotations": {"kubernetes.io/service-account.name": name}}, "type": _TOKEN}
    return [
        _object("", "namespaces", "Namespace", {"metadata": {"name": NAMESPACE}}),
        _object("", "serviceaccounts", "ServiceAccount", {"metadata": own}),
        _object(RBAC, "clusterroles", "ClusterRole", {"metadata": wide, "rules": upstream_rules(installed.resources)}),
        _object(RBAC, "clusterrolebindings", "ClusterRoleBinding", binding),
        _object("", "secrets", "Secret", secret),
    ]


def upstream_rules(resources: tuple[str, ...]) -> list[Object]:
    """Return the rules of a syncer's role in its workspace."""
    found: list[Object] = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]}]
    for resource in sorted({*ALWAYS, *resources}):
        plural, _, group = resource.partition(".")
        group = "" if group == "core" else group
        found.append({"apiGroups": [group], "resources": [plural], "verbs": list(VERBS)})
        found.append({"apiGroups": [group], "resources": [f"{plural}/status"], "verbs": ["update"]})
    return found


def _object(group: str, plural: str, kind: str, body: Object) -> tuple[Resource, Object]:
    resource = Resource(group, "v1", plural)
    return resource, {"apiVersion": resource.api_version, "kind": kind, **body}


def kubeconfig_for(upstream: Connection, url: str, cluster: str, token: str) -> str:
    """Return the kubeconfig, as JSON, with which a pod reaches a logical cluster at the server at `url`."""
    about: dict[str, Any] = {"server": f"{url.rstrip('/')}/clusters/{cluster}"}
    if upstream.authority is not None:
        about["certificate-authority-data"] = base64.b64encode(upstream.authority).decode()
    if upstream.tls_server_name:
        about["tls-server-name"] = upstream.tls_server_name
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": NAME,
            "clusters": [{"name": NAME, "cluster": about}],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
            "users": [{"name": NAME, "user": {"token": token}}],
        }
    )
