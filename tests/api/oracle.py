"""What the rules say, worked out from stored objects by the plainest reading there is.

A second opinion for test_gate.py: it shares nothing with the server but the objects that an administrator reads. There
are no caches and no derived state: each question walks every binding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# A decoded JSON document.
Json = Any

RBAC = "/apis/rbac.authorization.k8s.io/v1"
KINDS = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
OPEN_PHASES = {"Initializing", "Ready", "Inactive", "Terminating", "Deleting"}
HEALTH = {"/healthz", "/readyz", "/livez"}
ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from; `None` as a caller is a credential that does not hold."""

    name: str
    groups: tuple[str, ...]
    # Where a service account is at home; empty for others.
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for. A wish without a resource is about `path`."""

    verb: str
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """The roles and bindings of one logical cluster, and its row if there is one."""

    name: str
    row: Json
    objects: Mapping[str, Sequence[Json]] = field(default_factory=dict)

    @classmethod
    def read(cls, name: str, get: Callable[[str], Json], *, has_row: bool = True) -> Stored:
        """Read a cluster through `get`, which returns the document at a path."""
        row = get("/apis/core.kcp.io/v1alpha1/logicalclusters/cluster") if has_row else None
        return cls(name, row, {kind: get(f"{RBAC}/{kind}")["items"] for kind in KINDS})

    def find(self, kind: str, name: str, namespace: str = "") -> Json | None:
        """Return an object by its name."""
        for item in self.objects[kind]:
            if item["metadata"]["name"] == name and item["metadata"].get("namespace", "") == namespace:
                return item
        return None


def allows(base: Stored, cluster: Stored | None, caller: Caller, wish: Wish) -> bool:
    """Tell whether `caller` may do `wish` in `cluster`; `None` for a cluster that is not there."""
    if "system:masters" in caller.groups:
        return True
    if not wish.resource and wish.verb in {"get", "head"} and wish.path in HEALTH:
        return True
    if cluster is None or not enters(base, cluster, caller):
        return False
    if wish.group == "apis.kcp.io" and wish.resource in {"apibindings", "apiexports"} and wish.subresource == "status":
        return False
    return ruled(base, cluster, caller, wish)


def allows_outside(base: Stored, root: Stored, caller: Caller, wish: Wish) -> bool:
    """Tell whether `caller` may do `wish` of the server itself, in no cluster; what is about objects nobody may."""
    if "system:masters" in caller.groups or (wish.verb == "get" and wish.path in HEALTH):
        return not wish.resource
    place = root if wish.path == "/metrics" else base
    return not wish.resource and ruled(base, place, caller, wish)


def allows_over_all(caller: Caller, wish: Wish) -> bool:
    """Tell whether `caller` may do `wish` over all clusters at once."""
    is_administrator = bool({"system:masters", "system:kcp:admin"} & set(caller.groups))
    return is_administrator or (wish.verb == "get" and wish.path in HEALTH)


def enters(base: Stored, cluster: Stored, caller: Caller) -> bool:
    """Tell whether `caller` may be in `cluster` at all."""
    annotations = cluster.row["metadata"].get("annotations", {})
    required = annotations.get("authorization.kcp.io/required-groups", "")
    account = caller.name.startswith(ACCOUNT)
    if required and not account and "system:kcp:admin" not in caller.groups:
        alternatives = [set(part.split(",")) for part in required.split(";")]
        if not any(alternative <= set(caller.groups) for alternative in alternatives):
            return False
    if cluster.row["status"]["phase"] not in OPEN_PHASES:
        return False
    if account and caller.origin == cluster.name:
        return True
    return ruled(base, cluster, caller, Wish("access", path="/"))


def ruled(base: Stored, cluster: Stored, caller: Caller, wish: Wish) -> bool:
    """Tell whether a role that is bound to `caller` here or everywhere allows `wish`."""
    for place, falls_back in ((base, False), (cluster, True)):
        for kind in ("rolebindings", "clusterrolebindings"):
            for binding in place.objects[kind]:
                namespace = binding["metadata"].get("namespace", "")
                if kind == "rolebindings" and (not wish.resource or namespace != wish.namespace):
                    continue
                if not any(names(subject, caller, namespace) for subject in binding.get("subjects") or []):
                    continue
                role = resolve(place, base if falls_back else place, binding["roleRef"], namespace)
                if any(permits(rule, wish) for rule in role_rules(role, place, base)):
                    return True
    return False


def names(subject: Json, caller: Caller, namespace: str) -> bool:
    """Tell whether a binding's subject is the caller."""
    match subject["kind"]:
        case "User":
            return bool(subject["name"] == caller.name)
        case "Group":
            return subject["name"] in caller.groups
        case _:
            own = subject.get("namespace") or namespace
            return caller.name == f"{ACCOUNT}{own}:{subject['name']}"


def resolve(place: Stored, fallback: Stored, reference: Json, namespace: str) -> Json | None:
    """Return the role that a binding refers to: the local one before the one of all clusters."""
    kind, inside = ("roles", namespace) if reference["kind"] == "Role" else ("clusterroles", "")
    return place.find(kind, reference["name"], inside) or fallback.find(kind, reference["name"], inside)


def role_rules(role: Json | None, place: Stored, base: Stored) -> Iterator[Json]:
    """Yield a role's rules; of one that aggregates, those of all roles with the labels it selects."""
    if role is None:
        return
    selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    if not selectors:
        yield from role.get("rules") or []
        return
    known = {item["metadata"]["name"]: item for stored in (base, place) for item in stored.objects["clusterroles"]}
    for other in known.values():
        labels = other["metadata"].get("labels", {})
        if other is not role and any(s["matchLabels"].items() <= labels.items() for s in selectors):
            yield from role_rules(other, place, base)


def permits(rule: Json, wish: Wish) -> bool:
    """Tell whether one rule allows `wish`."""
    if not {"*", wish.verb} & set(rule["verbs"]):
        return False
    if not wish.resource:
        return any(
            wish.path.startswith(url[:-1]) if url.endswith("*") else wish.path == url
            for url in rule.get("nonResourceURLs") or []
        )
    if not {"*", wish.group} & set(rule.get("apiGroups") or []):
        return False
    full = f"{wish.resource}/{wish.subresource}" if wish.subresource else wish.resource
    wanted = {"*", full} | ({f"*/{wish.subresource}"} if wish.subresource else set())
    if not wanted & set(rule.get("resources") or []):
        return False
    only = rule.get("resourceNames") or []
    return not only or wish.name in only
