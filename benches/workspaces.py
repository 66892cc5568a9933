"""`python -m benches workspaces`: what many workspaces cost, in time, memory and disk; exits 1 below a limit.

Every organization has an owner of its own, an ordinary user, who makes it and the workspaces in it. All requests but
the wildcard list are the owners'. Limits are those of a million workspaces in 10,000 organizations. With fewer
(`--count`) those of memory and disk shrink with the number down to a fixed allowance: caches, the window of events and
the log are there however few there are; those of time shrink down to ten seconds. So do the limits of definitions
below 1,000 workspaces with a version each (`--versions`) and below 100,000 with the same (`--define`).
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benches import systems
from benches.client import Client
from benches.table import Row, build_load, machine, render

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 11
MIB = 1024 * 1024
GIB = 1024 * MIB
MILLION = 1_000_000
RATE_FLOOR = 3_000.0
SECONDS_PER_MILLION = 360.0
MEMORY_PER_MILLION = 1536 * MIB
DISK_PER_MILLION = 3 * GIB
# What caches, the window of events and the log may take however few workspaces there are.
BASE_MEMORY = 160 * MIB
BASE_DISK = 512 * MIB
BASE_SECONDS = 10.0
RESTART_FLOOR_SECONDS = 3.0
ENTRY_FLOOR_SECONDS = 0.150
HOT_FLOOR = 0.90
RANDOM_FLOOR = 0.50
LIST_FLOOR = 200_000.0
DELETE_FLOOR_SECONDS = 10.0
DELETED = 10_000
HOT = 10_000
PAGE = 2_000
ENTRIES = 20
USED = 1_000
# Of definitions that many workspaces share, and of one that is another in each: what each workspace may take more.
SHARED = 100_000
SHARED_BYTES = 1024
SHARED_DISK = 3 * GIB / SHARED
VERSION_BYTES = 160 * 1024
VERSION_DISK = 64 * 1024
# What definitions of fewer workspaces may take in all: documents, schemas, the window of events and the log fill first.
DEFINITIONS_MEMORY = 384 * MIB
DEFINITIONS_DISK = 512 * MIB
# Definitions that workspaces share, each of about 5 kB.
SHARED_DEFINITIONS = 20
VERSIONS = 1_000
OBJECT = "/api/v1/namespaces/default/serviceaccounts/default"
WORKSPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
TENANTS = "bench-tenants"
RBAC = "rbac.authorization.k8s.io"


@dataclass(kw_only=True)
class Bench:
    """One server with its tenants. Sizes are bytes, times seconds."""

    program: Path
    directory: Path
    organizations: int
    system: systems.Running = field(init=False)

    def start(self) -> float:
        """Start the server on its directory; returns how long it took to be ready."""
        tokens = [
            f'{systems.TENANT_TOKEN}-{owner},owner-{owner},owner-{owner}-uid,"developers"'
            for owner in range(self.organizations)
        ]
        self.system = systems.start_kcp(self.directory, tokens=tokens)
        return self.system.ready_after

    @property
    def address(self) -> str:
        """The server's URL, without a logical cluster."""
        return self.system.server.rsplit("/clusters/", 1)[0]

    def as_owner(self, index: int) -> Client:
        """Open a connection as the owner of a workspace."""
        return Client(self.address, self.system.ca, f"{systems.TENANT_TOKEN}-{index % self.organizations}")

    def as_administrator(self) -> Client:
        """Open a connection as administrator."""
        return Client(self.address, self.system.ca, self.system.admin_token)

    def load(self, mode: str, *arguments: object) -> dict[str, Any]:
        """Run the load generator; an error of any request ends the program."""
        token = self.system.admin_token if mode == "walk" else systems.TENANT_TOKEN
        command = [str(self.program), mode, "--server", self.address, "--ca", str(self.system.ca), "--token", token]
        command += ["--owners", str(self.organizations), *(str(argument) for argument in arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"error: {mode}: {done.stderr.strip()}")
        result: dict[str, Any] = json.loads(done.stdout)
        if result["errors"]:
            raise SystemExit(f"error: {mode}: {result['errors']} errors, first: {result['first_error']}")
        print(f"  {mode}: {result['operations']:,} at {result['rate']:,.0f}/s", file=sys.stderr)
        return result

    def let_in(self) -> None:
        """Let the owners make workspaces in `root`."""
        rules = [
            {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspaces"], "verbs": ["create", "get", "delete"]},
            {"apiGroups": ["tenancy.kcp.io"], "resources": ["workspacetypes"], "verbs": ["use"]},
            {"nonResourceURLs": ["/"], "verbs": ["access"]},
        ]
        client = self.as_administrator()
        role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": TENANTS}, "rules": rules}
        client.call("POST", f"/clusters/root/apis/{RBAC}/v1/clusterroles", role)
        binding = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": TENANTS},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": TENANTS},
            "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": "developers"}],
        }
        client.call("POST", f"/clusters/root/apis/{RBAC}/v1/clusterrolebindings", binding)

    def make(self, count: int) -> dict[str, Any]:
        """Make the organizations, then that many workspaces in them."""
        parents, names = self.directory / "organizations", self.directory / "workspaces"
        self.load("workspaces", "--count", self.organizations, "--prefix", "org", "--names", parents)
        return self.load("workspaces", "--count", count, "--parents", parents, "--names", names)

    def visit(self, hot: int = 0) -> float:
        """Gets per second in workspaces drawn at random, of the first `hot` or of all."""
        names = self.directory / "workspaces"
        # Long enough to have been in each of the hot ones, so that what is measured is their being hot.
        warm = ("--warm-up", 4) if hot else ()
        report = self.load("visit", "--names", names, "--hot", hot, "--path", OBJECT, "--seconds", 4, *warm)
        return float(report["rate"])

    def names(self) -> list[str]:
        """Names of the workspaces' logical clusters; the nth is owner n's."""
        return (self.directory / "workspaces").read_text().split()

    def disk(self) -> int:
        """Blocks that the server's directory takes on disk."""
        files = (file.stat() for file in (self.directory / "kcp").rglob("*") if file.is_file())
        return sum(stat.st_blocks * 512 for stat in files)

    def close(self) -> None:
        """End the server and remove what it stored."""
        self.system.end()
        shutil.rmtree(self.directory, ignore_errors=True)


