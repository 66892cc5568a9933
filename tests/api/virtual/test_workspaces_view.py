"""Workspaces that somebody may enter, wherever they are."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.api.conftest import RBAC
from tests.api.test_workspaces import WORKSPACES, unique, workspace
from tests.api.virtual.test_lifecycle import MERGE, ROW, TABLE, grant
from tests.e2e.conftest import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.conftest import Door, Houses, Json


def view(houses: Houses, scope: str, user: str = "alice") -> Door:
    """Return a user's way into the view."""
    return houses.door(f"{houses.services_url}/services/workspaces/{scope}/clusters/*", user)


def names(door: Door, query: str = "") -> set[str]:
    """Return the names that are listed."""
    return {item["metadata"]["name"] for item in door.get(WORKSPACES + query)["items"]}


def test_what_somebody_may_enter_is_listed_and_nothing_else(houses: Houses) -> None:
    root = houses.door(houses.server.cluster("root"), "kcp-admin")
    org, team, other = unique("org"), unique("team"), unique("other")
    made = root.post(WORKSPACES, workspace(org, "organization"))
    inside = houses.door(houses.server.cluster(made["spec"]["cluster"]), "kcp-admin")
    inside.post(WORKSPACES, workspace(other))
    child = inside.post(WORKSPACES, workspace(team))
    everything = view(houses, "all")
    assert not {org, team, other} & names(everything)
    within = houses.door(houses.server.cluster(child["spec"]["cluster"]), "kcp-admin")
    role = unique("enter")
    grant(within, role, [])
    assert {org, team, other} & names(everything) == {team}
    assert team in names(view(houses, "organization"))
    assert team not in names(view(houses, "personal"))
    assert names(everything, f"?fieldSelector=metadata.name={team}") == {team}
    assert names(everything, "?labelSelector=no=such") == set()
    assert everything.get(f"{WORKSPACES}/{team}")["spec"]["cluster"] == child["spec"]["cluster"]
    everything.fails(404, "GET", f"{WORKSPACES}/{other}")
    everything.fails(405, "DELETE", f"{WORKSPACES}/{team}")
    table = everything.ask("GET", WORKSPACES, accept=TABLE).json()
    assert [column["name"] for column in table["columnDefinitions"]][:2] == ["Name", "Type"]
    assert team in [row["cells"][0] for row in table["rows"]]
    within.ask("DELETE", f"{RBAC}/clusterrolebindings/{role}")
    assert team not in names(everything)


