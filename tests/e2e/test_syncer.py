"""The syncer between two running servers; a kcp that has the definition of deployments plays the physical cluster."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kcp.syncer.names import Site
from tests.conftest import KcpServer, running_kcp
from tests.e2e.conftest import Client, Clients, write_kubeconfig
from tests.e2e.syncing import LABEL, Object, Pair, Side, deployment
from tests.proxy import Proxy, proxy_to

if TYPE_CHECKING:
    from collections.abc import Iterator

FINALIZER = "workload.kcp.io/syncer-east"
TROUBLE = "workload.kcp.io/trouble-east"


@pytest.fixture(scope="module")
def east(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KcpServer]:
    """Run the server that plays the physical cluster."""
    with running_kcp(tmp_path_factory.mktemp("east")) as server:
        yield server


@pytest.fixture
def proxy(east: KcpServer) -> Iterator[Proxy]:
    with proxy_to(east.url) as proxy:
        yield proxy


@pytest.fixture
def pair(kcp_server: KcpServer, east: KcpServer, proxy: Proxy, tmp_path: Path) -> Pair:
    """Return a workspace and a physical cluster, both empty but for the definition of deployments."""
    sides: list[tuple[Client, Path, str]] = []
    for server in (kcp_server, east):
        directory = tmp_path / f"side-{len(sides)}"
        directory.mkdir()
        clients = Clients(server, directory)
        url = server.cluster(f"test-{secrets.token_hex(5)}")
        home = directory / "install"
        home.mkdir()
        config = write_kubeconfig(home, server, url, server.tokens["admin"])
        kcp = str(Path(sys.executable).parent / "kcp")
        subprocess.run([kcp, "crds", "install", "--kubeconfig", str(config), "deployments.apps"], check=True)
        sides.append((clients.kubectl(url), config, url))
    (above, from_config, from_url), (below, to_config, _) = sides
    to_config.write_text(to_config.read_text().replace(east.url, proxy.url))
    site = Site(from_url.rpartition("/")[2], "east")
    flags = ("--from_kubeconfig", str(from_config), "--from-cluster", site.logical_cluster, "--cluster=east")
    return Pair(
        Side(above, "default"),
        Side(below, site.namespace("default")),
        site,
        (*flags, "--to-kubeconfig", str(to_config)),
    )


def trouble(thing: Object) -> str:
    """Return what the syncer says upstream of why an object is not synced."""
    found: str = thing["metadata"].get("annotations", {}).get(TROUBLE, "")
    return found


def play_rollout(pair: Pair, ready: int = 3) -> None:
    """Write a status downstream, as the controllers of a physical cluster do."""
    now = pair.below.wait("deployment/web", lambda o: o is not None)
    status = {"observedGeneration": now["metadata"]["generation"], "replicas": ready, "readyReplicas": ready}
    patch = json.dumps({"status": status})
    pair.below("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", patch)


def test_specification_goes_down_and_status_comes_up(pair: Pair) -> None:
    with pair.syncing():
        pair.above.put(deployment())
        below = pair.below.wait("deployment/web", lambda o: o is not None)
        assert below["spec"]["replicas"] == 3
        assert below["metadata"]["labels"]["app"] == "web"
        assert {"finalizers", "ownerReferences"} & below["metadata"].keys() == set()
        assert "kubectl.kubernetes.io/last-applied-configuration" not in below["metadata"]["annotations"]
        [manager] = {entry["manager"] for entry in below["metadata"]["managedFields"]}
        assert manager == pair.site.manager
        namespace = json.loads(pair.below.kubectl("get", "namespace", pair.below.namespace, "-o", "json"))
        locator = f'{{"logical-cluster":"{pair.site.logical_cluster}","namespace":"default"}}'
        assert namespace["metadata"]["annotations"]["kcp.io/namespace-locator"] == locator
        assert namespace["metadata"]["labels"][LABEL] == "east"
        play_rollout(pair)
        above = pair.above.wait("deployment/web", lambda o: o.get("status", {}).get("readyReplicas") == 3)
        assert above["status"]["observedGeneration"] == above["metadata"]["generation"]
        assert FINALIZER in above["metadata"]["finalizers"]
        pair.above("scale", "deployment", "web", "--replicas=5")
        pair.below.wait("deployment/web", lambda o: o["spec"]["replicas"] == 5)


def test_what_is_deleted_upstream_waits_for_its_copy(pair: Pair) -> None:
    with pair.syncing():
        pair.above.put(deployment())
        pair.below.wait("deployment/web", lambda o: o is not None)
        pair.below("patch", "deployment", "web", "--type=merge", "-p", '{"metadata":{"finalizers":["test.io/hold"]}}')
        pair.above("delete", "deployment", "web", "--wait=false")
        pair.below.wait("deployment/web", lambda o: "deletionTimestamp" in o["metadata"])
        assert FINALIZER in pair.above.get("deployment/web")["metadata"]["finalizers"]
        pair.below("patch", "deployment", "web", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        pair.above.wait("deployment/web", lambda o: o is None)
        assert pair.below.get("deployment/web") is None


def test_what_is_placed_elsewhere_goes_also_when_it_moved_while_no_syncer_ran(pair: Pair) -> None:
    with pair.syncing():
        for name in ("web", "other"):
            pair.above.put(deployment(name))
            pair.below.wait(f"deployment/{name}", lambda o: o is not None)
        pair.above("label", "--overwrite", "deployment", "web", f"{LABEL}=west")
        pair.below.wait("deployment/web", lambda o: o is None)
        pair.above.wait("deployment/web", lambda o: "finalizers" not in o["metadata"])
    pair.above("label", "--overwrite", "deployment", "other", f"{LABEL}-")
    # Somebody took the copy as well: only the finalizer is left to tell.
    pair.below("delete", "deployment", "other")
    with pair.syncing():
        pair.above.wait("deployment/other", lambda o: "finalizers" not in o["metadata"])


def test_secrets_and_configmaps_that_pods_read_go_along_and_no_others(pair: Pair) -> None:
    with pair.syncing():
        for name in ("read", "other"):
            pair.above("create", "secret", "generic", name, "--from-literal=a=1")
            pair.above("create", "configmap", name, "--from-literal=a=1")
        volumes = [{"name": "v", "secret": {"secretName": "read"}}]
        thing = deployment(volumes=volumes)
        thing["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "read"}}]
        pair.above.put(thing)
        pair.below.wait("secret/read", lambda o: o is not None)
        pair.below.wait("configmap/read", lambda o: o is not None)
        pair.above("patch", "secret", "read", "-p", '{"stringData":{"a":"2"}}')
        pair.below.wait("secret/read", lambda o: o["data"]["a"] == "Mg==")
        assert pair.above.get("secret/read")["metadata"].get("finalizers") is None
        pair.above.put(deployment())
        pair.below.wait("secret/read", lambda o: o is None)
        pair.below.wait("configmap/read", lambda o: o is None)
        assert pair.below.get("secret/other") is None


def test_an_edit_downstream_is_put_back_unless_it_is_to_be_left_alone(pair: Pair) -> None:
    with pair.syncing():
        pair.above.put(deployment())
        pair.below.wait("deployment/web", lambda o: o is not None)
        pair.below("scale", "deployment", "web", "--replicas=7")
        pair.below.wait("deployment/web", lambda o: o["spec"]["replicas"] == 3)
        pair.below("label", "deployment", "web", "app-")
        pair.below.wait("deployment/web", lambda o: o["metadata"]["labels"].get("app") == "web")
        # What the syncer did not write is not its business.
        pair.below("annotate", "deployment", "web", "mine=stays")
        pair.below("annotate", "deployment", "web", "workload.kcp.io/leave-alone=")
        pair.below("scale", "deployment", "web", "--replicas=7")
        play_rollout(pair, 7)
        pair.above.wait("deployment/web", lambda o: o.get("status", {}).get("readyReplicas") == 7)
        assert pair.below.get("deployment/web")["spec"]["replicas"] == 7
        pair.below("annotate", "deployment", "web", "workload.kcp.io/leave-alone-")
        back = pair.below.wait("deployment/web", lambda o: o["spec"]["replicas"] == 3)
        assert back["metadata"]["annotations"]["mine"] == "stays"


def test_what_no_syncer_made_is_neither_changed_nor_deleted(pair: Pair) -> None:
    pair.below.kubectl("create", "namespace", pair.below.namespace)
    foreign = deployment()
    foreign["metadata"]["labels"] = {"mine": "yes"}
    pair.below.put(foreign)
    before = pair.below.get("deployment/web")
    with pair.syncing():
        pair.above.put(deployment())
        pair.above.wait("deployment/web", lambda o: "in its place" in trouble(o))
        pair.above.put(deployment("other"))
        pair.above.wait("deployment/other", lambda o: "no syncer made it" in trouble(o))
        pair.above("delete", "deployment", "web", "--timeout=20s")
        assert pair.below.get("deployment/web") == before
        # Once the place is free, it is taken.
        pair.below.kubectl("delete", "namespace", pair.below.namespace)
        pair.above("annotate", "deployment", "other", "again=1")
        pair.below.wait("deployment/other", lambda o: o is not None)
        pair.above.wait("deployment/other", lambda o: trouble(o) == "")


def test_a_restart_with_nothing_changed_writes_nothing(pair: Pair) -> None:
    pair.above("create", "secret", "generic", "read", "--from-literal=a=1")
    thing = deployment(imagePullSecrets=[{"name": "read"}])
    with pair.syncing():
        pair.above.put(thing)
        pair.below.wait("secret/read", lambda o: o is not None)
        play_rollout(pair)
        pair.above.wait("deployment/web", lambda o: o.get("status", {}).get("readyReplicas") == 3)
    before = pair.above.revision(), pair.below.revision()
    assert pair.run("--dry-run").stdout == "nothing to do\n"
    with pair.syncing("--metrics-bind-address=127.0.0.1:0"):
        pair.above.put(deployment("second"))
        pair.below.wait("deployment/second", lambda o: o is not None)
    after = pair.above.revision(), pair.below.revision()
    for earlier, later in zip(before, after, strict=True):
        assert {name: later[name] for name in earlier} == earlier


def test_a_dry_run_prints_the_plan_and_changes_nothing(pair: Pair) -> None:
    pair.above("create", "configmap", "read")
    pair.above.put(deployment(volumes=[{"name": "v", "configMap": {"name": "read"}}]))
    before = pair.above.revision()
    done = pair.run("--dry-run")
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            "configmaps default/read: create downstream: it is not there",
            "deployments.apps default/web: create downstream: it is not there",
            "deployments.apps default/web: hold upstream by a finalizer",
        ],
    )
    assert pair.above.revision() == before
    assert "NotFound" in pair.below.kubectl.fails("get", "namespace", pair.below.namespace)


def test_strays_go_at_start_and_only_what_is_known_to_be_gone(pair: Pair) -> None:
    with pair.syncing():
        for name in ("web", "stray"):
            pair.above.put(deployment(name))
            pair.below.wait(f"deployment/{name}", lambda o: o is not None)
    pair.above("patch", "deployment", "stray", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    pair.above("delete", "deployment", "stray")
    with pair.syncing():
        pair.below.wait("deployment/stray", lambda o: o is None)
        assert pair.below.get("deployment/web") is not None


def test_status_of_an_earlier_object_of_a_name_is_not_written_to_a_later_one(pair: Pair) -> None:
    with pair.syncing():
        pair.above.put(deployment())
        play_rollout(pair)
        pair.above.wait("deployment/web", lambda o: o.get("status", {}).get("readyReplicas") == 3)
    first = pair.below.get("deployment/web")["metadata"]["uid"]
    pair.above("patch", "deployment", "web", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    pair.above("delete", "deployment", "web")
    pair.above.put(deployment(replicas=1))
    with pair.syncing():
        second = pair.below.wait("deployment/web", lambda o: o is not None and o["metadata"]["uid"] != first)
        assert second["spec"]["replicas"] == 1
        play_rollout(pair, 1)
        above = pair.above.wait("deployment/web", lambda o: o.get("status"))
        assert above["status"]["readyReplicas"] == 1


def test_killed_amid_work_it_ends_what_it_began(pair: Pair) -> None:
    names = [f"web-{number}" for number in range(30)]
    many: Object = {"apiVersion": "v1", "kind": "List", "items": [deployment(name) for name in names]}
    pair.above.put(many)
    for after in (3, 12):
        with pair.started() as program:
            for _ in range(after):
                program.wait_for_line("create downstream")
            pair.kill(program)
    pair.above("delete", "deployment", "web-0", "web-29", "--wait=false")
    with pair.started() as program:
        program.wait_for_line("delete downstream")
        pair.kill(program)
    with pair.syncing():
        for name in ("web-0", "web-29"):
            pair.above.wait(f"deployment/{name}", lambda o: o is None)
        for name in names[1:-1]:
            pair.below.wait(f"deployment/{name}", lambda o: o is not None)
    assert len([name for name in pair.below.revision() if name.startswith("Deployment/")]) == len(names) - 2


def test_a_physical_cluster_that_is_away_and_broken_watches_lose_nothing(pair: Pair, proxy: Proxy) -> None:
    with pair.syncing() as program:
        pair.above.put(deployment())
        pair.below.wait("deployment/web", lambda o: o is not None)
        uid = pair.below.get("deployment/web")["metadata"]["uid"]
        for replicas in (4, 5):
            proxy.cut()
            pair.above("scale", "deployment", "web", f"--replicas={replicas}")
            pair.below.wait("deployment/web", lambda o, wanted=replicas: o["spec"]["replicas"] == wanted)  # type: ignore[misc]
        with proxy.down():
            pair.above("scale", "deployment", "web", "--replicas=6")
            pair.above.put(deployment("new"))
            program.wait_for_line("Unable to connect")
        pair.below.wait("deployment/web", lambda o: o["spec"]["replicas"] == 6)
        pair.below.wait("deployment/new", lambda o: o is not None)
        assert pair.below.get("deployment/web")["metadata"]["uid"] == uid


def test_health_and_metrics_are_told(pair: Pair) -> None:
    with pair.begun("--metrics-bind-address", "127.0.0.1:0") as program:
        url = program.wait_for_line("health and metrics: ")[-1].partition(": ")[2]
        program.wait_for_line("both sides are listed")
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            assert answer.read() == b"ok\n"
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            assert b'kcp_syncer_objects{side="upstream",resource="deployments.apps"} 0\n' in answer.read()
        program.stop()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("nothings",), 'no resource "nothings" is served at'),
        (("clusterroles.rbac.authorization.k8s.io",), "has no namespace"),
        (("services",), 'no resource "services"'),
        (("--cluster=" + "x" * 60,), "is too long: 60 characters, at most 55"),
        (("--cluster=a:b",), "is no value of a label"),
        (("--from-kubeconfig=/nowhere",), "No such file or directory"),
        (("--to-context=nowhere",), 'context "nowhere" does not exist'),
    ],
)
def test_what_cannot_begin_says_why_in_a_line(pair: Pair, words: tuple[str, ...], line: str) -> None:
    done = pair.run(*words)
    assert done.returncode == 1
    [said] = done.stderr.splitlines()
    assert said.startswith("error: ")
    assert line in said


def test_a_resource_of_one_side_alone_is_named(pair: Pair) -> None:
    pair.below.kubectl("delete", "customresourcedefinition", "deployments.apps")
    done = pair.run()
    assert (done.returncode, "is served upstream alone" in done.stderr) == (1, True)


def test_who_may_not_is_told(pair: Pair, kcp_server: KcpServer, tmp_path: Path) -> None:
    home = tmp_path / "alice"
    home.mkdir()
    url = kcp_server.cluster(pair.site.logical_cluster)
    config = write_kubeconfig(home, kcp_server, url, kcp_server.tokens["alice"])
    done = pair.run("--from-kubeconfig", str(config))
    assert done.returncode == 1
    assert 'User "alice"' in done.stderr


def test_a_workspace_is_not_synced_to_itself(pair: Pair) -> None:
    itself = pair.above.kubectl.home / "config"
    done = pair.run("--to-kubeconfig", str(itself))
    assert done.returncode == 1
    assert "is the workspace itself" in done.stderr
