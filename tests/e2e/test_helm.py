"""helm installs, upgrades, rolls back, tests and removes a chart of everything that needs no pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import HERE

if TYPE_CHECKING:
    from tests.e2e.conftest import Client, Clients, Json

CHART = str(HERE / "charts" / "saloon")


@dataclass(frozen=True, slots=True)
class Release:
    """A release called `mine` in a fresh logical cluster, and a kubectl beside it."""

    helm: Client
    kubectl: Client
    flags: tuple[str, ...]

    def do(self, verb: str, *arguments: str) -> str:
        """Run a helm command that writes, on the release."""
        return self.helm(verb, "mine", *arguments, *self.flags)

    def price(self) -> str:
        """Return what a beer costs, as the cluster knows it."""
        return self.kubectl("get", "cm", "mine-prices", "-o", "jsonpath={.data.beer}")

    def bottles(self) -> int:
        """Return how many bottles the custom resource holds."""
        held: int = self.kubectl.json("get", "barrel", "mine-cellar")["spec"]["bottles"]
        return held

    def statuses(self) -> list[tuple[int, str]]:
        """Return revision and status of every entry of the history."""
        return [(entry["revision"], entry["status"]) for entry in self.helm.json("history", "mine")]

    def names(self, kind: str) -> list[str]:
        """Return the names of what the default namespace holds of a kind, less what it was born with."""
        items: Json = self.kubectl.json("get", kind)["items"]
        return [item["metadata"]["name"] for item in items if item["metadata"]["name"].startswith("mine")]


PROGRAMS = {
    "helm 4": ("helm", ()),
    "helm 4, client-side": ("helm", ("--server-side=false",)),
    "helm 3": ("helm-3", ()),
}


@pytest.fixture
def release(request: pytest.FixtureRequest, clients: Clients) -> Release:
    """Return a release by helm 4, or by the program that the test's parameter names."""
    program, flags = PROGRAMS[getattr(request, "param", "helm 4")]
    url = clients.server.new_cluster()
    return Release(clients.client(program, url, "admin"), clients.kubectl(url), flags)


@pytest.mark.parametrize("release", PROGRAMS, indirect=True)
def test_a_release_is_installed_upgraded_rolled_back_tested_and_removed(release: Release) -> None:
    helm, kubectl = release.helm, release.kubectl

    welcome = release.do("install", CHART)
    assert "Welcome to mine: a beer is 3." in welcome
    assert (release.price(), release.bottles()) == ("3", 10)
    prices = kubectl.json("get", "cm", "mine-prices")
    assert prices["data"] == {"beer": "3", "revision": "1", "kubernetes": "1", "barrels": "true", "space": "Active"}
    assert prices["metadata"]["annotations"]["meta.helm.sh/release-name"] == "mine"
    assert kubectl.json("get", "barrel", "mine-cellar")["spec"]["label"] == "whiskey"
    assert release.names("cm") == ["mine-prices"], "the pre-install hook is gone once it succeeded"
    assert kubectl("get", "secret", "-l", "owner=helm", "-o", "jsonpath={.items[*].type}") == "helm.sh/release.v1"

    release.do("upgrade", CHART, "--set", "beer=5,bottles=20,piano=true")
    assert (release.price(), release.bottles()) == ("5", 20)
    assert release.names("cm") == ["mine-piano", "mine-prices", "mine-renovated"]
    release.do("upgrade", CHART, "--reset-values", "--set", "beer=6")
    assert kubectl("get", "cm", "mine-renovated", "-o", "jsonpath={.data.revision}") == "3"
    assert release.names("cm") == ["mine-prices", "mine-renovated"], "what a chart no longer has is deleted"

    release.do("rollback", "2")
    assert (release.price(), release.bottles()) == ("5", 20)
    assert "mine-piano" in release.names("cm")
    assert release.statuses() == [(1, "superseded"), (2, "superseded"), (3, "superseded"), (4, "deployed")]
    assert [(found["name"], found["revision"]) for found in helm.json("list")] == [("mine", "4")]

    helm("test", "mine")
    status = helm.json("status", "mine")
    assert (status["info"]["status"], status["version"]) == ("deployed", 4)
    tests = [hook["last_run"]["phase"] for hook in status["hooks"] if "test" in hook["events"]]
    assert tests == ["Succeeded"]
    assert 'tune: "Oh! Susanna"' in helm("get", "manifest", "mine")
    assert helm.json("get", "values", "mine") == {"beer": 5, "bottles": 20, "piano": True}

    helm("uninstall", "mine")
    assert helm.json("list") == []
    assert kubectl.json("get", "secret", "-l", "owner=helm")["items"] == []
    for kind in ("barrels", "secrets", "serviceaccounts", "roles", "rolebindings"):
        assert release.names(kind) == []
    assert release.names("cm") == ["mine-inspected", "mine-renovated"], "hooks are nobody's, as their policy says"
    kubectl("get", "crd", "barrels.saloon.example.com")  # helm never deletes a definition


def test_an_upgrade_the_server_refuses_is_a_failed_revision(release: Release) -> None:
    release.do("install", CHART)
    refused = release.helm.fails("upgrade", "mine", CHART, *release.flags, "--set", "bottles=1000,beer=9")
    assert "spec.bottles in body should be less than or equal to 100" in refused
    assert release.statuses() == [(1, "deployed"), (2, "failed")]
    release.do("rollback", "1")
    assert (release.price(), release.bottles()) == ("3", 10)


def test_what_others_changed_meanwhile_is_a_conflict_until_it_is_forced(release: Release) -> None:
    release.do("install", CHART)
    release.kubectl("delete", "sa", "mine-keeper")
    release.kubectl("patch", "cm", "mine-prices", "-p", '{"data":{"beer":"99","wine":"8"}}')

    refused = release.helm.fails("upgrade", "mine", CHART, "--set", "beer=4")
    assert 'Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.beer' in refused
    release.do("upgrade", CHART, "--set", "beer=4", "--force-conflicts")

    assert release.names("sa") == ["mine-keeper"]
    assert release.price() == "4"
    assert release.kubectl("get", "cm", "mine-prices", "-o", "jsonpath={.data.wine}") == "8"


@pytest.mark.parametrize("release", ["helm 3"], indirect=True)
def test_without_owners_of_fields_drift_comes_back_and_what_others_added_stays(release: Release) -> None:
    release.do("install", CHART)
    release.kubectl("delete", "sa", "mine-keeper")
    release.kubectl("patch", "cm", "mine-prices", "-p", '{"data":{"beer":"99","wine":"8"}}')

    release.do("upgrade", CHART, "--set", "beer=4")

    assert release.names("sa") == ["mine-keeper"]
    assert release.price() == "4"
    assert release.kubectl("get", "cm", "mine-prices", "-o", "jsonpath={.data.wine}") == "8"


def test_an_object_of_somebody_else_is_not_taken_over(release: Release) -> None:
    release.kubectl("create", "configmap", "mine-prices", "--from-literal=beer=1")
    refused = release.helm.fails("install", "mine", CHART, *release.flags)
    assert 'ConfigMap "mine-prices" in namespace "default" exists and cannot be imported' in refused
    assert release.price() == "1"


def test_a_dry_run_shows_everything_and_leaves_nothing(release: Release) -> None:
    # What has no kind yet cannot be rehearsed: helm installs no definitions in a dry run.
    release.kubectl("create", "-f", f"{CHART}/crds/barrels.yaml")
    shown = release.helm("install", "mine", CHART, "--dry-run=server", *release.flags)
    assert "kind: Barrel" in shown
    assert release.names("cm") == []
    assert release.helm.json("list") == []