@dataclass(slots=True)
class Memory:
    """Peaks of a process's memory, looked at ten times a second."""

    pid: int
    rss: int = 0
    anonymous: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look until `stop` is called."""
        while not self._stop.wait(0.1):
            rss, anonymous = memory(self.pid)
            self.rss, self.anonymous = max(self.rss, rss), max(self.anonymous, anonymous)

    def stop(self) -> None:
        """End the looking."""
        self._stop.set()


def memory(pid: int) -> tuple[int, int]:
    """Resident memory of a process, and the part of it that no file backs."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return found["VmRSS"], found["RssAnon"]


def limit(what: str, found: float, most: float, shown: str, shown_limit: str) -> Row:
    """Make the row of something that may not pass a limit."""
    return Row(what, shown, "", "", shown_limit, found <= most)


def least(what: str, found: float, floor: float, shown: str, shown_floor: str) -> Row:
    """Make the row of something that may not fall below a floor."""
    return Row(what, shown, "", "", shown_floor, found >= floor)


def size(what: str, found: int, most: float) -> Row:
    """Make the row of a size."""
    return limit(what, found, most, f"{found / MIB:,.0f} MiB", f"{most / MIB:,.0f} MiB")


def empty_rate(program: Path) -> float:
    """Gets per second in the one workspace of an otherwise empty server."""
    bench = Bench(program=program, directory=systems.scratch("empty"), organizations=1)
    try:
        bench.start()
        bench.let_in()
        bench.make(1)
        return bench.visit()
    finally:
        bench.close()


