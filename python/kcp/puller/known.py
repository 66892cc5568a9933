"""What OpenAPI does not say of types and kinds that every Kubernetes API uses."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
_API: Final = "io.k8s.api."
_EXTENSIONS: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions."

PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING: Final = "x-kubernetes-int-or-string"
INTEGER_OR_STRING: Final[Schema] = {"anyOf": [{"type": "integer"}, {"type": "string"}], INT_OR_STRING: True}
# An amount: sign, digits, and a binary, decimal or exponential suffix.
_DIGITS: Final = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
QUANTITY: Final[Schema] = {
    **INTEGER_OR_STRING,
    "pattern": rf"^(\+|-)?{_DIGITS}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{_DIGITS}))?$",
}
# Go's clients send null for a time that is not set.
TIME: Final[Schema] = {"type": "string", "format": "date-time", "nullable": True}
ANY_OBJECT: Final[Schema] = {"type": "object", PRESERVE: True}
ANYTHING: Final[Schema] = {PRESERVE: True}

# Definitions by name, with the schema that stands for them.
TYPES: Final[dict[str, Schema]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": QUANTITY,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INTEGER_OR_STRING,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": ANY_OBJECT,
    "io.k8s.apimachinery.pkg.runtime.Object": ANY_OBJECT,
    "io.k8s.apimachinery.pkg.apis.meta.v1.unstructured.Unstructured": ANY_OBJECT,
    f"{META}Time": TIME,
    f"{META}MicroTime": TIME,
    f"{META}Duration": {"type": "string"},
    f"{META}Fields": ANY_OBJECT,
    f"{META}FieldsV1": ANY_OBJECT,
    # Served by old servers as a type of its own.
    f"{_API}core.v1.Protocol": {"type": "string", "default": "TCP"},
    **{f"{_EXTENSIONS}{version}.JSON": ANYTHING for version in ("v1", "v1beta1")},
}

# Keys of lists that may be left out and that not every document gives a default for.
KEY_DEFAULTS: Final[dict[tuple[str, str], str]] = {
    (f"{_API}core.v1.ContainerPort", "protocol"): "TCP",
    (f"{_API}core.v1.ServicePort", "protocol"): "TCP",
    (f"{_API}core.v1.LocalObjectReference", "name"): "",
}

# Groups that only those may define who say that they were allowed to.
PROTECTED: Final = ("k8s.io", "kubernetes.io")
APPROVAL: Final = {"api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes"}

# Where scale reads and writes, for all that can be scaled.
SCALE: Final[Schema] = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}


def _columns(*rows: tuple[str, str, str] | tuple[str, str, str, int]) -> list[Schema]:
    found = []
    for name, kind, path, *priority in rows:
        column: Schema = {"name": name, "type": kind, "jsonPath": path}
        if priority:
            column["priority"] = priority[0]
        found.append(column)
    return [*found, {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]


_IMAGES: Final = (
    ("Containers", "string", ".spec.template.spec.containers[*].name", 1),
    ("Images", "string", ".spec.template.spec.containers[*].image", 1),
)
_REPLICAS: Final = (
    ("Desired", "integer", ".spec.replicas"),
    ("Current", "integer", ".status.replicas"),
    ("Ready", "integer", ".status.readyReplicas"),
)
# Columns of tables that a path can say, by plural and group.
COLUMNS: Final[dict[tuple[str, str], list[Schema]]] = {
    ("deployments", "apps"): _columns(
        ("Desired", "integer", ".spec.replicas"),
        ("Up-to-date", "integer", ".status.updatedReplicas"),
        ("Available", "integer", ".status.availableReplicas"),
        *_IMAGES,
    ),
    ("replicasets", "apps"): _columns(*_REPLICAS, *_IMAGES),
    ("replicationcontrollers", ""): _columns(*_REPLICAS, *_IMAGES),
    ("statefulsets", "apps"): _columns(*_REPLICAS, *_IMAGES),
    ("daemonsets", "apps"): _columns(
        ("Desired", "integer", ".status.desiredNumberScheduled"),
        ("Current", "integer", ".status.currentNumberScheduled"),
        ("Ready", "integer", ".status.numberReady"),
        ("Up-to-date", "integer", ".status.updatedNumberScheduled"),
        ("Available", "integer", ".status.numberAvailable"),
        *_IMAGES,
    ),
    ("controllerrevisions", "apps"): _columns(
        ("Controller", "string", ".metadata.ownerReferences[*].name"), ("Revision", "integer", ".revision")
    ),
    ("jobs", "batch"): _columns(
        ("Completions", "integer", ".spec.completions"), ("Succeeded", "integer", ".status.succeeded"), *_IMAGES
    ),
    ("cronjobs", "batch"): _columns(
        ("Schedule", "string", ".spec.schedule"),
        ("Timezone", "string", ".spec.timeZone"),
        ("Suspend", "boolean", ".spec.suspend"),
        ("Last Schedule", "date", ".status.lastScheduleTime"),
    ),
    ("horizontalpodautoscalers", "autoscaling"): _columns(
        ("Reference", "string", ".spec.scaleTargetRef.name"),
        ("MinPods", "integer", ".spec.minReplicas"),
        ("MaxPods", "integer", ".spec.maxReplicas"),
        ("Replicas", "integer", ".status.currentReplicas"),
    ),
    ("poddisruptionbudgets", "policy"): _columns(
        ("Min Available", "string", ".spec.minAvailable"),
        ("Max Unavailable", "string", ".spec.maxUnavailable"),
        ("Allowed Disruptions", "integer", ".status.disruptionsAllowed"),
    ),
    ("pods", ""): _columns(
        ("Status", "string", ".status.phase"),
        ("IP", "string", ".status.podIP", 1),
        ("Node", "string", ".spec.nodeName", 1),
    ),
    ("podtemplates", ""): _columns(
        ("Containers", "string", ".template.spec.containers[*].name"),
        ("Images", "string", ".template.spec.containers[*].image"),
    ),
    ("services", ""): _columns(
        ("Type", "string", ".spec.type"),
        ("Cluster-IP", "string", ".spec.clusterIP"),
        ("External-IP", "string", ".status.loadBalancer.ingress[*].ip"),
        ("Ports", "string", ".spec.ports[*].port"),
    ),
    ("endpoints", ""): _columns(("Endpoints", "string", ".subsets[*].addresses[*].ip")),
    ("nodes", ""): _columns(
        ("Version", "string", ".status.nodeInfo.kubeletVersion"),
        ("OS-Image", "string", ".status.nodeInfo.osImage", 1),
        ("Kernel-Version", "string", ".status.nodeInfo.kernelVersion", 1),
        ("Container-Runtime", "string", ".status.nodeInfo.containerRuntimeVersion", 1),
    ),
    ("persistentvolumeclaims", ""): _columns(
        ("Status", "string", ".status.phase"),
        ("Volume", "string", ".spec.volumeName"),
        ("Capacity", "string", ".status.capacity.storage"),
        ("Access Modes", "string", ".status.accessModes"),
        ("StorageClass", "string", ".spec.storageClassName"),
        ("VolumeMode", "string", ".spec.volumeMode", 1),
    ),
    ("persistentvolumes", ""): _columns(
        ("Capacity", "string", ".spec.capacity.storage"),
        ("Access Modes", "string", ".spec.accessModes"),
        ("Reclaim Policy", "string", ".spec.persistentVolumeReclaimPolicy"),
        ("Status", "string", ".status.phase"),
        ("Claim", "string", ".spec.claimRef.name"),
        ("StorageClass", "string", ".spec.storageClassName"),
        ("Reason", "string", ".status.reason"),
        ("VolumeMode", "string", ".spec.volumeMode", 1),
    ),
    ("storageclasses", "storage.k8s.io"): _columns(
        ("Provisioner", "string", ".provisioner"),
        ("ReclaimPolicy", "string", ".reclaimPolicy"),
        ("VolumeBindingMode", "string", ".volumeBindingMode"),
        ("AllowVolumeExpansion", "boolean", ".allowVolumeExpansion"),
    ),
    ("ingresses", "networking.k8s.io"): _columns(
        ("Class", "string", ".spec.ingressClassName"),
        ("Hosts", "string", ".spec.rules[*].host"),
        ("Address", "string", ".status.loadBalancer.ingress[*].ip"),
    ),
    ("ingressclasses", "networking.k8s.io"): _columns(
        ("Controller", "string", ".spec.controller"), ("Parameters", "string", ".spec.parameters.name")
    ),
    ("networkpolicies", "networking.k8s.io"): _columns(("Pod-Selector", "string", ".spec.podSelector.matchLabels")),
    ("endpointslices", "discovery.k8s.io"): _columns(
        ("AddressType", "string", ".addressType"),
        ("Ports", "string", ".ports[*].port"),
        ("Endpoints", "string", ".endpoints[*].addresses[*]"),
    ),
    ("priorityclasses", "scheduling.k8s.io"): _columns(
        ("Value", "integer", ".value"),
        ("Global-Default", "boolean", ".globalDefault"),
        ("PreemptionPolicy", "string", ".preemptionPolicy"),
    ),
    ("runtimeclasses", "node.k8s.io"): _columns(("Handler", "string", ".handler")),
}
