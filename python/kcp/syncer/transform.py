"""What an object becomes on its way: down without its life, up with its status alone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from kcp.syncer.names import CONTENT_ANNOTATION, COPY_ANNOTATION, GROUP, SERVED_ANNOTATION, compact, digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kcp.syncer.names import Copy, Site

Object: TypeAlias = "dict[str, Any]"

SECRETS = "secrets"
CONFIGMAPS = "configmaps"
# Says what somebody applied upstream; it is meant for nobody downstream, and can be large.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Every namespace of every cluster has its own.
ROOT_CA = "kube-root-ca.crt"
TOKEN_SECRET = "kubernetes.io/service-account-token"


class Reference(NamedTuple):
    """A secret or configmap that a workload's pods need."""

    resource: str
    namespace: str
    name: str


def desired(site: Site, thing: Object, api_version: str, kind: str) -> Object:
    """Return what is to be applied downstream for an object upstream."""
    metadata = thing["metadata"]
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if not name.startswith(f"{GROUP}/")}
    annotations = {
        name: value
        for name, value in (metadata.get("annotations") or {}).items()
        if not name.startswith(f"{GROUP}/") and name not in {LAST_APPLIED, SERVED_ANNOTATION}
    }
    namespace, name = metadata.get("namespace") or "", metadata["name"]
    annotations[COPY_ANNOTATION] = compact(
        {"namespace": namespace, "name": name, "uid": metadata["uid"], "generation": metadata.get("generation", 0)}
    )
    content = {field: value for field, value in thing.items() if field not in {"metadata", "status"}}
    made = {
        **_without_nulls(content),
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": site.namespace(namespace),
            "labels": {**labels, **site.labels},
            "annotations": annotations,
        },
    }
    annotations[CONTENT_ANNOTATION] = digest(made)
    return made


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 # any JSON
    if isinstance(value, dict):
        return {name: _without_nulls(below) for name, below in value.items() if below is not None}
    if isinstance(value, list):
        return [_without_nulls(below) for below in value]
    return value


def status_up(above: Object, below: Object, copy: Copy) -> Any:  # noqa: ANN401 # any JSON
    """Return the status that the object upstream should have; None where there is none.

    A generation that was observed downstream means the one upstream that was copied there, once it is the latest;
    until then something older was observed.
    """
    status = below.get("status")
    if not isinstance(status, dict) or not status:
        return None
    latest = int(below["metadata"].get("generation") or 0)
    before = (above.get("status") or {}).get("observedGeneration")

    def translated(observed: Any) -> Any:  # noqa: ANN401 # any JSON
        if not isinstance(observed, int) or observed >= latest:
            return copy.generation if isinstance(observed, int) else observed
        return min(before, copy.generation - 1) if isinstance(before, int) else max(copy.generation - 1, 0)

    found = dict(status)
    if "observedGeneration" in found:
        found["observedGeneration"] = translated(found["observedGeneration"])
    if isinstance(conditions := found.get("conditions"), list):
        found["conditions"] = [
            {**c, "observedGeneration": translated(c["observedGeneration"])}
            if isinstance(c, dict) and "observedGeneration" in c
            else c
            for c in conditions
        ]
    return found


def references(thing: Object) -> frozenset[Reference]:
    """Return the secrets and configmaps that the pods of a workload read; empty for what has no pods."""
    namespace = thing["metadata"].get("namespace") or ""
    found = {Reference(resource, namespace, name) for resource, name in _named(_pod(thing)) if name}
    return frozenset(found - {Reference(CONFIGMAPS, namespace, ROOT_CA)})


def _pod(thing: Object) -> Object:
    """Return the specification of a workload's pods: of a template (of a job's, in a cron job), or of a pod itself."""
    spec = _dict(thing.get("spec"))
    for way in (("template", "spec"), ("jobTemplate", "spec", "template", "spec")):
        below = spec
        for step in way:
            below = _dict(below.get(step))
        if below:
            return below
    return spec if "containers" in spec else {}


def _named(pod: Object) -> Iterator[tuple[str, str]]:
    for secret in _dicts(pod.get("imagePullSecrets")):
        yield SECRETS, secret.get("name", "")
    for container in (c for kind in ("containers", "initContainers") for c in _dicts(pod.get(kind))):
        for source in _dicts(container.get("envFrom")):
            yield SECRETS, _dict(source.get("secretRef")).get("name", "")
            yield CONFIGMAPS, _dict(source.get("configMapRef")).get("name", "")
        for variable in _dicts(container.get("env")):
            value = _dict(variable.get("valueFrom"))
            yield SECRETS, _dict(value.get("secretKeyRef")).get("name", "")
            yield CONFIGMAPS, _dict(value.get("configMapKeyRef")).get("name", "")
    for volume in _dicts(pod.get("volumes")):
        yield SECRETS, _dict(volume.get("secret")).get("secretName", "")
        yield CONFIGMAPS, _dict(volume.get("configMap")).get("name", "")
        for source in _dicts(_dict(volume.get("projected")).get("sources")):
            yield SECRETS, _dict(source.get("secret")).get("name", "")
            yield CONFIGMAPS, _dict(source.get("configMap")).get("name", "")


def _dict(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[Object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