def test_personal_are_those_that_the_caller_created(houses: Houses) -> None:
    root = houses.door(houses.server.cluster("root"), "kcp-admin")
    made = root.post(WORKSPACES, workspace(unique("org"), "organization"))
    inside = houses.door(houses.server.cluster(made["spec"]["cluster"]), "kcp-admin")
    rule = {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspaces"], "verbs": ["create"]}
    grant(inside, unique("creator"), [rule])
    mine = [unique("mine") for _ in range(3)]
    for name in mine:
        houses.door(inside.base, "alice").post(WORKSPACES, workspace(name))
    personal = view(houses, "personal")
    assert set(mine) <= names(personal)
    assert made["metadata"]["name"] not in names(personal)
    # Page by page.
    found, token = [], ""
    while True:
        page = personal.get(f"{WORKSPACES}?limit=2{token}")
        assert len(page["items"]) <= 2
        found += [item["metadata"]["name"] for item in page["items"]]
        if not (more := page["metadata"].get("continue")):
            break
        token = f"&continue={more}"
    assert sorted(found) == sorted(names(personal))


def test_administrators_see_all_workspaces(houses: Houses) -> None:
    root = houses.door(houses.server.cluster("root"), "kcp-admin")
    name = unique("org")
    root.post(WORKSPACES, workspace(name, "organization"))
    assert name in names(view(houses, "all", "kcp-admin"))
    assert name not in names(view(houses, "organization", "kcp-admin"))


def team(houses: Houses, name: str = "") -> tuple[str, Door]:
    """Make a workspace that alice may not enter; return its name and the administrator's way in."""
    root = houses.door(houses.server.cluster("root"), "kcp-admin")
    made = root.post(WORKSPACES, workspace(name or unique("team"), "organization"))
    return made["metadata"]["name"], houses.door(houses.server.cluster(made["spec"]["cluster"]), "kcp-admin")


def revoke(within: Door, role: str) -> None:
    """Take a grant back."""
    assert within.ask("DELETE", f"{RBAC}/clusterrolebindings/{role}").is_success


def label(houses: Houses, name: str, **labels: str) -> None:
    """Change a workspace in root."""
    root = houses.door(houses.server.cluster("root"), "kcp-admin")
    body = {"metadata": {"labels": labels}}
    assert root.ask("PATCH", f"{WORKSPACES}/{name}", body, content_type=MERGE).is_success


def watch(stack: ExitStack, door: Door, query: str, **headers: str) -> Iterator[Json]:
    """Open a watch with more parameters and return its events."""
    named = {"authorization": f"Bearer {door.token}", **headers}
    url = f"{door.base}{WORKSPACES}?watch=true&{query}"
    answer = stack.enter_context(door.client.stream("GET", url, headers=named))
    assert answer.status_code == 200, answer.read()
    return (json.loads(line) for line in answer.iter_lines())


def test_a_watch_tells_who_gets_in_and_who_is_out(houses: Houses) -> None:
    name, within = team(houses)
    hidden, _ = team(houses)
    everything = view(houses, "all")
    since = everything.get(WORKSPACES)["metadata"]["resourceVersion"]
    with ExitStack() as stack:
        events = everything.events(stack, WORKSPACES, since)
        role = unique("enter")
        grant(within, role, [])
        gained = next(events)
        assert (gained["type"], gained["object"]["metadata"]["name"]) == ("ADDED", name)
        label(houses, hidden, some="thing")
        label(houses, name, some="thing")
        changed = next(events)
        assert (changed["type"], changed["object"]["metadata"]["name"]) == ("MODIFIED", name)
        assert changed["object"]["metadata"]["labels"]["some"] == "thing"
        revoke(within, role)
        lost = next(events)
        assert (lost["type"], lost["object"]["metadata"]["name"]) == ("DELETED", name)
        # One that is made and one that is deleted.
        org = houses.door(within.base, "alice")
        grant(within, unique("creator"), [{"apiGroups": ["tenancy.kcp.io"], "resources": ["*"], "verbs": ["*"]}])
        assert next(events)["type"] == "ADDED"
        mine = org.post(WORKSPACES, workspace(unique("mine")))["metadata"]["name"]
        # Another change of what is born may be told before it is deleted.
        assert org.ask("DELETE", f"{WORKSPACES}/{mine}").is_success
        told = [next(events)]
        while told[-1]["type"] != "DELETED":
            told.append(next(events))
        assert {event["object"]["metadata"]["name"] for event in told} == {mine}
        assert told[0]["type"] == "ADDED"
    # Whoever was away hears the same.
    with ExitStack() as stack:
        events = everything.events(stack, WORKSPACES, since)
        told = [next(events)]
        while told[-1]["object"]["metadata"]["name"] != mine or told[-1]["type"] != "DELETED":
            told.append(next(events))
        kinds = [event["type"] for event in told if event["object"]["metadata"]["name"] == name]
        assert kinds == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
        assert hidden not in json.dumps(told)


def test_a_watch_takes_the_options_of_every_watch(houses: Houses) -> None:
    name, within = team(houses)
    role = unique("enter")
    grant(within, role, [])
    everything = view(houses, "all")
    options = "allowWatchBookmarks=true&timeoutSeconds=4"
    # The state first, then the mark of its end.
    with ExitStack() as stack:
        begins = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        events = watch(stack, everything, f"{begins}&{options}&labelSelector=picked")
        mark = next(events)
        assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "Workspace")
        assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        label(houses, name, picked="yes")
        picked = next(events)
        assert (picked["type"], picked["object"]["metadata"]["name"]) == ("ADDED", name)
        revision = int(picked["object"]["metadata"]["resourceVersion"])
        rest = list(events)
        assert rest, "a bookmark before the end"
        assert {event["type"] for event in rest} == {"BOOKMARK"}
        assert int(rest[-1]["object"]["metadata"]["resourceVersion"]) >= revision
    # Who gets in sees an object of an earlier revision, and by the bookmark where he is.
    revoke(within, role)
    with ExitStack() as stack:
        events = watch(
            stack, everything, f"{options}&resourceVersion={rest[-1]['object']['metadata']['resourceVersion']}"
        )
        assert next(events)["type"] == "DELETED"
        back = unique("enter")
        grant(within, back, [])
        gained = next(event for event in events if event["type"] != "BOOKMARK")
        assert int(gained["object"]["metadata"]["resourceVersion"]) == revision
        assert int(next(events)["object"]["metadata"]["resourceVersion"]) > revision
    # All that is there, as tables.
    with ExitStack() as stack:
        events = watch(stack, everything, "timeoutSeconds=1", accept=TABLE)
        tables = [event["object"] for event in events]
        assert tables[0]["kind"] == "Table"
        assert [column["name"] for column in tables[0]["columnDefinitions"]][:2] == ["Name", "Type"]
        assert name in {row["cells"][0] for table in tables for row in table["rows"]}
    with ExitStack() as stack:
        old = next(watch(stack, everything, "resourceVersion=1&timeoutSeconds=30"), None)
        assert old is None or old["type"] in {"ADDED", "ERROR"}
    for query in ("resourceVersion=x", "sendInitialEvents=true", "labelSelector=!!"):
        assert everything.ask("GET", f"{WORKSPACES}?watch=true&{query}").status_code in {400, 422, 500}


