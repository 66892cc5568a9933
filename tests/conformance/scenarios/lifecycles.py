"""Deletes that say what becomes of dependents, and the finalizers of namespaces.

What a controller would do next depends on who runs one, so each answer asked for is the one that comes before that;
objects that have to stay are held by a finalizer of nobody's.
"""

from __future__ import annotations

from tests.conformance.exchange import Ask, Json, Scenario
from tests.conformance.scenarios.make import CORE, delete, named, namespace, patch, post, put

MAPS = f"{CORE}/namespaces/lifecycles/configmaps"
SPACES = f"{CORE}/namespaces"
HOLD = "example.com/hold"


def held(name: str, *finalizers: str) -> Ask:
    """Create a configmap with finalizers, as setup."""
    return post(f"make-{name}", MAPS, {"metadata": {"name": name, "finalizers": list(finalizers)}})


def options(**fields: Json) -> dict[str, Json]:
    """Return the body of a delete."""
    return {"kind": "DeleteOptions", "apiVersion": "v1", **fields}


def space(name: str, *finalizers: str) -> dict[str, Json]:
    """Return a namespace with finalizers of its own."""
    return named("v1", "Namespace", name, spec={"finalizers": list(finalizers)})


SCENARIOS = (
    Scenario(
        "deletes-propagation",
        "Deletes in the foreground, in the background and of orphans, of one object and of a collection.",
        (
            namespace("lifecycles"),
            held("plain"),
            held("plain-orphan"),
            held("foreground", HOLD),
            held("orphan", HOLD),
            held("orphan-query", HOLD),
            held("old-false", HOLD),
            held("old-false-at-once"),
            held("old-true", HOLD),
            held("background", HOLD),
            held("background-orphan", HOLD, "orphan"),
            held("own-orphan", "orphan", HOLD),
            held("own-foreground", "foregroundDeletion", HOLD),
            held("both", HOLD),
            held("dry", HOLD),
            post("make-group-1", MAPS, {"metadata": {"name": "g1", "labels": {"g": "1"}, "finalizers": [HOLD]}}),
            post("make-group-2", MAPS, {"metadata": {"name": "g2", "labels": {"g": "1"}, "finalizers": [HOLD]}}),
            post(
                "make-event",
                f"{CORE}/namespaces/lifecycles/events",
                {"metadata": {"name": "e"}, "involvedObject": {"namespace": "lifecycles"}},
            ),
        ),
        (
            delete("plain", f"{MAPS}/plain", options(propagationPolicy="Foreground")),
            delete("plain-orphan", f"{MAPS}/plain-orphan", options(propagationPolicy="Orphan")),
            delete("foreground", f"{MAPS}/foreground", options(propagationPolicy="Foreground")),
            delete("orphan", f"{MAPS}/orphan", options(propagationPolicy="Orphan")),
            delete("orphan-query", f"{MAPS}/orphan-query?propagationPolicy=Orphan"),
            delete("old-false", f"{MAPS}/old-false", options(orphanDependents=False)),
            delete("old-false-at-once", f"{MAPS}/old-false-at-once", options(orphanDependents=False)),
            delete("old-true", f"{MAPS}/old-true", options(orphanDependents=True)),
            delete("background", f"{MAPS}/background", options(propagationPolicy="Background")),
            delete("background-orphan", f"{MAPS}/background-orphan", options(propagationPolicy="Background")),
            delete("own-orphan", f"{MAPS}/own-orphan"),
            delete("own-foreground", f"{MAPS}/own-foreground"),
            delete("both", f"{MAPS}/both", options(propagationPolicy="Orphan", orphanDependents=True)),
            delete("dry", f"{MAPS}/dry", options(propagationPolicy="Foreground", dryRun=["All"])),
            delete("dry-left", f"{MAPS}/dry", options(propagationPolicy="Background", dryRun=["All"])),
            delete("group", f"{MAPS}?labelSelector=g%3D1", options(propagationPolicy="Foreground")),
            delete("event", f"{CORE}/namespaces/lifecycles/events/e", options(propagationPolicy="Foreground")),
        ),
    ),
    Scenario(
        "namespaces-finalize",
        "Finalizers of namespaces: what the main endpoint, status and finalize may change.",
        (post("make-one", SPACES, space("one", "example.com/a")), post("make-two", SPACES, space("two"))),
        (
            put("finalize", f"{SPACES}/one/finalize", space("one", "kubernetes", "example.com/b")),
            put("finalize-without-kubernetes", f"{SPACES}/two/finalize", space("two")),
            put("finalize-unqualified", f"{SPACES}/one/finalize", space("one", "kubernetes", "mine")),
            put("finalize-malformed", f"{SPACES}/one/finalize", space("one", "kubernetes", "a b/c")),
            put("finalize-other-name", f"{SPACES}/one/finalize", space("two", "kubernetes")),
            put("finalize-missing", f"{SPACES}/nobody/finalize", space("nobody", "kubernetes")),
            put(
                "finalize-other-uid",
                f"{SPACES}/one/finalize",
                {**space("one"), "metadata": {"name": "one", "uid": "0f1a8b2c-0000-4000-8000-000000000000"}},
            ),
            put(
                "finalize-old",
                f"{SPACES}/one/finalize",
                {**space("one"), "metadata": {"name": "one", "resourceVersion": "1"}},
            ),
            put(
                "finalize-labels-and-status",
                f"{SPACES}/one/finalize",
                {
                    **space("one", "kubernetes"),
                    "metadata": {"name": "one", "labels": {"a": "b"}},
                    "status": {"phase": "Terminating"},
                },
            ),
            patch("finalize-by-patch", f"{SPACES}/one/finalize", {"spec": {"finalizers": []}}),
            put("main-cannot", f"{SPACES}/one", space("one", "kubernetes", "example.com/c")),
            put(
                "status-cannot",
                f"{SPACES}/one/status",
                {**space("one", "example.com/c"), "status": {"phase": "Active"}},
            ),
            patch("status-phase", f"{SPACES}/one/status", {"status": {"phase": "Terminating"}}),
            patch(
                "status-condition",
                f"{SPACES}/one/status",
                {"status": {"conditions": [{"type": "StatusPatch", "status": "True", "reason": "r", "message": "m"}]}},
            ),
        ),
    ),
)
