"""What was written and acknowledged, and what a server killed in between may and must show afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# A decoded JSON document.
Json = Any
# What a write puts into an object and a read must find: data of a configmap, labels of anything else.
Content = dict[str, str]

CLUSTER_ANNOTATION = "kcp.io/cluster"
# Objects and labels that the server adds by itself.
GIVEN_CONFIGMAP = "kube-root-ca.crt"
GIVEN_LABEL = "kubernetes.io/metadata.name"


class Key(NamedTuple):
    """Where an object is."""

    resource: str
    cluster: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource} {self.cluster}|{self.namespace}/{self.name}"


class Version(NamedTuple):
    """An object as it is at one revision; `content` is None in the tombstone that a delete leaves."""

    content: Content | None
    revision: int


class Event(NamedTuple):
    """One event of a watch."""

    kind: str
    key: Key
    content: Content
    revision: int


@dataclass(slots=True)
class Write:
    """One write: in flight until `acknowledged`; a delete's answer tells no revision, only its event does."""

    verb: str
    key: Key
    before: Content | None
    content: Content | None
    acknowledged: bool = False
    revision: int | None = None

    def event(self) -> tuple[str, Key, str]:
        """Return what tells this write's event from all others: every write has content of its own."""
        if self.content is None:
            return "DELETED", self.key, repr(sorted((self.before or {}).items()))
        return "ADDED" if self.verb == "create" else "MODIFIED", self.key, repr(sorted(self.content.items()))


@dataclass(slots=True)
class Ledger:
    """The settled state of all objects and every change that watches of configmaps ever have to deliver."""

    state: dict[Key, Version] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)
    newest: int = 0

    def check_state(self, writes: Sequence[Sequence[Write]], found: Mapping[Key, Version]) -> Iterator[str]:
        """Yield what is wrong with `found`, the state after a kill during `writes` (a sequence per writer).

        Afterwards `found` is the settled state.
        """
        by_key: dict[Key, list[Write]] = {}
        for write in (write for sequence in writes for write in sequence):
            by_key.setdefault(write.key, []).append(write)
        for key in sorted(self.state.keys() | by_key.keys() | found.keys()):
            yield from self._check_object(key, by_key.get(key, []), found.get(key))
        self.state = dict(found)

    def _check_object(self, key: Key, writes: Sequence[Write], found: Version | None) -> Iterator[str]:
        done = [write for write in writes if write.acknowledged]
        if done:
            # One writer's writes are in order; what several wrote is ordered by revision.
            last = done[-1] if any(write.revision is None for write in done) else max(done, key=revision_of)
            settled = Version(last.content, last.revision or 0)
        else:
            settled = self.state.get(key, Version(None, 0))
        if found is None:
            if settled.content is None:
                return
            wanted: list[Content | None] = []
        elif found == settled:
            return
        else:
            if found.content == settled.content:
                yield f"{key}: at revision {found.revision}, acknowledged was {settled.revision}"
                return
            wanted = [found.content]
        flying = [write.content for write in writes if not write.acknowledged]
        if (found.content if found else None) in flying:
            if found is not None and found.revision <= settled.revision:
                yield f"{key}: a write in flight got revision {found.revision}, before it was {settled.revision}"
            return
        yield f"{key}: expected {settled}{f' or one of {flying}' if flying else ''}, found {wanted or 'nothing'}"

    def check_events(self, writes: Sequence[Sequence[Write]], events: Sequence[Event]) -> Iterator[str]:
        """Yield what is wrong with `events`, all that watches of configmaps got since the last check.

        Afterwards they are part of the history.
        """
        yield from rising(self.newest_event(), events)
        counted = Counter(identity(event) for event in events)
        revisions = {identity(event): event.revision for event in events}
        for sequence in writes:
            previous = 0
            for write in sequence:
                if write.key.resource != "configmaps":
                    continue
                wanted = write.event()
                times = counted.pop(wanted, 0)
                if times > 1 or (write.acknowledged and times == 0):
                    yield f"{write.verb} {write.key}: {wanted[0]} came {times} times, content {wanted[2]}"
                if times == 0:
                    continue
                revision = revisions[wanted]
                if write.revision not in {None, revision}:
                    yield f"{write.verb} {write.key}: acknowledged at {write.revision}, its event has {revision}"
                if revision <= previous:
                    yield f"{write.verb} {write.key}: event {revision} is not after its writer's last, {previous}"
                previous = revision
        for (kind, key, content), times in counted.items():
            yield f"{kind} {key} came {times} times, and nobody wrote it: {content}"
        self.history.extend(events)

    def newest_event(self) -> int:
        """Return the revision of the last event in the history, from which a watch goes on."""
        return self.history[-1].revision if self.history else 0

    def raise_newest(self, revisions: Iterable[int]) -> None:
        """Remember the highest of the revisions that the server ever told."""
        self.newest = max(self.newest, *revisions)


def revision_of(write: Write) -> int:
    """Return the revision of a write that has one."""
    assert write.revision is not None
    return write.revision


def rising(since: int, events: Sequence[Event]) -> Iterator[str]:
    """Yield each event that is not later than the one before it."""
    for event in events:
        if event.revision <= since:
            yield f"{event.kind} {event.key} at {event.revision} came after revision {since}"
        since = event.revision


def identity(event: Event) -> tuple[str, Key, str]:
    """Return the same as `Write.event` of the write that caused it."""
    return event.kind, event.key, repr(sorted(event.content.items()))


def confirm_seen(writes: Sequence[Sequence[Write]], events: Sequence[Event]) -> None:
    """Take writes whose events were seen for acknowledged: no watcher may see what a crash undoes."""
    seen = {identity(event): event.revision for event in events}
    for sequence in writes:
        for write in sequence:
            if write.key.resource == "configmaps" and write.event() in seen and not write.acknowledged:
                write.acknowledged = True
                write.revision = seen[write.event()]


def content_of(key: Key, item: Json) -> Content:
    """Return the part of an object that writes of these tests set."""
    if key.resource == "configmaps":
        return dict(item.get("data") or {})
    labels = item["metadata"].get("labels") or {}
    return {name: value for name, value in labels.items() if name != GIVEN_LABEL}


def key_of(resource: str, item: Json) -> Key:
    """Return where an object says it is."""
    metadata = item["metadata"]
    cluster = metadata["annotations"][CLUSTER_ANNOTATION]
    return Key(resource, cluster, metadata.get("namespace", ""), metadata["name"])


def version_of(key: Key, item: Json) -> Version:
    """Return an object's content and revision."""
    return Version(content_of(key, item), int(item["metadata"]["resourceVersion"]))
