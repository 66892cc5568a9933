"""Clients of the server that is about to be killed: writers and a watcher, each on a connection of its own."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.crash.ledger import GIVEN_CONFIGMAP, Content, Event, Json, Key, Version, Write, content_of, key_of

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Callable, Iterator

CLUSTERS = ("crash-left", "crash-right")
GROUP = "crash.example.com"
# One writer for each, which defines the resource and then writes instances of it.
THINGS = ("things0", "things1", "things2", "things3")
# Objects per writer and namespace: few, so that each is created, changed and deleted many times.
NAMES = 5
# All writers update this one, in every cluster.
SHARED = "shared"
ANSWER_SECONDS = 30
MERGE_PATCH = "application/merge-patch+json"
# What a connection whose server was killed may raise.
BROKEN = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Door:
    """How to reach the server as its administrator."""

    url: str
    token: str
    trust: ssl.SSLContext

    def connect(self) -> http.client.HTTPSConnection:
        """Return a connection, not yet open."""
        where = urlsplit(self.url)
        assert where.hostname is not None
        return http.client.HTTPSConnection(where.hostname, where.port, timeout=ANSWER_SECONDS, context=self.trust)

    def send(
        self,
        to: http.client.HTTPSConnection,
        method: str,
        path: str,
        body: Json = None,
        media_type: str = "application/json",
    ) -> None:
        """Send a request without waiting for the answer."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": media_type}
        to.request(method, path, None if body is None else json.dumps(body), headers)

    def ask(self, to: http.client.HTTPSConnection, method: str, path: str, body: Json = None) -> Json:
        """Send a request that must succeed and return the decoded answer."""
        self.send(to, method, path, body)
        answer = to.getresponse()
        text = answer.read()
        assert answer.status < 300, f"{method} {path}: {answer.status} {text!r}"
        return json.loads(text)

    def watch(self, to: http.client.HTTPSConnection, cluster: str, since: int) -> Iterator[Event]:
        """Yield the events of configmaps after a revision until the stream ends; what is torn is left out."""
        path = f"/clusters/{cluster}/api/v1/configmaps?watch=true&resourceVersion={since}"
        self.send(to, "GET", path)
        answer = to.getresponse()
        assert answer.status == 200, f"GET {path}: {answer.status} {answer.read()!r}"
        return events(answer)


def events(answer: http.client.HTTPResponse) -> Iterator[Event]:
    """Yield the events of a watch that has begun."""
    while True:
        try:
            line = answer.readline()
        except BROKEN:
            return
        if not line.endswith(b"\n"):
            return
        event = json.loads(line)
        assert event["type"] in {"ADDED", "MODIFIED", "DELETED"}, f"a watch got {event}"
        item = event["object"]
        key = key_of("configmaps", item)
        if key.name != GIVEN_CONFIGMAP:
            yield Event(event["type"], key, content_of(key, item), int(item["metadata"]["resourceVersion"]))


def path_of(key: Key, *, collection: bool = False) -> str:
    """Return the path of an object, or of the collection it is created in."""
    prefix = "/api/v1"
    if key.resource == "customresourcedefinitions":
        prefix = "/apis/apiextensions.k8s.io/v1"
    elif key.resource in THINGS:
        prefix = f"/apis/{GROUP}/v1"
    namespace = f"/namespaces/{key.namespace}" if key.namespace else ""
    name = "" if collection else f"/{key.name}"
    return f"/clusters/{key.cluster}{prefix}{namespace}/{key.resource}{name}"


def manifest(key: Key, content: Content) -> Json:
    """Return an object to create or to put."""
    metadata: Json = {"name": key.name}
    match key.resource:
        case "configmaps":
            metadata["namespace"] = key.namespace
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content}
        case "namespaces":
            return {"apiVersion": "v1", "kind": "Namespace", "metadata": {**metadata, "labels": content}}
    if key.resource in THINGS:
        metadata |= {"namespace": key.namespace, "labels": content}
        return {"apiVersion": f"{GROUP}/v1", "kind": key.resource.title(), "metadata": metadata}
    plural = key.name.partition(".")[0]
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {**metadata, "labels": content},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": plural.title()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


@dataclass(slots=True)
class Trigger:
    """Kills the server after a given number of acknowledgements, once."""

    kill: Callable[[], None]
    acknowledgements: int
    pulled: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> bool:
        """Count one acknowledgement and say whether it is time to pull."""
        with self.lock:
            self.acknowledgements -= 1
            return self.acknowledgements == 0

    def pull(self) -> None:
        """Kill the server."""
        self.pulled = True  # before the signal, so that nobody takes what breaks now for a fault
        self.kill()


