"""Workspaces that somebody may enter, wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.conftest import RBAC
from tests.api.test_workspaces import WORKSPACES, unique, workspace
from tests.api.virtual.test_lifecycle import TABLE, grant

if TYPE_CHECKING:
    from tests.api.conftest import Door, Houses


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
