"""What the generator knows: kinds that can be asked for, and the objects that exist on both sides."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.conformance.differential.wire import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from tests.conformance.differential.step import Step
    from tests.conformance.exchange import Answer, Json

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource the generator sends requests about.

    `make` gives a valid body without metadata; `change` gives a valid other one. `faults` break a body that is
    created, `update_faults` one that replaces it; their names are classes of fault.
    """

    resource: str
    group: str
    version: str
    kind: str
    namespaced: bool
    make: Callable[[Random], Body]
    change: Callable[[Random, Body], Body]
    faults: Mapping[str, Callable[[Random, Body], Body]] = field(default_factory=dict)
    update_faults: Mapping[str, Callable[[Random, Body], Body]] = field(default_factory=dict)
    subresources: tuple[str, ...] = ()
    custom: bool = False
    fields: tuple[str, ...] = ()  # what field selectors may name besides metadata
    paths: tuple[str, ...] = ()  # JSON pointers worth patching
    deletable: bool = True
    collection_deletable: bool = True

    @property
    def api_version(self) -> str:
        """Return group and version as objects carry them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """Return the path of the group's version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def label(self) -> str:
        """Return the name that labels and differences use."""
        return f"{self.resource}.{self.group}" if self.group in ("events.k8s.io",) else self.resource

    def collection(self, namespace: str | None) -> str:
        """Return the path of the collection; without a namespace that of all of them."""
        if self.namespaced and namespace:
            return f"{self.root}/namespaces/{namespace}/{self.resource}"
        return f"{self.root}/{self.resource}"

    def path(self, namespace: str | None, name: str, subresource: str = "") -> str:
        """Return the path of an object or a subresource of it."""
        return f"{self.collection(namespace)}/{name}" + (f"/{subresource}" if subresource else "")


@dataclass(slots=True)
class Known:
    """An object that exists on both sides.

    `name` may be a placeholder; `source` is the step whose answer shows the object last; `body` is what the
    kube-apiserver said of it then.
    """

    kind: Kind
    namespace: str
    name: str
    source: str
    body: Body

    @property
    def path(self) -> str:
        """Return the object's path."""
        return self.kind.path(self.namespace, self.name)

    def edited(self) -> Body:
        """Return the body as a client would send it back, with its revision and uid as placeholders."""
        body = copy.deepcopy(self.body)
        metadata = body.setdefault("metadata", {})
        for key in ("managedFields", "creationTimestamp", "generation", "uid", "resourceVersion"):
            metadata.pop(key, None)
        metadata["name"] = self.name
        metadata["resourceVersion"] = f"{{{{{self.source}:metadata.resourceVersion}}}}"
        return body

    @property
    def is_leaving(self) -> bool:
        """Tell whether the object waits for its finalizers."""
        return "deletionTimestamp" in self.body.get("metadata", {})


@dataclass(slots=True)
class World:
    """The state of one episode as the generator sees it."""

    rng: Random
    kinds: tuple[Kind, ...]
    objects: list[Known] = field(default_factory=list)
    steps: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    last_list: str = ""  # the step whose answer holds a continue token
    last_list_path: str = ""

    @property
    def namespace(self) -> str:
        """Return the episode's namespace."""
        return f"ns-{TOKEN}"

    def next_name(self) -> str:
        """Return the name of the next step."""
        self.steps += 1
        return f"s{self.steps}"

    def pick(self, kinds: tuple[Kind, ...] | None = None) -> Known | None:
        """Return some object that exists, of one of the kinds."""
        found = [known for known in self.objects if kinds is None or known.kind in kinds]
        return self.rng.choice(found) if found else None

    def chance(self, share: float) -> bool:
        """Return true in a share of the calls."""
        return self.rng.random() < share

    def learn(self, step: Step, answer: Answer, word: str) -> None:
        """Take in what an answer that both sides gave alike says about objects."""
        if not 200 <= answer.status < 300 or "dryRun" in step.path or step.method in ("GET", "HEAD"):
            return
        try:
            body = json.loads(answer.body.decode(errors="replace").replace(word, TOKEN))
        except ValueError:
            return
        if not isinstance(body, dict):
            return
        target = self.extra.get(step.name)
        if not isinstance(target, Target):
            return
        if target.collection:
            self._forget_items(target.kind, body)
            return
        known = next((k for k in self.objects if k.kind is target.kind and k.name == target.name), None)
        if step.method == "DELETE" and body.get("kind") == "Status":
            if known is not None:
                self.objects.remove(known)
            return
        if body.get("kind") != target.kind.kind:
            return
        if known is None:
            name = target.name or f"{{{{{step.name}:metadata.name}}}}"
            self.objects.append(Known(target.kind, self.namespace, name, step.name, body))
            return
        known.body, known.source = body, step.name
        if known.is_leaving and not body["metadata"].get("finalizers") and step.method != "DELETE":
            self.objects.remove(known)

    def _forget_items(self, kind: Kind, body: Json) -> None:
        gone = {
            item["metadata"]["name"]
            for item in body.get("items", [])
            if not item["metadata"].get("finalizers") and isinstance(item, dict)
        }
        left = {item["metadata"]["name"]: item for item in body.get("items", []) if item["metadata"].get("finalizers")}
        for known in list(self.objects):
            name = known.body.get("metadata", {}).get("name")
            if known.kind is kind and name in gone:
                self.objects.remove(known)
            elif known.kind is kind and name in left:
                known.body = {**known.body, "metadata": left[name]["metadata"]}


@dataclass(frozen=True, slots=True)
class Target:
    """What a step that writes is about: an object by name (empty: the server chooses it), or a collection."""

    kind: Kind
    name: str = ""
    collection: bool = False