def mass(bench: Bench, count: int) -> Iterator[Row]:
    """Make the workspaces and measure the server that holds them."""
    share = count / MILLION
    # What the first workspaces bring with them stays; one answer more shows what the first look brought.
    bench.load("workspaces", "--count", 64, "--prefix", "first", "--names", bench.directory / "first")
    metric_series(bench)
    series = metric_series(bench)
    watched = Memory(bench.system.pids[0])
    looker = threading.Thread(target=watched.watch)
    looker.start()
    begun = time.monotonic()
    report = bench.make(count)
    took = time.monotonic() - begun
    watched.stop()
    looker.join()
    rate, p99 = float(report["rate"]), report["p99_us"] / 1000
    yield least("workspaces Ready per second", rate, RATE_FLOOR, f"{rate:,.0f}/s, p99 {p99:.1f} ms", "3,000/s")
    what = f"{count:,} workspaces in {bench.organizations:,} organizations"
    most = max(SECONDS_PER_MILLION * (share + bench.organizations / MILLION), BASE_SECONDS)
    yield limit(what, took, most, f"{took:.0f} s", f"{most:.0f} s")
    allowed = max(MEMORY_PER_MILLION * share, BASE_MEMORY)
    rss, anonymous = memory(bench.system.pids[0])
    yield size("RSS, peak", watched.rss, allowed)
    yield size("RssAnon, peak", watched.anonymous, allowed)
    yield size("RSS, after", rss, allowed)
    yield size("RssAnon, after", anonymous, allowed)
    yield size("disk", bench.disk(), max(DISK_PER_MILLION * share, BASE_DISK))
    more = metric_series(bench) - series
    yield limit("more metric series", more, 0, str(more), "0")
    yield from restarts(bench, allowed)
    # Directly before, so that both meet the machine in one mood; the other server is idle meanwhile.
    empty = empty_rate(bench.program)
    hot, anywhere = bench.visit(HOT), bench.visit()
    yield ratio(f"get per second, {HOT:,} hot workspaces", hot, empty, HOT_FLOOR)
    yield ratio("get per second, any workspace", anywhere, empty, RANDOM_FLOOR)
    entries = sorted(entry(bench, index) for index in random.Random(SEED).sample(range(count), min(ENTRIES, count)))
    text = f"{median(entries) * 1000:.0f} ms, slowest {entries[-1] * 1000:.0f} ms"
    yield limit("entering a random workspace", entries[-1], ENTRY_FLOOR_SECONDS, text, "150 ms")
    for what, path in [("Workspaces", WORKSPACES), ("Namespaces", "/api/v1/namespaces")]:
        walked = bench.load("walk", "--path", f"/clusters/*{path}", "--objects", PAGE)
        text = f"{walked['rate']:,.0f}/s of {walked['bytes_per_operation']:,.0f} bytes"
        yield least(f"wildcard list of {what}, paged", float(walked["rate"]), LIST_FLOOR, text, "200,000/s")


def ratio(what: str, rate: float, empty: float, floor: float) -> Row:
    """Make the row of a rate beside that of an empty server."""
    return Row(
        what,
        f"{rate:,.0f}/s",
        f"empty kcp: {empty:,.0f}/s",
        f"{rate / empty:.2f}×",
        f"{floor:g}×",
        rate >= floor * empty,
    )


def restarts(bench: Bench, allowed: float) -> Iterator[Row]:
    """End the server and start it again, in order and after a kill."""
    bench.system.end()
    ready = bench.start()
    yield limit("restart to ready", ready, RESTART_FLOOR_SECONDS, f"{ready:.2f} s", "3 s")
    bench.system.kill()
    ready = bench.start()
    yield limit("restart to ready after kill -9", ready, RESTART_FLOOR_SECONDS, f"{ready:.2f} s", "3 s")
    yield size("RSS, after a restart", memory(bench.system.pids[0])[0], allowed)


def metric_series(bench: Bench) -> int:
    """How many series the server's metrics have."""
    text = bench.as_administrator().call("GET", "/metrics").decode()
    return sum(1 for line in text.splitlines() if not line.startswith("#"))


def entry(bench: Bench, index: int) -> float:
    """Enter a workspace for the first time, by its path, as a client that knows nothing yet.

    It does as `kubectl ws` does: connect, find the workspace in its parent; then it discovers what there is, and gets.
    """
    parent, name = f"root:org-{index % bench.organizations}", f"ws-{index // bench.organizations}"
    begun = time.monotonic()
    client = bench.as_owner(index)
    found = json.loads(client.call("GET", f"/clusters/{parent}{WORKSPACES}/{name}"))
    cluster = f"/clusters/{parent}:{name}"
    if not found["spec"]["URL"].endswith(cluster):
        raise SystemExit(f"error: {parent}:{name} is at {found['spec']['URL']}")
    client.call("GET", f"{cluster}/api", accept=AGGREGATED)
    client.call("GET", f"{cluster}/apis", accept=AGGREGATED)
    client.call("GET", cluster + OBJECT)
    took = time.monotonic() - begun
    client.close()
    return took


def used(bench: Bench, count: int) -> Row:
    """Use workspaces drawn at random as their owners do; everything has to answer."""
    names = bench.names()
    chosen = random.Random(SEED).sample(range(len(names)), min(count, len(names)))
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda index: use(bench, index, names[index]), chosen))
    took = time.monotonic() - begun
    return Row(f"{len(chosen):,} random workspaces used", f"all answer, {took:.0f} s", "", "", "all", passed=True)


