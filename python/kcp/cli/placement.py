"""`kubectl kcp move WHAT --to CLUSTER` and `kubectl kcp explain-placement WHAT`: where objects run, and why there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from kcp.cli.explain_access import served
from kcp.cli.plugin import UserError, usage
from kcp.cli.target import Target
from kcp.client.places import Resource
from kcp.client.status import StatusError
from kcp.placement.plan import CONDITION, WHY_ANNOTATION, cluster_of
from kcp.syncer.names import CLUSTER_LABEL, BadNameError, Site

if TYPE_CHECKING:
    from kcp.cli.plugin import Call
    from kcp.kubeconfig import Place

CLUSTERS = Resource("workload.kcp.io", "v1alpha1", "workloadclusters")
NAMESPACES = Resource("", "v1", "namespaces")


class Found(NamedTuple):
    """An object, and where it is."""

    shown: str
    """`resource/name`, with the namespace where it has one."""
    url: str
    thing: dict[str, Any]
    namespace: str
    """Empty for a namespace, and for what has none."""

    @property
    def cluster(self) -> str:
        """The physical cluster that it names; empty for none."""
        return str((self.thing["metadata"].get("labels") or {}).get(CLUSTER_LABEL) or "")


def move(call: Call) -> int:
    """Place an object, or a namespace and all that follows it, on another physical cluster."""
    to = str(call.flag("to"))
    if len(call.words) != 1 or not to:
        return _misused(call, "say what to move, and where: <resource>/<name> --to <cluster>")
    target = Target(call)
    place = target.wanted
    found = _find(target, place, call.words[0])
    _check_takes(target, place, to)
    if found.cluster == to:
        print(f"{found.shown} is on {to} already.")
        return 0
    target.client.patch(found.url, {"metadata": {"labels": {CLUSTER_LABEL: to}}})
    print(f"{found.shown} moves {f'from {found.cluster} ' if found.cluster else ''}to {to}.")
    return 0


def _check_takes(target: Target, place: Place, name: str) -> None:
    """Refuse a cluster that is not there, or that nothing is to be placed on."""
    try:
        cluster = cluster_of(target.client.get(place.url + CLUSTERS.object("", name)))
    except StatusError as error:
        if not error.is_not_found:
            raise
        raise UserError(f'no such cluster in {place.path}: "{name}"') from None
    if cluster.is_evicted(datetime.now(UTC)):
        raise UserError(f'cluster "{name}" is being emptied')
    if cluster.unschedulable:
        raise UserError(f'cluster "{name}" is cordoned; "cluster uncordon {name}" opens it')


def explain(call: Call) -> int:
    """Say where an object is placed, and why; exit status 1 when it is placed nowhere."""
    if len(call.words) != 1:
        return _misused(call, "accepts 1 arg(s): <resource>/<name>")
    target = Target(call)
    place = target.wanted
    found = _find(target, place, call.words[0])
    if not found.namespace:
        print("\n".join([_where(found), *_reasons(found.thing)]))
        return 0 if found.cluster else 1
    above = _find(target, place, f"namespaces/{found.namespace}")
    lines = [_where(found)]
    if found.cluster and found.cluster != above.cluster:
        lines.append("It has a place of its own, whatever its namespace's is.")
    else:
        lines += ["It follows its namespace." if found.cluster else "Nothing has placed it.", _where(above)]
        lines += _reasons(above.thing)
    if trouble := _trouble(found):
        lines.append(f"It is not synced: {trouble}")
    print("\n".join(lines))
    return 0 if found.cluster else 1


def _where(found: Found) -> str:
    return f"{found.shown} is placed on {found.cluster}." if found.cluster else f"{found.shown} is placed nowhere."


def _reasons(namespace: dict[str, Any]) -> list[str]:
    """Return what placement says of a namespace."""
    lines = []
    if why := (namespace["metadata"].get("annotations") or {}).get(WHY_ANNOTATION):
        lines.append(f"Why: {why}")
    conditions = (namespace.get("status") or {}).get("conditions") or ()
    said = next((one for one in conditions if one.get("type") == CONDITION), None)
    if said:
        lines.append(f"Now: {said.get('reason')}: {said.get('message')}")
    return lines


def _trouble(found: Found) -> str:
    try:
        key = Site("", found.cluster).trouble
    except BadNameError as error:
        return str(error) if found.cluster else ""
    return str((found.thing["metadata"].get("annotations") or {}).get(key) or "")


def _find(target: Target, place: Place, word: str) -> Found:
    """Return the object of `resource[.group]/name`, in the namespace of the call."""
    resource, slash, name = word.partition("/")
    if not slash or not name:
        raise UserError(f'"{word}" is no object; write <resource>/<name>')
    wanted, _, group = resource.partition(".")
    for version, known in served(target.client, place.url):
        api_group = version.rpartition("/")[0]
        names = {known["name"], known.get("singularName"), *(known.get("shortNames") or [])}
        if wanted in names and group in {"", api_group} and "/" not in known["name"]:
            break
    else:
        raise UserError(f'the workspace does not have a resource type "{resource}"')
    where = Resource(api_group, version.rpartition("/")[2], known["name"])
    namespace = (str(target.call.flag("namespace")) or _namespace(target)) if known["namespaced"] else ""
    url = place.url + where.object(namespace, name)
    shown = f"{where.full_name}/{name}" + (f" in {namespace}" if namespace else "")
    return Found(shown, url, target.client.get(url), namespace)


def _namespace(target: Target) -> str:
    """Return the namespace of the kubeconfig's context."""
    name = str(target.call.flag("context")) or target.config.current_context
    context = target.config.contexts.get(name)
    return str((context.body.get("namespace") if context else "") or "default")


def _misused(call: Call, complaint: str) -> int:
    if not call.words:
        print(usage(call.command, call.line))
        return 1
    raise UserError(complaint)
