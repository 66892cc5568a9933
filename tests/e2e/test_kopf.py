"""An operator written with kopf lives beside the server: it handles, restarts, yields to a better one, and lets go."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.e2e import program
from tests.e2e.conftest import HERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import LogicalCluster
    from tests.e2e.program import Program

OPERATOR = HERE / "operators" / "cowboys.py"
COWBOY = "{{apiVersion: wildwest.dev/v1alpha1, kind: Cowboy, metadata: {{name: {name}}}, spec: {{intent: {intent}}}}}"
PEERING = "apiVersion: kopf.dev/v1\nkind: KopfPeering\nmetadata: {name: sheriffs}\n"


@contextmanager
def running(cluster: LogicalCluster, name: str, *options: str, release: bool = False) -> Iterator[Program]:
    """Run the operator of `operators/cowboys.py` on the default namespace."""
    how = options or ("--standalone",)
    command = [sys.executable, "-m", "kopf", "run", "--namespace=default", *how, str(OPERATOR)]
    environment = {
        **cluster.kubectl.environment(),
        "OPERATOR_NAME": name,
        "POD_ID": name,
        "RELEASE_AT_EXIT": "yes" if release else "no",
    }
    with program.running(command, environment) as operator:
        yield operator


def create_cowboy(cluster: LogicalCluster, name: str, intent: str) -> None:
    """Create a cowboy in the default namespace."""
    text = (
        f"{{apiVersion: wildwest.dev/v1alpha1, kind: Cowboy, metadata: {{name: {name}}}, spec: {{intent: {intent}}}}}"
    )
    cluster.kubectl("create", "-f", "-", stdin=text)


def wait_for_status(cluster: LogicalCluster, name: str, field: str, value: str) -> None:
    """Wait until a field of a cowboy's status has a value."""
    cluster.kubectl("wait", f"cowboy/{name}", f"--for=jsonpath={{.status.{field}}}={value}", "--timeout=60s")


def finalizers(cluster: LogicalCluster, name: str) -> list[str]:
    """Return the finalizers of a cowboy."""
    found: list[str] = cluster.kubectl.json("get", "cowboy", name)["metadata"].get("finalizers", [])
    return found


def test_an_operator_answers_changes_and_says_goodbye(cowboys: LogicalCluster) -> None:
    with running(cowboys, "wyatt"):
        create_cowboy(cowboys, "lucky", "gold")
        wait_for_status(cowboys, "lucky", "result", "wyatt greets gold")
        assert finalizers(cowboys, "lucky") == ["wildwest.dev/operator"]

        cowboys.kubectl("patch", "cowboy", "lucky", "--type=merge", "-p", '{"spec":{"intent":"love"}}')
        wait_for_status(cowboys, "lucky", "result", "wyatt saw gold become love")

        cowboys.kubectl("delete", "cowboy", "lucky", "--timeout=60s")
        events = cowboys.kubectl.json("get", "events", "--field-selector=reason=Buried")["items"]
        assert [event["message"] for event in events] == ["wyatt buries lucky"]
        assert events[0]["involvedObject"]["name"] == "lucky"


def test_an_operator_that_restarts_resumes_old_objects_and_handles_what_it_missed(cowboys: LogicalCluster) -> None:
    with running(cowboys, "first") as operator:
        create_cowboy(cowboys, "old", "gold")
        wait_for_status(cowboys, "old", "result", "first greets gold")
        operator.stop()
    cowboys.kubectl("patch", "cowboy", "old", "--type=merge", "-p", '{"spec":{"intent":"love"}}')
    create_cowboy(cowboys, "new", "revenge")

    with running(cowboys, "second"):
        wait_for_status(cowboys, "old", "result", "second saw gold become love")
        wait_for_status(cowboys, "old", "resumedBy", "second")
        wait_for_status(cowboys, "new", "result", "second greets revenge")


def test_the_operator_of_lower_priority_waits_while_a_better_one_is_there(cowboys: LogicalCluster) -> None:
    cowboys.create("kopf-peering.yaml")
    cowboys.kubectl("create", "-f", "-", stdin=PEERING)
    with running(cowboys, "deputy", "--peering=sheriffs", "--priority=1") as deputy:
        create_cowboy(cowboys, "one", "gold")
        wait_for_status(cowboys, "one", "result", "deputy greets gold")

        with running(cowboys, "sheriff", "--peering=sheriffs", "--priority=10") as sheriff:
            deputy.wait_for_line("Pausing operations in favour of")
            create_cowboy(cowboys, "two", "gold")
            wait_for_status(cowboys, "two", "result", "sheriff greets gold")
            peers = cowboys.kubectl.json("get", "kopfpeering", "sheriffs")["status"]
            assert {name: peer["priority"] for name, peer in peers.items()} == {"deputy": 1, "sheriff": 10}
            sheriff.stop()

        deputy.wait_for_line("Resuming operations after the pause")
        create_cowboy(cowboys, "three", "gold")
        wait_for_status(cowboys, "three", "result", "deputy greets gold")
        deputy.stop()
    assert cowboys.kubectl.json("get", "kopfpeering", "sheriffs").get("status", {}) == {}


def test_an_operator_that_ends_for_good_releases_its_cowboys(cowboys: LogicalCluster) -> None:
    with running(cowboys, "wyatt", release=True) as operator:
        for name in ("one", "two"):
            create_cowboy(cowboys, name, "gold")
            wait_for_status(cowboys, name, "result", "wyatt greets gold")
            assert finalizers(cowboys, name) == ["wildwest.dev/operator"]
        cowboys.kubectl("patch", "cowboy", "two", "--type=json", "-p", OTHERS_FINALIZER)
        operator.stop()

    assert finalizers(cowboys, "one") == []
    assert finalizers(cowboys, "two") == ["example.com/other"]
    cowboys.kubectl("delete", "cowboy", "one", "--timeout=20s")


OTHERS_FINALIZER = '[{"op":"add","path":"/metadata/finalizers/-","value":"example.com/other"}]'