def use(bench: Bench, index: int, name: str) -> None:
    """Ask for rights, read what is born, take a token and show it, define a kind and make an object of it."""
    cluster = f"/clusters/{name}"
    client = bench.as_owner(index)
    wanted = {"verb": "delete", "group": "apps", "resource": "deployments", "namespace": "default"}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    path = f"{cluster}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = json.loads(client.call("POST", path, {**review, "spec": {"resourceAttributes": wanted}}))
    if answer["status"]["allowed"] is not True:
        raise SystemExit(f"error: the owner of {name} may not delete there")
    client.call("GET", f"{cluster}/api/v1/namespaces/default")
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = json.loads(client.call("POST", f"{cluster}{OBJECT}/token", asked))["status"]["token"]
    account = Client(bench.address, bench.system.ca, token)
    who = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = json.loads(account.call("POST", f"{cluster}/apis/authentication.k8s.io/v1/selfsubjectreviews", who))
    if answer["status"]["userInfo"]["username"] != "system:serviceaccount:default:default":
        raise SystemExit(f"error: the token of {name} is {answer['status']['userInfo']['username']}")
    definition = shared_definition(SHARED_DEFINITIONS)
    client.call("POST", cluster + DEFINITIONS, definition)
    group, plural = definition["spec"]["group"], definition["spec"]["names"]["plural"]
    thing = {
        "apiVersion": f"{group}/v1",
        "kind": f"Thing{SHARED_DEFINITIONS}",
        "metadata": {"name": "one"},
        "spec": {"field0": name},
    }
    things = f"{cluster}/apis/{group}/v1/namespaces/default/{plural}"
    client.call("POST", things, thing)
    if json.loads(client.call("GET", f"{things}/one"))["spec"] != {"field0": name}:
        raise SystemExit(f"error: {things}/one is not what was made")
    account.close()
    client.close()


def deleted(bench: Bench, count: int) -> Row:
    """Delete an organization with that many workspaces; the time ends when the Workspace is gone."""
    parents, names = bench.directory / "doomed", bench.directory / "doomed-workspaces"
    bench.load("workspaces", "--owners", 1, "--count", 1, "--prefix", "doomed", "--names", parents)
    bench.load("workspaces", "--owners", 1, "--count", count, "--prefix", "ws", "--parents", parents, "--names", names)
    client = bench.as_administrator()
    path = f"/clusters/root{WORKSPACES}"
    since = json.loads(client.call("GET", f"{path}?limit=1"))["metadata"]["resourceVersion"]
    begun = time.monotonic()
    client.call("DELETE", f"{path}/doomed-0")
    selector = f"watch=true&fieldSelector=metadata.name%3Ddoomed-0&resourceVersion={since}&timeoutSeconds=300"
    for event in client.lines(f"{path}?{selector}"):
        if event["type"] == "DELETED":
            break
    else:
        raise SystemExit("error: the organization was not gone after 300 s")
    took = time.monotonic() - begun
    what = f"deleting an organization of {count:,} workspaces"
    return limit(what, took, DELETE_FLOOR_SECONDS, f"{took:.1f} s", "10 s")


def shared_definition(index: int) -> dict[str, Any]:
    """Make one of the definitions that many workspaces have."""
    from benches.crds import definition

    return definition(0, index)


