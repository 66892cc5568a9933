"""What runs in a physical cluster that is synced from within: the objects of a syncer's pod, as plain functions.

Each registration has a namespace and cluster-wide objects of its own, so that the end of one takes nothing of another
along, be it of another logical cluster or of another kcp.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from kcp.client.places import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

Object: TypeAlias = dict[str, Any]

# Who owns the fields of what is installed.
MANAGER = "kcp-cluster-controller"
REGISTRATION = "workload.kcp.io/registration"
"""Label of everything that is installed: which registration it belongs to."""
CONTENT = "workload.kcp.io/content"
"""Annotation of the pod's template: digest of what a new pod is needed for."""
SYNCER = "syncer"
KUBECONFIG = "kubeconfig"
MOUNT = "/kcp"
RBAC = "rbac.authorization.k8s.io"

# What the syncer asks of a resource: follow, apply (which creates) and delete its copies.
OBJECT_VERBS = ("create", "delete", "get", "list", "patch", "watch")
# What it follows whatever it syncs: pods read them.
ALWAYS = ("configmaps", "secrets")
# What it asks of namespaces: look, and apply those that are missing.
NAMESPACE_VERBS = ("create", "get", "patch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A syncer as it is to be."""

    cluster: str
    """Name of the logical cluster."""
    name: str
    """Name of the WorkloadCluster."""
    uid: str
    """Of the WorkloadCluster: another one of that name has another installation."""
    image: str
    kubeconfig: str = field(repr=False)
    """With which the pod reaches the logical cluster."""
    resources: tuple[str, ...]
    """`resource.group`, sorted."""

    @property
    def identity(self) -> str:
        """What all names begin with: a DNS label, whatever the names of clusters hold."""
        digest = hashlib.sha224(json.dumps([self.cluster, self.name, self.uid]).encode()).hexdigest()[:12]
        readable = re.sub(r"[^a-z0-9]+", "-", self.name.lower())[:32].strip("-")
        return "-".join(part for part in ("kcp-syncer", readable, digest) if part)

    @property
    def content(self) -> str:
        """Digest of what a new pod is needed for."""
        said = [self.image, self.kubeconfig, list(self.resources)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object to apply, and where it is."""

    resource: Resource
    body: Object

    @property
    def path(self) -> str:
        """Path of the object."""
        metadata = self.body["metadata"]
        return self.resource.object(metadata.get("namespace", ""), metadata["name"])


def manifests(wanted: Installation) -> list[Manifest]:
    """Return everything that is installed, in the order in which it can be created."""
    here = wanted.identity
    labels = {REGISTRATION: here}
    own = {"name": SYNCER, "namespace": here, "labels": labels}
    wide = {"name": here, "labels": labels}
    subject = {"kind": "ServiceAccount", "name": SYNCER, "namespace": here}
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": here}
    content = base64.b64encode(wanted.kubeconfig.encode()).decode()
    secret = {"metadata": {**own, "name": KUBECONFIG}, "type": "Opaque", "data": {KUBECONFIG: content}}
    return [
        _manifest("", "v1", "namespaces", "Namespace", {"metadata": wide}),
        _manifest("", "v1", "serviceaccounts", "ServiceAccount", {"metadata": own}),
        _manifest(RBAC, "v1", "clusterroles", "ClusterRole", {"metadata": wide, "rules": rules(wanted.resources)}),
        _manifest(
            RBAC,
            "v1",
            "clusterrolebindings",
            "ClusterRoleBinding",
            {"metadata": wide, "roleRef": role, "subjects": [subject]},
        ),
        _manifest("", "v1", "secrets", "Secret", secret),
        _manifest("apps", "v1", "deployments", "Deployment", {"metadata": own, "spec": _deployment(wanted, labels)}),
    ]


def _manifest(group: str, version: str, plural: str, kind: str, body: Object) -> Manifest:
    resource = Resource(group, version, plural)
    return Manifest(resource, {"apiVersion": resource.api_version, "kind": kind, **body})


def rules(resources: tuple[str, ...]) -> list[Object]:
    """Return the rules of the syncer's role: namespaces for its copies, and what it syncs; a rule for each group.

    Secrets and configmaps are always among it: the syncer follows its copies of them in every case.
    """
    found: list[Object] = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": list(NAMESPACE_VERBS)}]
    groups: dict[str, set[str]] = {}
    for resource in (*ALWAYS, *resources):
        plural, _, group = resource.partition(".")
        groups.setdefault("" if group == "core" else group, set()).add(plural)
    for group, plurals in sorted(groups.items()):
        found.append({"apiGroups": [group], "resources": sorted(plurals), "verbs": list(OBJECT_VERBS)})
    return found


def _deployment(wanted: Installation, labels: Mapping[str, str]) -> Object:
    arguments = ["--from-kubeconfig", f"{MOUNT}/{KUBECONFIG}", "--from-cluster", wanted.cluster]
    container = {
        "name": SYNCER,
        "image": wanted.image,
        "args": [*arguments, "--cluster", wanted.name, *wanted.resources],
        "env": [{"name": "SYNCER_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
        "volumeMounts": [{"name": KUBECONFIG, "mountPath": MOUNT, "readOnly": True}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    pod = {
        "serviceAccountName": SYNCER,
        "containers": [container],
        "volumes": [{"name": KUBECONFIG, "secret": {"secretName": KUBECONFIG}}],
    }
    return {
        "replicas": 1,
        # Two syncers at a time would both be right, and do everything twice.
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": dict(labels)},
        "template": {"metadata": {"labels": dict(labels), "annotations": {CONTENT: wanted.content}}, "spec": pod},
    }


def is_current(found: Object | None, wanted: Installation) -> bool:
    """Tell whether the Deployment that was found runs the image, resources and kubeconfig that are wanted."""
    template = ((found or {}).get("spec") or {}).get("template") or {}
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    images = [one.get("image") for one in (template.get("spec") or {}).get("containers") or ()]
    return annotations.get(CONTENT) == wanted.content and images == [wanted.image]
