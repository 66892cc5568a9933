"""Watches: what is replayed, how selectors cut it, bookmarks, and the error for what is gone."""

from __future__ import annotations

from tests.conformance.exchange import Scenario
from tests.conformance.scenarios.make import CORE, TABLE, config_map, delete, get, namespace, patch, post
from tests.conformance.scenarios.objects import event

MAPS = f"{CORE}/namespaces/watched/configmaps"
EVENTS = f"{CORE}/namespaces/expired/events"
SINCE = f"{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={{{{namespace-watched:metadata.resourceVersion}}}}"
INITIAL = f"{MAPS}?watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"

SCENARIOS = (
    Scenario(
        "watches",
        "Watches of configmaps after a create, two patches, a delete and a second create.",
        (
            namespace("watched"),
            post(
                "first",
                MAPS,
                {**config_map("first", a="1"), "metadata": {"name": "first", "labels": {"x": "1"}}},
            ),
            patch("change", f"{MAPS}/first", {"data": {"a": "2"}}),
            patch("unlabel", f"{MAPS}/first", {"metadata": {"labels": {"x": "2"}}}),
            patch("nothing", f"{MAPS}/first", {"data": {"a": "2"}}),
            delete("gone", f"{MAPS}/first"),
            post("second", MAPS, config_map("second", b="1")),
        ),
        (
            get("from-version", SINCE),
            get("from-version-labelled", SINCE + "&labelSelector=x%3D1"),
            get("from-version-one-name", SINCE + "&fieldSelector=metadata.name%3Dfirst"),
            get("from-now", f"{MAPS}?watch=1&timeoutSeconds=1"),
            get("from-zero", f"{MAPS}?watch=true&timeoutSeconds=1&resourceVersion=0"),
            get("bookmark-before-end", f"{MAPS}?watch=1&timeoutSeconds=4&allowWatchBookmarks=true"),
            get("initial-events", INITIAL + "&allowWatchBookmarks=true"),
            get("initial-events-without-bookmarks", INITIAL),
            get(
                "initial-events-empty",
                INITIAL.replace("/watched/", "/nowhere/") + "&allowWatchBookmarks=true",
            ),
            get("too-old", f"{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=1"),
            get("future", f"{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=99999999"),
            get("future-initial", INITIAL + "&allowWatchBookmarks=true&resourceVersion=99999999"),
            get("deprecated-path", f"{CORE}/watch/namespaces/watched/configmaps?timeoutSeconds=1"),
            get("object-with-watch", f"{MAPS}/second?watch=1&timeoutSeconds=1"),
        ),
    ),
    Scenario(
        "expired",
        "Reads of history that the store no longer has (events: they are not served from a cache).",
        (
            namespace("expired"),
            post("one", EVENTS, event("expired", "one")),
            post("two", EVENTS, event("expired", "two")),
            get("page", f"{EVENTS}?limit=1"),
            post("three", EVENTS, event("expired", "three")),
        ),
        (
            get("watch", f"{EVENTS}?watch=1&timeoutSeconds=1&resourceVersion=1"),
            get("watch-table", f"{EVENTS}?watch=1&timeoutSeconds=1&resourceVersion=1", accept=TABLE),
            get("list-exact", f"{EVENTS}?resourceVersion=1&resourceVersionMatch=Exact"),
            get("list-not-older", f"{EVENTS}?resourceVersion=1&resourceVersionMatch=NotOlderThan"),
            get("continue", f"{EVENTS}?limit=1&continue={{{{page:metadata.continue}}}}"),
            get("continue-inconsistent", f"{EVENTS}?limit=1&continue={{{{continue:metadata.continue}}}}"),
        ),
        compacts=True,
    ),
)