def versioned_definition() -> dict[str, Any]:
    """Make a definition that is another one in each workspace; `@` stands for the workspace's number."""
    made: dict[str, Any] = json.loads(json.dumps(shared_definition(SHARED_DEFINITIONS + 1)))
    version = made["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    spec = schema["properties"]["spec"]
    spec["properties"]["field0"]["description"] = "What workspace @ says of this field."
    spec["properties"]["own@"] = {"type": "string"}
    spec["required"], schema["required"] = ["own@"], ["spec"]
    return made


def filled(bench: Bench, bodies: list[dict[str, Any]], count: int) -> Filled:
    """Create the same definitions in that many workspaces; what the first one brings with it is not counted."""
    file, rest = bench.directory / "bodies.json", bench.directory / "rest"
    file.write_text(json.dumps(bodies))
    names = bench.names()
    (bench.directory / "first").write_text(names[0])
    bench.load("fill", "--names", bench.directory / "first", "--bodies", file, "--count", 1, "--path", DEFINITIONS)
    # From the second workspace of the first owner on, so that owners and workspaces go together.
    chosen = names[bench.organizations :][:count]
    rest.write_text("\n".join(chosen))
    before, disk = memory(bench.system.pids[0])[0], bench.disk()
    report = bench.load("fill", "--names", rest, "--bodies", file, "--count", count, "--path", DEFINITIONS)
    return Filled(chosen, before, disk, float(report["rate"]))


@dataclass(frozen=True, slots=True)
class Filled:
    """Workspaces that got definitions, with the memory and disk of before, and definitions per second."""

    clusters: list[str]
    before: int
    disk: int
    rate: float

    def rows(self, bench: Bench, what: str, full: int, most: tuple[float, float]) -> Iterator[Row]:
        """Yield the rows of memory and disk, with limits for each of `full` workspaces or more."""
        count = len(self.clusters)
        for kind, grown, each, fixed in (
            ("RAM", memory(bench.system.pids[0])[0] - self.before, most[0], DEFINITIONS_MEMORY),
            ("disk", bench.disk() - self.disk, most[1], DEFINITIONS_DISK),
        ):
            text = f"{grown / MIB:,.0f} MiB, {max(grown, 0) / count:,.0f} bytes each; {self.rate:,.0f} definitions/s"
            allowed = each * count if count >= full else max(each * count, fixed)
            yield limit(f"{what}: {kind}", grown, allowed, text, f"{allowed / MIB:,.0f} MiB")


def versions(bench: Bench, count: int) -> Iterator[Row]:
    """Give workspaces a version each of one definition, and see that each serves its own and no other's."""
    body = versioned_definition()
    made = filled(bench, [body], count)
    group, plural = body["spec"]["group"], body["spec"]["names"]["plural"]
    collection = f"/apis/{group}/v1/namespaces/default/{plural}"
    kind = {"apiVersion": f"{group}/v1", "kind": body["spec"]["names"]["kind"]}
    wrong: list[str] = []

    def check(index: int) -> None:
        client = bench.as_owner(index)
        path = f"/clusters/{made.clusters[index]}{collection}"
        # The neighbour's object lacks what this version asks for.
        for number, wanted in ((index, 201), (index + 1, 422)):
            thing = {**kind, "metadata": {"name": f"thing-{number}"}, "spec": {f"own{number}": "x"}}
            status, answer = client.answer("POST", path, thing)
            if status != wanted:
                wrong.append(f"{path}: version {number} answered {status}: {answer[:200]!r}")
        client.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check, range(len(made.clusters))))
    what = f"{len(made.clusters):,} workspaces, each with a version of its own of one CRD"
    for one in wrong[:5]:
        print(f"  {one}", file=sys.stderr)
    yield limit(f"{what}: served", len(wrong), 0, f"{len(wrong):,} not as their own", "0")
    yield from made.rows(bench, what, VERSIONS, (VERSION_BYTES, VERSION_DISK))


def defined(bench: Bench, count: int) -> Iterator[Row]:
    """Give workspaces the same definitions."""
    made = filled(bench, [shared_definition(index) for index in range(SHARED_DEFINITIONS)], count)
    what = f"{len(made.clusters):,} workspaces with the same {SHARED_DEFINITIONS} CRDs"
    yield from made.rows(bench, what, SHARED, (SHARED_BYTES, SHARED_DISK))


def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benches workspaces", description=__doc__)
    parser.add_argument("--count", type=int, default=MILLION, help="workspaces (default 1,000,000)")
    parser.add_argument("--organizations", type=int, default=10_000, help="organizations (default 10,000)")
    parser.add_argument("--delete", type=int, default=DELETED, help="workspaces of the organization that is deleted")
    parser.add_argument(
        "--define", type=int, default=0, metavar="N", help="workspaces that get the same 20 definitions"
    )
    parser.add_argument("--versions", type=int, default=VERSIONS, help="workspaces with a version of their own")
    options = parser.parse_args(arguments)
    if options.organizations < 1 or options.count < 2 * options.organizations:
        parser.error("there has to be an organization, and --count has to be at least two for each")
    program = build_load()
    table: list[Row] = []
    bench = Bench(program=program, directory=systems.scratch("workspaces"), organizations=options.organizations)

    def add(row: Row) -> None:
        table.append(row)
        print(f"  {row.what}: {row.ours}", file=sys.stderr)

    try:
        bench.start()
        bench.let_in()
        for row in mass(bench, options.count):
            add(row)
        add(used(bench, USED))
        if options.delete:
            add(deleted(bench, options.delete))
        if options.versions:
            for row in versions(bench, options.versions):
                add(row)
        if options.define:
            for row in defined(bench, options.define):
                add(row)
    finally:
        bench.close()
    print(machine())
    print()
    print(render(table))
    return 1 if any(row.passed is False for row in table) else 0
