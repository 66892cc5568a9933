"""Names, labels and annotations by which two clusters know what belongs together. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

GROUP = "workload.kcp.io"
# Says which physical cluster an object is for; the same downstream.
CLUSTER_LABEL = f"{GROUP}/cluster"
# Says downstream which logical cluster an object is from: a digest, because names may hold what labels may not.
ORIGIN_LABEL = f"{GROUP}/synced-from"
# Of a namespace downstream, as other tools read it.
LOCATOR_ANNOTATION = "kcp.io/namespace-locator"
# Of an object downstream: which object it is a copy of.
COPY_ANNOTATION = f"{GROUP}/copy-of"
# Of an object downstream: digest of what was applied.
CONTENT_ANNOTATION = f"{GROUP}/content"
# Somebody downstream puts it on an object whose edits are to stay.
LEAVE_ALONE_ANNOTATION = f"{GROUP}/leave-alone"
# What a server adds to what it shows.
SERVED_ANNOTATION = "kcp.io/cluster"
LONGEST_LABEL = 63
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


class BadNameError(ValueError):
    """A name cannot be used: one line that says why."""


class Copy(NamedTuple):
    """Which object upstream one downstream is a copy of."""

    namespace: str
    name: str
    uid: str
    generation: int
    """Of the object upstream when it was copied; 0 where it has none."""


@dataclass(frozen=True, slots=True)
class Site:
    """A logical cluster and a physical cluster that some of its objects are synced to."""

    logical_cluster: str
    """Name of the logical cluster, never a path."""
    cluster: str
    """Identifier of the physical cluster: the value of the placement label."""

    def __post_init__(self) -> None:
        """Check what names are made of.

        Raises:
            BadNameError: the identifier fits in no label, or in no name of a finalizer.
        """
        if not _LABEL.fullmatch(self.cluster):
            raise BadNameError(f'cluster "{self.cluster}" is no value of a label: letters, digits, "-", "_" and "."')
        longest = LONGEST_LABEL - len("trouble-")
        if len(self.cluster) > longest:
            raise BadNameError(
                f'cluster "{self.cluster}" is too long: {len(self.cluster)} characters, at most {longest}'
            )

    @property
    def manager(self) -> str:
        """Owner of the fields that are applied downstream; different for each logical cluster."""
        return f"kcp-syncer-{self.origin}"

    @property
    def origin(self) -> str:
        """Value of the label that says where an object is from."""
        return hashlib.sha224(self.logical_cluster.encode()).hexdigest()[:40]

    @property
    def finalizer(self) -> str:
        """Finalizer that keeps an object upstream until its copy is gone."""
        return f"{GROUP}/syncer-{self.cluster}"

    @property
    def trouble(self) -> str:
        """Annotation upstream that says why an object is not synced."""
        return f"{GROUP}/trouble-{self.cluster}"

    @property
    def selector(self) -> str:
        """Selector of what is for this physical cluster, upstream."""
        return f"{CLUSTER_LABEL}={self.cluster}"

    @property
    def copies(self) -> str:
        """Selector of what was copied, downstream."""
        return f"{self.selector},{ORIGIN_LABEL}={self.origin}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels of everything that is made downstream."""
        return {CLUSTER_LABEL: self.cluster, ORIGIN_LABEL: self.origin}

    def locator(self, namespace: str) -> str:
        """Return which namespace upstream one downstream stands for, as compact JSON."""
        return compact({"logical-cluster": self.logical_cluster, "namespace": namespace})

    def namespace(self, namespace: str) -> str:
        """Return the namespace downstream that stands for one upstream: 59 characters."""
        return "kcp" + hashlib.sha224(self.locator(namespace).encode()).hexdigest()

    def copy_of(self, thing: dict[str, Any]) -> Copy | None:
        """Return what an object downstream says it is a copy of; None when it says nothing that can be."""
        metadata = thing["metadata"]
        try:
            said = json.loads((metadata.get("annotations") or {})[COPY_ANNOTATION])
            copy = Copy(str(said["namespace"]), str(said["name"]), str(said["uid"]), int(said["generation"]))
        except (KeyError, TypeError, ValueError):
            return None
        # Whoever may write downstream may write this too: it must lead to where the object stands, and nowhere else.
        here = (self.namespace(copy.namespace), copy.name)
        return copy if here == (metadata.get("namespace"), metadata["name"]) else None

    def owns(self, thing: dict[str, Any]) -> bool:
        """Whether an object downstream was made by a syncer of this site: by its label, or by who owns its fields."""
        metadata = thing["metadata"]
        if (metadata.get("labels") or {}).get(ORIGIN_LABEL) == self.origin:
            return True
        return self.entry(thing) is not None

    def entry(self, thing: dict[str, Any]) -> dict[str, Any] | None:
        """Return the fields of an object downstream that were applied and are still so; None for none."""
        for entry in thing["metadata"].get("managedFields") or ():
            if entry.get("manager") == self.manager and entry.get("operation") == "Apply":
                fields: dict[str, Any] = entry.get("fieldsV1") or {}
                return fields
        return None


def compact(value: object) -> str:
    """Return JSON without blanks, keys in the order they have."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def digest(value: object) -> str:
    """Return a digest of a decoded document that does not depend on the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