@dataclass(slots=True)
class Writer:
    """Writes to objects of its own (and the shared one) until the server is gone."""

    number: int
    rng: random.Random
    door: Door
    state: dict[Key, Version]
    trigger: Trigger
    serial: str
    writes: list[Write] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Write until the connection breaks, which it must not do before the kill."""
        connection = self.door.connect()
        try:
            self._write_on(connection)
        except BROKEN as error:
            if not self.trigger.pulled:
                last = self.writes[-1] if self.writes else "nothing yet"
                self.faults.append(f"the connection broke before the kill: {error!r} at {last}")
        except Exception as error:
            self.faults.append(f"writer {self.number} failed: {error!r}")
        finally:
            if not self.trigger.pulled:
                self.trigger.pull()
            connection.close()

    def _write_on(self, connection: http.client.HTTPSConnection) -> None:
        kill_in_flight = False
        while True:
            write = self._next()
            self.writes.append(write)
            self._send(connection, write)
            if kill_in_flight:
                self.trigger.pull()
            answer = connection.getresponse()
            body = answer.read()
            if answer.status >= 300:
                self.faults.append(f"{write.verb} {write.key}: {answer.status} {body!r}")
                return
            self._acknowledge(write, json.loads(body))
            if self.trigger.count():
                kill_in_flight = self.rng.random() < 0.5
                if not kill_in_flight:
                    self.trigger.pull()

    def _acknowledge(self, write: Write, item: Json) -> None:
        write.acknowledged = True
        if write.content is None:
            del self.state[write.key]
            return
        write.revision = int(item["metadata"]["resourceVersion"])
        if content_of(write.key, item) != write.content:
            self.faults.append(f"{write.verb} {write.key}: sent {write.content}, answered {item}")
        self.state[write.key] = Version(write.content, write.revision)

    def _send(self, connection: http.client.HTTPSConnection, write: Write) -> None:
        path, content, media_type = path_of(write.key), write.content, "application/json"
        body: Json = None
        match write.verb:
            case "create":
                path, body = path_of(write.key, collection=True), manifest(write.key, content or {})
            case "update":
                body = manifest(write.key, content or {})
                # Half of them hold to the revision they know, which only this writer changes.
                if write.key.name != SHARED and self.rng.random() < 0.5:
                    body["metadata"]["resourceVersion"] = str(self.state[write.key].revision)
            case "patch":
                before = write.before or {}
                changes = {k: v for k, v in (content or {}).items() if before.get(k) != v}
                gone: Json = {k: None for k in before if k not in (content or {})}
                place = {**changes, **gone}
                body = {"data": place} if write.key.resource == "configmaps" else {"metadata": {"labels": place}}
                media_type = MERGE_PATCH
        method = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}[write.verb]
        self.door.send(connection, method, path, body, media_type)

    def _next(self) -> Write:
        cluster = self.rng.choice(CLUSTERS)
        chance = self.rng.random()
        definition = Key("customresourcedefinitions", cluster, "", f"{THINGS[self.number]}.{GROUP}")
        if chance < 0.05:
            return self._of(Key("namespaces", cluster, "", f"extra-{self.number}"), deletes=False)
        if chance < 0.08:
            return self._of(definition, deletes=False)
        if chance < 0.2 and definition in self.state:
            return self._of(Key(THINGS[self.number], cluster, "default", f"n{self.rng.randrange(NAMES)}"), deletes=True)
        if chance < 0.27:
            key = Key("configmaps", cluster, "default", SHARED)
            return Write("update", key, None, self._content({}))
        namespace = "default"
        if chance < 0.45 and Key("namespaces", cluster, "", f"extra-{self.number}") in self.state:
            namespace = f"extra-{self.number}"
        key = Key("configmaps", cluster, namespace, f"w{self.number}-{self.rng.randrange(NAMES)}")
        return self._of(key, deletes=True)

    def _of(self, key: Key, *, deletes: bool) -> Write:
        version = self.state.get(key)
        if version is None or version.content is None:
            return Write("create", key, None, self._content({}))
        if deletes and self.rng.random() < 0.25:
            return Write("delete", key, version.content, None)
        if key.resource == "configmaps" and self.rng.random() < 0.5:
            return Write("update", key, version.content, self._content({}))
        kept = {k: v for k, v in version.content.items() if self.rng.random() < 0.7}
        return Write("patch", key, version.content, self._content(kept))

    def _content(self, kept: Content) -> Content:
        """Return content that no other write has."""
        mine = {"write": f"{self.serial}-{self.number}-{len(self.writes)}"}
        if self.rng.random() < 0.5:
            mine[f"k{self.rng.randrange(4)}"] = "x" * self.rng.choice((1, 60))
        return {**kept, **mine}


@dataclass(slots=True)
class Watcher:
    """Watches the configmaps of all clusters until the server is gone."""

    door: Door
    since: int
    begun: threading.Event = field(default_factory=threading.Event)
    seen: list[Event] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Collect events until the connection breaks."""
        connection = self.door.connect()
        try:
            stream = self.door.watch(connection, "*", self.since)
            self.begun.set()
            self.seen.extend(stream)
        except Exception as error:
            self.faults.append(f"the watch failed: {error!r}")
        finally:
            self.begun.set()
            connection.close()
