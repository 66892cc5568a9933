"""On which physical cluster a namespace belongs, and what that means for an object in it. Pure."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from kcp.client.selectors import label_selector, matches
from kcp.syncer.names import CLUSTER_LABEL, ORIGIN_LABEL, BadNameError, Site
from kcp.syncer.transform import ROOT_CA, TOKEN_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Object: TypeAlias = "dict[str, Any]"

# Of a namespace, with any value: what is written of its placement stays as it is.
DISABLED_LABEL = "experimental.workload.kcp.io/scheduling-disabled"
# Of a namespace: which clusters it may be on, a label selector as kubectl takes it.
SELECTOR_ANNOTATION = "workload.kcp.io/cluster-selector"
# Of a namespace: why it was placed where it is, or taken from there.
WHY_ANNOTATION = "workload.kcp.io/placed-because"
CONDITION = "NamespaceScheduled"
# Owner of the label on objects that follow their namespace.
MANAGER = "kcp-placement"
# They belong to the server, and kcp-syncers to the syncers.
NEVER = frozenset({"kube-system", "kube-public", "kube-node-lease", "kcp-syncers"})
# How many clusters a message names.
SHOWN = 3
_TIME = "%Y-%m-%dT%H:%M:%SZ"
# Times are held between these: people write others, which cannot be added to.
_NEVER, _LAST = datetime(2, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([numkMGTPE]?|[KMGTPE]i|[eE][+-]?[0-9]{1,3})")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A registered physical cluster, as far as placement goes."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    since: datetime = _NEVER
    """When it became ready, or stopped being so."""
    unschedulable: bool = False
    evict_after: datetime | None = None
    ending: bool = False
    """Whether its registration is being deleted."""
    cpu: float | None = None
    """Cores that workloads can have; None: nobody says."""
    full: str = ""
    """The resource of which there is none at all; empty: nobody says of one that there is none."""

    def is_evicted(self, now: datetime) -> bool:
        """Tell whether what is on it has to go elsewhere."""
        return self.ending or (self.evict_after is not None and self.evict_after <= now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A namespace, as far as placement goes."""

    name: str
    uid: str
    cluster: str = ""
    """Where it is; empty: nowhere."""
    selector: str = ""
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a namespace is to be."""

    cluster: str
    """Empty: nowhere."""
    reason: str
    """Of the condition: Scheduled, SchedulingDisabled, Unschedulable or InvalidSelector."""
    message: str
    """Why, in one line. It stays the same while nothing changes."""
    again: datetime | None = None
    """When something else may be decided although nothing changes."""

    @property
    def scheduled(self) -> bool:
        """Status of the condition."""
        return self.reason == "Scheduled"


def decide(namespace: Namespace, clusters: Iterable[Cluster], now: datetime, grace: timedelta) -> Decision:
    """Decide where a namespace is to be.

    It stays where it is unless the cluster is gone, is evicted, is not one that its selector takes, or was not ready
    for longer than `grace` while another one takes it. Which one takes it depends on the namespace and on the clusters
    that can, in proportion to their cores where those are known, and not on what else is placed.
    """
    here = namespace.cluster
    if namespace.disabled:
        place = f"it stays on {here}" if here else "it is placed nowhere"
        return Decision(here, "SchedulingDisabled", f"label {DISABLED_LABEL} is set: {place}")
    try:
        selector = label_selector(namespace.selector) if namespace.selector.strip() else {}
    except ValueError as error:
        return Decision(here, "InvalidSelector", f"annotation {SELECTOR_ANNOTATION}: {_line(error)}")
    everything = sorted(clusters, key=lambda one: one.name)
    current = next((one for one in everything if one.name == here), None)
    leave = _why_to_leave(namespace, current, selector, now) if here else ""
    if current is not None and not leave:
        if current.ready:
            return Decision(here, "Scheduled", _calm(current), current.evict_after)
        lost = current.since + grace
        if now < lost:
            message = f"on {here}, which is not ready since {_text(current.since)}; it may move from {_text(lost)} on"
            return Decision(here, "Scheduled", message, min(lost, current.evict_after or lost))
        leave = f"{here} is not ready since {_text(current.since)}"
    return _elsewhere(namespace, current, everything, selector, now, leave)


def _elsewhere(
    namespace: Namespace,
    current: Cluster | None,
    clusters: Sequence[Cluster],
    selector: Object,
    now: datetime,
    leave: str,
) -> Decision:
    refusals = {one.name: _refusal(one, selector, now) for one in clusters}
    takers = [one for one in clusters if not refusals[one.name]]
    before = f"{leave}; " if leave else ""
    if takers:
        # Not where it would have to leave soon, if it can be helped.
        lasting = [one for one in takers if one.evict_after is None] or takers
        chosen = choose(namespace.uid, lasting)
        many = "the one cluster that takes it" if len(lasting) == 1 else f"one of {len(lasting)} clusters that take it"
        wanted = f" ({namespace.selector.strip()})" if selector else ""
        return Decision(chosen.name, "Scheduled", f"{before}{chosen.name} is {many}{wanted}", chosen.evict_after)
    others = [f"{name} {refusal}" for name, refusal in refusals.items() if name != namespace.cluster or not leave]
    more = len(others) - SHOWN
    told = ", ".join(others[:SHOWN]) + (f", and {more} more" if more > 0 else "")
    nobody = f"no {'other ' if leave else ''}cluster takes it" + (f": {told}" if told else "")
    if current is not None and _may_wait(namespace, current, selector, now):
        # It is as lost elsewhere as here, and here its copies may still run.
        return Decision(current.name, "Scheduled", f"{before}it stays: {nobody}", current.evict_after)
    return Decision("", "Unschedulable", before + nobody)


def _may_wait(namespace: Namespace, current: Cluster, selector: Object, now: datetime) -> bool:
    return not _why_to_leave(namespace, current, selector, now)


def _why_to_leave(namespace: Namespace, current: Cluster | None, selector: Object, now: datetime) -> str:
    """Return why a namespace may not stay where it is whatever else there is; empty when it may."""
    here = namespace.cluster
    if current is None:
        return f"there is no cluster {here}"
    if current.ending:
        return f"the registration of {here} is being deleted"
    if current.is_evicted(now):
        return f"{here} is evicted since {_text(current.evict_after)}"
    if not matches(selector, _labels(current)):
        return f"{here} is not what the selector {namespace.selector.strip()} takes"
    return ""


def _refusal(cluster: Cluster, selector: Object, now: datetime) -> str:
    """Return why nothing new goes to a cluster; empty when it may."""
    if not matches(selector, _labels(cluster)):
        return "does not match the selector"
    if cluster.is_evicted(now):
        return "is being emptied"
    if cluster.unschedulable:
        return "is unschedulable"
    if not cluster.ready:
        return "is not ready"
    if cluster.full:
        return f"has no {cluster.full}"
    try:
        Site("any", cluster.name)
    except BadNameError:
        return "has a name that fits in no label of a syncer"
    return ""


def _calm(cluster: Cluster) -> str:
    if cluster.evict_after is not None:
        return f"on {cluster.name} until {_text(cluster.evict_after)}, when that is evicted"
    if cluster.unschedulable:
        return f"on {cluster.name}, which takes nothing new and keeps what it has"
    return f"on {cluster.name}, which is ready"


def choose(key: str, clusters: Sequence[Cluster]) -> Cluster:
    """Return the cluster for a key: always the same one, whatever the order; shares go by cores.

    Another cluster draws only what it wins itself, and one that goes gives up only what it had (rendezvous hashing with
    weights). A cluster whose cores nobody knows counts as the mean of those that are known.
    """
    known = [one.cpu for one in clusters if one.cpu]
    mean = sum(known) / len(known) if known else 1.0

    def score(cluster: Cluster) -> tuple[float, str]:
        raw = hashlib.sha256(f"{key}/{cluster.name}".encode()).digest()
        chance = (int.from_bytes(raw[:6]) + 1) / (2**48 + 2)  # between 0 and 1, neither of them
        return (cluster.cpu or mean) / -math.log(chance), cluster.name

    return max(clusters, key=score)


def is_placeable(thing: Object) -> bool:
    """Tell whether a namespace is one that is placed: not the server's, not on its way out, not a syncer's copy."""
    metadata = thing["metadata"]
    ours = metadata["name"] not in NEVER and "deletionTimestamp" not in metadata
    return ours and ORIGIN_LABEL not in (metadata.get("labels") or {})


def label_for(thing: Object, namespace: Namespace) -> str | None:
    """Return the cluster that an object's label has to name, empty for none; None where it is right or not ours.

    An object whose label somebody else wrote has a place of its own, an empty label included, and keeps it.
    """
    metadata = thing["metadata"]
    labels = metadata.get("labels") or {}
    if namespace.disabled or metadata.get("deletionTimestamp") or ORIGIN_LABEL in labels:
        return None
    if thing.get("type") == TOKEN_SECRET or metadata["name"] == ROOT_CA:
        return None
    label = labels.get(CLUSTER_LABEL)
    if label is not None and _owners(metadata) != {MANAGER}:
        return None
    return None if (label or "") == namespace.cluster else namespace.cluster


def _owners(metadata: Object) -> set[str]:
    """Return who owns the placement label."""
    return {
        str(entry.get("manager"))
        for entry in metadata.get("managedFields") or ()
        if f"f:{CLUSTER_LABEL}" in ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:labels", {})
    }


def namespace_of(thing: Object) -> Namespace:
    """Return what placement has to know of a namespace."""
    metadata = thing["metadata"]
    labels = metadata.get("labels") or {}
    return Namespace(
        name=metadata["name"],
        uid=str(metadata.get("uid")),
        cluster=labels.get(CLUSTER_LABEL) or "",
        selector=(metadata.get("annotations") or {}).get(SELECTOR_ANNOTATION) or "",
        disabled=DISABLED_LABEL in labels,
    )


def cluster_of(thing: Object) -> Cluster:
    """Return what placement has to know of a WorkloadCluster; not ready since it was made, if nobody spoke."""
    metadata, spec, status = thing["metadata"], thing["spec"], thing.get("status") or {}
    said: Object = next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), {})
    room = {**(status.get("capacity") or {}), **(status.get("allocatable") or {})}
    amounts = {name: amount for name, value in room.items() if (amount := quantity(value)) is not None}
    return Cluster(
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        ready=said.get("status") == "True",
        since=_time(said.get("lastTransitionTime")) or _time(metadata.get("creationTimestamp")) or _NEVER,
        unschedulable=bool(spec.get("unschedulable")),
        evict_after=_time(spec.get("evictAfter")),
        ending="deletionTimestamp" in metadata,
        cpu=amounts.get("cpu"),
        full=next((name for name in ("cpu", "memory", "pods") if amounts.get(name, 1) <= 0), ""),
    )


def quantity(value: object) -> float | None:
    """Return the number that a quantity of Kubernetes (`2`, `500m`, `1Gi`, `1e3`) means; None where it is none."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        return None
    number, unit = float(found[1]), found[2]
    if unit in _BINARY:
        return float(number * 1024 ** _BINARY[unit])
    amount = float(f"{found[1]}e{_DECIMAL[unit] if unit in _DECIMAL else int(unit[1:])}")
    return amount if math.isfinite(amount) else None


def _labels(cluster: Cluster) -> dict[str, str]:
    """Return the labels that a selector sees: the cluster's name is one of them."""
    return {**cluster.labels, CLUSTER_LABEL: cluster.name}


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return min(max(found if found.tzinfo else found.replace(tzinfo=UTC), _NEVER), _LAST)


def _text(time: datetime | None) -> str:
    return time.astimezone(UTC).strftime(_TIME) if time else "ever"


def _line(error: object) -> str:
    return " ".join(str(error).split())[:300]
