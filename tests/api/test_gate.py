"""Every route with every verb, asked by everybody: who gets through is what the stored rules say, read by an oracle.

What is allowed may still fail for other reasons (an empty body, a name that is taken); what is refused is refused in
one way. All writes are dry runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.conftest import CONFIGMAPS, Door
from tests.api.oracle import Stored, Wish, allows
from tests.api.town import ADMINISTRATORS, EVERYBODY, USERS, Identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.api.oracle import Json
    from tests.api.town import Town

ROW = "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
QUERIES = {"watch": "?watch=true&timeoutSeconds=1&resourceVersion=1", "list": "", "get": ""}


def routes(door: Door) -> Iterator[tuple[str, str, Wish]]:
    """Yield method, path and meaning of every route that a cluster has."""
    for path in [*door.get("/")["paths"], "/", "/nowhere", "/version/more"]:
        # The server's own metrics are no cluster's.
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE") if path != "/metrics" else ():
            yield method, path, Wish(method.lower(), path=path)
    yield from UNKNOWN
    groups = door.get("/apis")["groups"]
    for place in ["/api/v1"] + [f"/apis/{v['groupVersion']}" for group in groups for v in group["versions"]]:
        group = place.split("/")[2] if place.startswith("/apis/") else ""
        for resource in door.get(place)["resources"]:
            yield from requests_of(place, group, resource)


def requests_of(place: str, group: str, resource: Json) -> Iterator[tuple[str, str, Wish]]:
    """Yield a request for each verb of a resource, in a namespace where it has one."""
    kind, _, subresource = resource["name"].partition("/")
    namespace = "default" if resource["namespaced"] else ""
    collection = f"{place}{'/namespaces/default' if namespace else ''}/{kind}"
    # A namespace's own name stands for its namespace.
    inside = "here" if kind == "namespaces" else namespace
    for verb in resource["verbs"]:
        bare = verb in {"list", "watch", "deletecollection"} or (verb == "create" and not subresource)
        name = "" if bare else "here"
        path = collection if bare else f"{collection}/here" + (f"/{subresource}" if subresource else "")
        query = QUERIES.get(verb, "?dryRun=All")
        asked = inside if name or kind != "namespaces" else ""
        yield METHODS[verb], path + query, Wish(verb, "", group, kind, subresource, asked, name)


def verdict(answer: httpx.Response) -> str:
    """Tell whether rules let a request through. Other rules may refuse it behind them, in other words."""
    if answer.status_code == 401:
        return "unknown"
    message = str(answer.json()["message"]) if answer.status_code == 403 else ""
    return "refused" if 'User "' in message and " cannot " in message else "allowed"


def expected(base: Stored, cluster: Stored | None, identity: Identity, wish: Wish) -> str:
    """Say what the oracle says."""
    caller = identity.within(cluster.name) if cluster else identity.caller
    if caller is None:
        return "unknown"
    if identity.acts_in and (cluster is None or cluster.name != identity.acts_in):
        return "refused"
    return "allowed" if allows(base, cluster, caller, wish) else "refused"


@pytest.mark.parametrize("who", EVERYBODY)
def test_everybody_gets_what_the_rules_say(town: Town, who: str) -> None:
    base, here = town.stored("system:admin"), town.stored(town.here)
    identity = town.identities[who]
    wrong = []
    seen = set()
    for method, path, wish in routes(town.door(town.here)):
        wanted = expected(base, here, identity, wish)
        if wish.verb == "watch" and wanted == "allowed":
            # What is allowed to list and watch alike is asked by its list: each watch takes a second.
            continue
        answer = town.ask(identity, method, f"/clusters/{town.here}{path}")
        seen.add(wanted)
        if verdict(answer) != wanted:
            wrong.append(f"{method} {path}: {answer.status_code}, the rules say {wanted}: {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)
    unlimited = {"owner", *ADMINISTRATORS}
    assert seen == ({"allowed", "refused"} if identity.within(town.here) else {"unknown"}) or who in unlimited


@pytest.mark.parametrize("who", [user for user in USERS if user != "owner"] + ["anonymous"])
def test_paths_lead_where_names_do_and_nowhere_alike(town: Town, who: str) -> None:
    base, here, there = town.stored("system:admin"), town.stored(town.here), town.stored(town.there)
    identity = town.identities[who]
    for cluster, paths in ((here, ["root:here", town.here]), (there, ["root:there", town.there])):
        for method, path, wish in ROUTES:
            answers = [town.ask(identity, method, f"/clusters/{name}{path}") for name in paths]
            assert {verdict(answer) for answer in answers} == {expected(base, cluster, identity, wish)}, path
    for method, path, wish in ROUTES:
        assert expected(base, None, identity, wish) == "refused"
        # Nobody is let into the other workspace: it answers in the words of one that is not there.
        names = (town.there, "root:there", "none", "root:none", "root:none:none", "user:none", "root:here:none")
        answers = [town.ask(identity, method, f"/clusters/{name}{path}") for name in names]
        assert len({(answer.status_code, answer.text) for answer in answers}) == 1, [a.text for a in answers]


ROUTES = [
    ("GET", CONFIGMAPS, Wish("list", "", "", "configmaps", "", "default")),
    ("POST", f"{CONFIGMAPS}?dryRun=All", Wish("create", "", "", "configmaps", "", "default")),
    ("GET", f"{CONFIGMAPS}/here", Wish("get", "", "", "configmaps", "", "default", "here")),
    ("GET", "/apis", Wish("get", "/apis")),
    ("GET", "/nowhere", Wish("get", "/nowhere")),
]

# What discovery does not list: kinds, groups and subresources that nothing serves, and other names of those it does.
UNKNOWN = [
    ("GET", "/apis/none.example.com", Wish("get", "/apis/none.example.com")),
    ("GET", "/apis/none.example.com/v1", Wish("get", "/apis/none.example.com/v1")),
    ("GET", "/apis/none.example.com/v1/things", Wish("list", "", "none.example.com", "things")),
    ("DELETE", "/apis/none.example.com/v1/things/x", Wish("delete", "", "none.example.com", "things", "", "", "x")),
    ("GET", "/api/v1/namespaces/default/things/x", Wish("get", "", "", "things", "", "default", "x")),
    ("GET", f"{CONFIGMAPS}/here/more", Wish("get", "", "", "configmaps", "more", "default", "here")),
    ("GET", f"{CONFIGMAPS}/none", Wish("get", "", "", "configmaps", "", "default", "none")),
    ("GET", "/api/v1/configmaps", Wish("list", "", "", "configmaps")),
    ("GET", "/api/v1/namespaces/none/configmaps", Wish("list", "", "", "configmaps", "", "none")),
    (
        "GET",
        f"{CONFIGMAPS}?fieldSelector=metadata.name=x",
        Wish("list", "", "", "configmaps", "", "default", "here"),
    ),
    ("GET", "/services/x", Wish("get", "/services/x")),
    ("GET", "/debug/pprof", Wish("get", "/debug/pprof")),
    (
        "GET",
        "/api/v1/watch/namespaces/default/configmaps?timeoutSeconds=1",
        Wish("watch", "", "", "configmaps", "", "default"),
    ),
    # An account's token is asked for by a verb on its own subresource.
    (
        "POST",
        "/api/v1/namespaces/default/serviceaccounts/robot/token?dryRun=All",
        Wish("create", "", "", "serviceaccounts", "token", "default", "robot"),
    ),
]


def test_a_changed_row_is_what_the_rules_say_from_the_answer_on(town: Town) -> None:
    door = town.door(town.here)
    base = town.stored("system:admin")
    groups: dict[str, Json] = {"authorization.kcp.io/required-groups": "nobody,has;system:unauthenticated"}
    for marks in (groups, dict.fromkeys(groups)):
        body = {"metadata": {"annotations": marks}}
        answer = door.ask("PATCH", ROW, body, content_type="application/merge-patch+json")
        assert answer.status_code == 200, answer.text
        here = town.stored(town.here)
        for name, identity in town.identities.items():
            for method, path, wish in ROUTES:
                found = verdict(town.ask(identity, method, f"/clusters/{town.here}{path}"))
                if name == "acting" and marks is groups:
                    assert found == "refused"  # already as the one who acts
                else:
                    assert found == expected(base, here, identity, wish), (name, path)
