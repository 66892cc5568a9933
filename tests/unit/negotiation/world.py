"""A logical cluster in memory: what is decided is done at once, until nothing is left to do."""

from __future__ import annotations

import copy
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from kcp.negotiation.kinds import API_VERSION, DEFINITIONS, IMPORTS, KINDS, NEGOTIATED, Family, api_of
from kcp.negotiation.plan import Create, Delete, Replace, State, Step, WriteStatus, decide

if TYPE_CHECKING:
    from kcp.client.places import Resource

FAMILY = Family("wild.io", "cowboys")
TIME = "2030-01-01T00:00:00Z"
Object: TypeAlias = "dict[str, Any]"


def schema(**fields: str | Object) -> Object:
    """Return a schema whose `spec` has fields of the given types, or schemas."""
    given = {name: {"type": said} if isinstance(said, str) else said for name, said in fields.items()}
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": given}}}


def fields_of(said: Object) -> set[str]:
    return set(said["properties"]["spec"].get("properties", ()))


def imported(
    location: str, said: Object, strategy: str = "UpdateUnpublished", version: str = "v1", **more: object
) -> Object:
    spec = {
        "location": location,
        "schemaUpdateStrategy": strategy,
        "groupVersion": {"group": FAMILY.group, "version": version},
        "scope": "Namespaced",
        "plural": FAMILY.plural,
        "kind": "Cowboy",
        "openAPIV3Schema": said,
        "subResources": [{"name": "status"}],
        **more,
    }
    name = f"{FAMILY.plural}.{location}.{version}.{FAMILY.group}"
    return {"apiVersion": API_VERSION, "kind": KINDS[IMPORTS], "metadata": {"name": name}, "spec": spec}


def manual(said: Object | None, version: str = "v1") -> Object:
    row = {"name": version, "served": True, "storage": True}
    if said is not None:
        row["schema"] = {"openAPIV3Schema": said}
    names = {"plural": FAMILY.plural, "kind": "Cowboy"}
    spec = {"group": FAMILY.group, "scope": "Namespaced", "names": names, "versions": [row]}
    return {"metadata": {"name": FAMILY.definition}, "spec": spec}


class World:
    """The objects of one resource."""

    def __init__(self, *, publish: bool = False) -> None:
        self.publish = publish
        self.objects: dict[tuple[Resource, str], Object] = {}
        self.numbers = count(1)
        self.refusal = ""

    def put(self, thing: Object, resource: Resource = IMPORTS) -> None:
        """Create or replace an object, as a client does, and let everything follow."""
        self.write(resource, thing)
        self.settle()

    def remove(self, resource: Resource, name: str) -> None:
        """Delete an object, as a client does, and let everything follow."""
        del self.objects[resource, name]
        self.settle()

    def remove_import(self, location: str, version: str = "v1") -> None:
        self.remove(IMPORTS, f"{FAMILY.plural}.{location}.{version}.{FAMILY.group}")

    def write(self, resource: Resource, thing: Object) -> None:
        name = thing["metadata"]["name"]
        before = self.objects.get((resource, name))
        thing = copy.deepcopy(thing)
        number = next(self.numbers)
        made = (
            before["metadata"] if before else {"uid": f"uid-{number}", "creationTimestamp": f"{TIME[:-4]}{number:03}"}
        )
        thing["metadata"] = {**thing["metadata"], **{k: made[k] for k in ("uid", "creationTimestamp")}}
        if before and "status" in before:
            thing["status"] = before["status"]
        if resource == DEFINITIONS:
            said = [{"type": "Established", "status": "True"}, {"type": "NamesAccepted", "status": "True"}]
            stored = set((before or {}).get("status", {}).get("storedVersions", ()))
            stored |= {row["name"] for row in thing["spec"]["versions"] if row["storage"]}
            thing["status"] = {"conditions": said, "storedVersions": sorted(stored)}
        self.objects[resource, name] = thing

    def steps(self) -> list[Step]:
        def of(resource: Resource) -> list[Object]:
            return [copy.deepcopy(thing) for (kind, _), thing in self.objects.items() if kind == resource]

        state = State(FAMILY, of(IMPORTS), of(NEGOTIATED), next(iter(of(DEFINITIONS)), None))
        return decide(state, publish=self.publish, time=TIME, refusal=self.refusal)

    def settle(self) -> None:
        for _ in range(10):
            if not (steps := self.steps()):
                return
            for step in steps:
                self.do(step)
        raise AssertionError(f"it does not come to an end: {self.steps()}")

    def do(self, step: Step) -> None:
        if isinstance(step, Create | Replace):
            if self.refusal and step.resource == DEFINITIONS:
                return
            assert isinstance(step, Replace) == ((step.resource, step.body["metadata"]["name"]) in self.objects)
            self.write(step.resource, step.body)
        elif isinstance(step, Delete):
            assert self.objects.pop((step.resource, step.name))["metadata"]["uid"] == step.uid
        elif isinstance(step, WriteStatus):
            found = self.objects.get((step.resource, step.body["metadata"]["name"]))
            if found is not None:
                found["status"] = step.body["status"]

    def negotiated(self, version: str = "v1") -> Object | None:
        return self.objects.get((NEGOTIATED, f"{FAMILY.plural}.{version}.{FAMILY.group}"))

    @property
    def definition(self) -> Object | None:
        return self.objects.get((DEFINITIONS, FAMILY.definition))

    def served(self) -> dict[str, set[str]]:
        """Return the fields of each served version."""
        rows = self.definition["spec"]["versions"] if self.definition else []
        return {r["name"]: fields_of(r["schema"]["openAPIV3Schema"]) for r in rows if r["served"]}

    def let_publish(self, version: str = "v1") -> None:
        thing = self.negotiated(version)
        assert thing is not None
        thing["spec"]["publish"] = True
        self.settle()

    def fields(self, version: str = "v1") -> set[str] | None:
        thing = self.negotiated(version)
        return None if thing is None else fields_of(thing["spec"]["openAPIV3Schema"])

    def conditions(self, version: str = "v1") -> dict[str, str]:
        return _conditions(self.negotiated(version))

    def verdicts(self, kind: str = "Compatible") -> dict[str, str | None]:
        """Return a condition of each import, by its location (and version, of others than v1)."""
        found = {}
        for (resource, _), thing in self.objects.items():
            if resource == IMPORTS:
                version = api_of(thing).version
                key = thing["spec"]["location"] + ("" if version == "v1" else f"/{version}")
                found[key] = _conditions(thing).get(kind)
        return found

    def message(self, location: str) -> str:
        thing = next(t for (r, _), t in self.objects.items() if r == IMPORTS and t["spec"]["location"] == location)
        return str(next(c["message"] for c in thing["status"]["conditions"] if c["type"] == "Compatible"))


def _conditions(thing: Object | None) -> dict[str, str]:
    return {c["type"]: c["status"] for c in ((thing or {}).get("status") or {}).get("conditions", ())}
