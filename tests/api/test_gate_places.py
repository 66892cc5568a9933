"""What is not one workspace, asked by everybody: no logical cluster, all, those of the system, homes, services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.conftest import CONFIGMAPS
from tests.api.oracle import HEALTH, Caller, Wish, allows, allows_outside, allows_over_all
from tests.api.test_gate import ROUTES, UNKNOWN, expected, routes, verdict
from tests.api.test_workspaces import WORKSPACES
from tests.api.town import ADMINISTRATORS, AUTHENTICATED, EVERYBODY

if TYPE_CHECKING:
    from tests.api.oracle import Json
    from tests.api.town import Identity, Town

OUTSIDE = [
    "/",
    "/version",
    "/api",
    "/apis",
    "/openapi/v2",
    "/openapi/v3",
    "/metrics",
    "/nowhere",
    "/debug/pprof",
    *HEALTH,
]
# Services answer for themselves, below; a watch that is allowed takes its time.
PLACES = [*ROUTES, *(route for route in UNKNOWN if route[2].verb != "watch" and not route[1].startswith("/services"))]
VIEW = f"/services/workspaces/all/clusters/*{WORKSPACES}"
SERVICES = [
    "/services/",
    "/services/unknown",
    "/services/unknown/clusters/*/api",
    "/services/cache/shards/root/clusters/*/api/v1/configmaps",
    "/services/workspaces/all/clusters/root:here/api",
    "/services/initializingworkspaces/root:universal/clusters/*/apis/core.kcp.io/v1alpha1/logicalclusters",
    "/services/terminatingworkspaces/root:universal/clusters/*/apis/core.kcp.io/v1alpha1/logicalclusters",
]
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
SELF_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def outside(identity: Identity) -> str:
    """Tell what somebody is before any rules are asked, where no logical cluster is named."""
    if identity.caller is None:
        return "unknown"
    # Nobody was let into the logical cluster of the system, where acting as somebody else is asked about then.
    return "refused" if identity.acts_in else ""


@pytest.mark.parametrize("who", EVERYBODY)
def test_without_a_logical_cluster_only_the_servers_own_paths_answer(town: Town, who: str) -> None:
    base, root = town.stored("system:admin"), town.stored("root")
    identity = town.identities[who]
    wishes = [("GET", path, Wish("get", path)) for path in OUTSIDE] + PLACES
    wrong = []
    for method, path, wish in wishes:
        caller = identity.caller
        wanted = outside(identity)
        if not wanted and caller and caller.origin and path != "/metrics":
            # A request of an account is about its own workspace where it names none.
            wanted = expected(base, town.stored(caller.origin), identity, wish)
        elif not wanted and caller:
            # Abroad an account is nobody in particular.
            caller = Caller("system:anonymous", AUTHENTICATED) if caller.origin else caller
            wanted = "allowed" if allows_outside(base, root, caller, wish) else "refused"
        answer = town.ask(identity, method, path)
        # What is about objects finds no logical cluster, which those hear to whom nothing is refused.
        stranded = who == "master" and bool(wish.resource)
        if answer.status_code != 500 if stranded else verdict(answer) != wanted:
            wrong.append(f"{method} {path}: {answer.status_code}, the rules say {wanted}: {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", EVERYBODY)
def test_all_logical_clusters_at_once_are_for_administrators_to_look_at(town: Town, who: str) -> None:
    identity = town.identities[who]
    for method, path, wish in [*PLACES, *(("GET", path, Wish("get", path)) for path in OUTSIDE)]:
        answer = town.ask(identity, method, f"/clusters/*{path}")
        wanted = "unknown" if identity.caller and identity.caller.origin else outside(identity)
        if not wanted and identity.caller:
            wanted = "allowed" if allows_over_all(identity.caller, wish) else "refused"
        if path == "/metrics" and wanted != "unknown" and not identity.acts_in:
            assert answer.status_code == 501, answer.text
            continue
        assert verdict(answer) == wanted, f"{method} {path}: {answer.status_code} {answer.text}"
        if wanted == "allowed" and wish.resource and wish.verb not in {"list", "watch"}:
            assert answer.status_code == 405, answer.text


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize("cluster", ["system:admin", "system:none", "none", "root:none", "user:none:none"])
def test_what_is_the_systems_or_is_not_there_is_closed(town: Town, who: str, cluster: str) -> None:
    identity = town.identities[who]
    may = {"master"} if cluster.startswith("system:") else set(ADMINISTRATORS)
    # An account's token holds at home alone, and this is nobody's.
    stranded = identity.caller is None or identity.caller.origin
    for method, path, wish in ROUTES:
        answer = town.ask(identity, method, f"/clusters/{cluster}{path}")
        assert verdict(answer) == ("unknown" if stranded else "allowed" if who in may else "refused"), answer.text
        if who in may and cluster.count(":") and not cluster.startswith("system:"):
            assert answer.status_code == 404, answer.text
        if wish.resource and who in may and cluster == "none" and wish.verb == "list":
            assert answer.json()["items"] == []


@pytest.mark.parametrize("who", EVERYBODY)
def test_root_and_the_home_in_it_follow_the_rules_of_root(town: Town, who: str) -> None:
    base, root = town.stored("system:admin"), town.stored("root")
    identity = town.identities[who]
    home = ("GET", f"{WORKSPACES}/~", Wish("get", "", "tenancy.kcp.io", "workspaces", "", "", "~"))
    for method, path, wish in [*ROUTES, home]:
        answer = town.ask(identity, method, f"/clusters/root{path}")
        wanted = expected(base, root, identity, wish)
        assert verdict(answer) == wanted, f"{method} {path}: {answer.status_code} {answer.text}"
    if wanted == "allowed":
        # Each gets his own, and nobody gets into another's.
        cluster = answer.json()["spec"]["cluster"]
        for other, visitor in town.identities.items():
            seen = town.ask(visitor, "GET", f"/clusters/{cluster}{CONFIGMAPS}").status_code
            own = other == who or other in ADMINISTRATORS
            assert seen == (200 if own else 401 if visitor.within(cluster) is None else 403), other


@pytest.mark.parametrize("who", EVERYBODY)
def test_services_ask_for_themselves_and_admit_nobody_unknown(town: Town, who: str) -> None:
    identity = town.identities[who]
    before = outside(identity)
    known = identity.caller is not None and "system:authenticated" in identity.caller.groups
    answer = town.ask(identity, "GET", VIEW)
    wanted = 401 if before == "unknown" else 403 if before == "refused" or not known else 200
    assert answer.status_code == wanted, answer.text
    if wanted == 200:
        shown = {item["spec"]["cluster"] for item in answer.json()["items"]} & {town.here, town.there}
        entered = {
            town.here: ["member", "viewer", "impersonator", "account"],
            town.there: ["account of another workspace"],
        }
        everywhere = who in {"owner", *ADMINISTRATORS}
        assert shown == {cluster for cluster, those in entered.items() if everywhere or who in those}
    for path in SERVICES:
        for method in ("GET", "POST", "DELETE"):
            answer = town.ask(identity, method, path)
            refused = 404 if who == "master" else 403
            if who in ADMINISTRATORS and "ingworkspaces" in path:
                continue  # they hold the verb
            assert answer.status_code == (401 if before == "unknown" else refused), f"{method} {path}: {answer.text}"
            assert answer.json()["kind"] == "Status"


@pytest.mark.parametrize("who", EVERYBODY)
def test_reviews_say_what_requests_meet(town: Town, who: str) -> None:
    """Kubernetes, SubjectAccessReview: whether a user may do something, without the request."""
    base, here = town.stored("system:admin"), town.stored(town.here)
    identity = town.identities[who]
    if identity.caller is None:
        assert town.ask(identity, "POST", f"/clusters/{town.here}{SELF_REVIEWS}").status_code == 401
        return
    caller = identity.within(town.here) or Caller("system:anonymous", AUTHENTICATED)
    subject: Json = {"user": identity.caller.name, "groups": list(identity.caller.groups)}
    if identity.caller.origin:
        subject["extra"] = {"authentication.kcp.io/cluster-name": [identity.caller.origin]}
    door = town.door(town.here)
    wrong = []
    for _, _, wish in routes(door):
        if wish.path in HEALTH:
            continue  # answered before anybody is asked about
        answer = door.post(REVIEWS, {"spec": subject | asked(wish)})
        if answer["status"]["allowed"] != allows(base, here, caller, wish):
            wrong.append(f"{wish}: {answer['status']}")
    assert not wrong, "\n".join(wrong)


def asked(wish: Wish) -> Json:
    """Return the part of a review that says what is wanted."""
    if not wish.resource:
        return {"nonResourceAttributes": {"verb": wish.verb, "path": wish.path}}
    names = ("verb", "group", "resource", "subresource", "namespace", "name")
    return {"resourceAttributes": {name: getattr(wish, name) for name in names}}