@pytest.mark.parametrize("scope", ["personal", "organization", "all"])
def test_nobody_watches_for_somebody_else(houses: Houses, scope: str) -> None:
    name, _ = team(houses)
    shown, other = team(houses)
    grant(other, unique("enter"), [])
    forged = {"x-kcp-internal-viewer": json.dumps({"user": "root", "groups": ["system:masters"], "scope": "all"})}

    def names_of(door: Door, seconds: int = 1) -> set[str]:
        with ExitStack() as stack:
            events = watch(stack, door, f"timeoutSeconds={seconds}", **forged)
            return {event["object"]["metadata"]["name"] for event in events}

    seen = names_of(view(houses, scope))
    assert (shown in seen, name in seen) == (scope == "all", False)
    # Administrators see everything by their own right, and the header says nothing for them.
    everywhere = houses.door(houses.server.cluster("*"), "kcp-admin")
    forged["x-kcp-internal-viewer"] = json.dumps({"user": "alice"})
    assert {name, shown} <= names_of(everywhere)
    # Who may do everything says for whom he asks.
    seen = names_of(houses.door(houses.server.cluster("*")))
    assert (shown in seen, name in seen) == (True, False)
    forged["x-kcp-internal-viewer"] = json.dumps({"user": "alice", "scope": "none"})
    everywhere = houses.door(houses.server.cluster("*"))
    refused = everywhere.ask("GET", f"{WORKSPACES}?watch=true", **forged)
    assert refused.status_code == 400, refused.text
    alice = houses.door(houses.server.cluster("*"), "alice")
    assert alice.ask("GET", f"{WORKSPACES}?watch=true", **forged).status_code == 403


def test_what_is_inactive_stays_visible(houses: Houses) -> None:
    name, within = team(houses)
    grant(within, unique("enter"), [])
    everything = view(houses, "all")
    since = everything.get(WORKSPACES)["metadata"]["resourceVersion"]
    with ExitStack() as stack:
        events = everything.events(stack, WORKSPACES, since)
        body = {"metadata": {"annotations": {"core.kcp.io/inactive": "true"}}}
        assert within.ask("PATCH", ROW, body, content_type=MERGE).is_success
        within.fails(403, "GET", "/api/v1/namespaces")
        assert name in names(everything)
        label(houses, name, still="here")
        told = next(event for event in events if event["object"]["metadata"]["name"] == name)
        while "still" not in told["object"]["metadata"].get("labels", {}):
            assert told["type"] == "MODIFIED"
            told = next(events)
        assert told["type"] == "MODIFIED"


def test_kubectl_watches(houses: Houses, tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_bytes(houses.services_ca)
    door = view(houses, "all")
    command = [str(TOOLS / "kubectl"), "--kubeconfig", "/dev/null", "--cache-dir", str(tmp_path / "cache")]
    command += ["--token", str(door.token), "--certificate-authority", str(authority), "--server", door.base]
    before, first = team(houses)
    grant(first, unique("enter"), [])
    kubectl = subprocess.Popen(
        [*command, "get", "workspaces", "--watch", "--output-watch-events"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert kubectl.stdout is not None
        assert next(kubectl.stdout).split()[:3] == ["EVENT", "NAME", "TYPE"]
        while next(kubectl.stdout).split()[1] != before:
            pass
        name, within = team(houses)
        role = unique("enter")
        grant(within, role, [])
        assert next(line for line in kubectl.stdout if name in line).split()[:3] == ["ADDED", name, "organization"]
        revoke(within, role)
        assert next(line for line in kubectl.stdout if name in line).split()[:2] == ["DELETED", name]
    finally:
        kubectl.kill()
        kubectl.communicate()
