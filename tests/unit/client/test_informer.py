"""What an informer holds and tells, whatever its server does; the server is played, request by request."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from kcp.client import StatusError, UnreachableError
from kcp.client.informer import FIRST_WAIT, Change, Informer
from kcp.client.places import Resource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

MAPS = Resource("", "v1", "configmaps")
Object = dict[str, Any]
GONE = StatusError({"code": 410, "reason": "Expired", "message": "too old"})
AHEAD = StatusError({"code": 504, "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}})
AWAY = UnreachableError("away")


def thing(name: str, version: int, uid: str = "") -> Object:
    metadata = {"namespace": "n", "name": name, "uid": uid or name, "resourceVersion": str(version)}
    return {"metadata": metadata}


def page(version: int, *items: Object, more: str = "") -> Object:
    metadata = {"resourceVersion": str(version), **({"continue": more} if more else {})}
    return {"kind": "ConfigMapList", "metadata": metadata, "items": list(items)}


def event(kind: str, about: Object) -> Object:
    return {"type": kind, "object": about}


class Scripted:
    """A server that answers in a fixed order, and hangs when it has nothing more to say."""

    def __init__(self, *answers: Object | list[Any] | Exception) -> None:
        """Answer with pages (mappings), watches (lists of events; an exception breaks them off) or refusals."""
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.over = trio.Event()

    async def _next(self, verb: str, query: Mapping[str, str]) -> Object | list[Any]:
        await trio.lowlevel.checkpoint()
        self.asked.append((verb, dict(query)))
        if not self.answers:
            self.over.set()
            await trio.sleep_forever()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        assert path == "/api/v1/configmaps"
        answer = await self._next("list", query or {})
        assert isinstance(answer, dict), "a list was not expected"
        return answer

    @asynccontextmanager
    async def watch(self, path: str, query: Mapping[str, str], *, seconds: int) -> AsyncIterator[AsyncIterator[Object]]:
        assert (path, 240 <= seconds <= 480) == ("/api/v1/configmaps", True)
        answer = await self._next("watch", query)
        assert isinstance(answer, list), "a watch was not expected"
        yield _events(answer)


async def _events(answer: list[Any]) -> AsyncIterator[Object]:
    for one in answer:
        await trio.lowlevel.checkpoint()
        if isinstance(one, Exception):
            raise one
        yield one


async def follow(*answers: Object | list[Any] | Exception) -> tuple[Scripted, Informer, list[str]]:
    """Run an informer until the script is over; returns what it told, as `type name oldVersion>newVersion`."""
    script, told = Scripted(*answers), []

    def handler(change: Change) -> None:
        versions = [str(o and o["metadata"]["resourceVersion"]) for o in (change.old, change.new)]
        told.append(f"{change.type} {change.name[1]} {'>'.join(versions)}")
        # The store has it when it is told.
        assert (change.name in informer.store) == (change.new is not None)

    informer = Informer(script, MAPS, handler=handler, chance=random.Random(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(informer.run)
        with trio.fail_after(3600):
            await script.over.wait()
        nursery.cancel_scope.cancel()
    return script, informer, told


async def test_a_list_comes_in_pages_and_the_watch_goes_on_from_it(autojump_clock: trio.testing.MockClock) -> None:
    script, informer, told = await follow(
        page(5, thing("a", 1), more="x"), page(5, thing("b", 2)), [event("MODIFIED", thing("a", 6))]
    )
    assert told == ["added a None>1", "added b None>2", "updated a 1>6"]
    assert script.asked[:2] == [("list", {"limit": "500"}), ("list", {"limit": "500", "continue": "x"})]
    watches = [query["resourceVersion"] for verb, query in script.asked if verb == "watch"]
    assert watches == ["5", "6"]
    assert {name: o["metadata"]["resourceVersion"] for name, o in informer.store.items()} == {
        ("n", "a"): "6",
        ("n", "b"): "2",
    }


async def test_a_watch_resumes_at_its_last_event_or_bookmark(autojump_clock: trio.testing.MockClock) -> None:
    script, _, told = await follow(
        page(1),
        [event("ADDED", thing("a", 3)), event("BOOKMARK", {"metadata": {"resourceVersion": "9"}}), AWAY],
        AWAY,
        [event("DELETED", thing("a", 12))],
    )
    assert [query["resourceVersion"] for verb, query in script.asked if verb == "watch"] == ["1", "9", "9", "12"]
    assert told == ["added a None>3", "deleted a 12>None"]


@pytest.mark.parametrize("why", [GONE, AHEAD])
async def test_what_is_too_old_is_listed_anew_and_only_the_difference_told(
    why: StatusError, autojump_clock: trio.testing.MockClock
) -> None:
    _, informer, told = await follow(
        page(5, thing("stays", 1), thing("changes", 2), thing("goes", 3), thing("returns", 4, "first")),
        [why],
        page(50, thing("stays", 1), thing("changes", 20), thing("comes", 30), thing("returns", 40, "second")),
    )
    assert told[4:] == [
        "deleted goes 3>None",
        "updated changes 2>20",
        "added comes None>30",
        "deleted returns 4>None",
        "added returns None>40",
    ]
    assert {name for _, name in informer.store} == {"stays", "changes", "comes", "returns"}


@pytest.mark.parametrize(
    "bad",
    [
        AWAY,
        StatusError({"code": 403, "message": "no"}),
        StatusError({"code": 404, "message": "no such resource"}),
        StatusError({"code": 500}),
        {"kind": "Status"},
        {"kind": "ConfigMapList", "items": []},
        {},
    ],
)
async def test_nothing_is_deleted_by_a_list_that_fails(
    bad: Object | Exception, autojump_clock: trio.testing.MockClock
) -> None:
    _, informer, told = await follow(page(1, thing("a", 1), thing("b", 1)), [GONE], bad)
    assert told == ["added a None>1", "added b None>1"]
    assert len(informer.store) == 2
    assert informer.trouble


@pytest.mark.parametrize("bad", [AWAY, StatusError({"code": 500})])
async def test_nothing_is_deleted_by_a_part_of_a_list(bad: Exception, autojump_clock: trio.testing.MockClock) -> None:
    _, informer, told = await follow(
        page(1, thing("a", 1), thing("b", 1)), [GONE], page(9, thing("a", 1), more="x"), bad
    )
    assert told == ["added a None>1", "added b None>1"]
    assert len(informer.store) == 2


async def test_pages_that_the_server_forgets_are_read_at_once(autojump_clock: trio.testing.MockClock) -> None:
    script, informer, _ = await follow(page(1, thing("a", 1), more="x"), GONE, page(9, thing("a", 1), thing("b", 2)))
    assert script.asked[2] == ("list", {})
    assert len(informer.store) == 2


async def test_it_is_synced_by_the_first_whole_list_and_not_before(autojump_clock: trio.testing.MockClock) -> None:
    script = Scripted(AWAY, page(1, thing("a", 1), more="x"), AWAY, page(1))
    informer = Informer(script, MAPS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(informer.run)
        began = trio.current_time()
        await informer.wait_synced()
        assert trio.current_time() - began > FIRST_WAIT
        assert [verb for verb, _ in script.asked][:4] == ["list"] * 4
        assert informer.trouble == ""
        nursery.cancel_scope.cancel()


async def test_a_server_that_refuses_is_asked_less_and_less_often(autojump_clock: trio.testing.MockClock) -> None:
    refusals = [StatusError({"code": 403})] * 30
    began = trio.current_time()
    await follow(*refusals)
    assert trio.current_time() - began > 20 * 15


async def test_watches_that_end_at_once_do_not_make_a_storm(autojump_clock: trio.testing.MockClock) -> None:
    began = trio.current_time()
    await follow(page(1), *([[]] * 30))
    assert trio.current_time() - began > 20 * 15


async def test_cancelled_it_keeps_what_it_has_and_goes_on_there(autojump_clock: trio.testing.MockClock) -> None:
    script = Scripted(page(1, thing("a", 1)), [event("ADDED", thing("b", 4))])
    informer = Informer(script, MAPS)
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(informer.run)
            await script.over.wait()
            nursery.cancel_scope.cancel()
        script.over = trio.Event()
    assert len(informer.store) == 2
    assert [(verb, query.get("resourceVersion")) for verb, query in script.asked] == [
        ("list", None),
        ("watch", "1"),
        ("watch", "4"),
        ("watch", "4"),
    ]


async def test_a_handler_that_comes_later_hears_of_what_is_there(autojump_clock: trio.testing.MockClock) -> None:
    _, informer, _ = await follow(page(1, thing("a", 1)))
    heard: list[Change] = []
    informer.add_handler(heard.append)
    assert [(change.type, change.name) for change in heard] == [("added", ("n", "a"))]


async def test_objects_of_one_name_in_two_logical_clusters_are_two(autojump_clock: trio.testing.MockClock) -> None:
    def placed(cluster: str, version: int) -> Object:
        found = thing("a", version, cluster)
        found["metadata"]["annotations"] = {"kcp.io/cluster": cluster}
        return found

    server = Scripted(
        page(5, placed("one", 1), placed("two", 2)),
        [event("MODIFIED", placed("one", 6)), event("DELETED", placed("two", 7))],
    )
    informer = Informer(
        server, MAPS, naming=lambda o: (o["metadata"]["annotations"]["kcp.io/cluster"], o["metadata"]["name"])
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(informer.run)
        await informer.wait_synced()
        assert set(informer.store) == {("one", "a"), ("two", "a")}
        await server.over.wait()
        nursery.cancel_scope.cancel()
    assert [found["metadata"]["resourceVersion"] for found in informer.store.values()] == ["6"]
