"""The official Python client: typed models, the dynamic client, watches that resume, leader election."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import kubernetes
import pytest
from kubernetes import client, utils, watch
from kubernetes.client.rest import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, UnprocessibleEntityError
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from tests.e2e.conftest import FIXTURES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Json, LogicalCluster

NEWEST_WAIT = 30  # seconds an expected event may take
LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS = 3, 2, 1  # the shortest election the client allows


@pytest.fixture
def api(cluster: LogicalCluster) -> Iterator[client.ApiClient]:
    """Return the client of a fresh cluster, which is also the default of what makes its own."""
    kubernetes.config.load_kube_config(str(cluster.kubeconfig))
    with client.ApiClient() as made:
        yield made
    client.Configuration.set_default(None)


@pytest.fixture
def dynamic(api: client.ApiClient, tmp_path: Path) -> DynamicClient:
    return DynamicClient(api, cache_file=str(tmp_path / "discovery.json"))


def config_map(name: str, **data: str) -> client.V1ConfigMap:
    """Return a typed config map."""
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def cowboy(name: str, **spec: Json) -> dict[str, Json]:
    """Return a cowboy of the default namespace."""
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "wildwest.dev/v1alpha1", "kind": "Cowboy", "metadata": metadata, "spec": spec}


def test_typed_objects_come_back_as_they_were_sent(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map("default", config_map("prices", apple="3"))
    made.data["pear"] = "4"
    replaced = core.replace_namespaced_config_map("prices", "default", made)
    patched = core.patch_namespaced_config_map("prices", "default", {"data": {"apple": None}})

    assert made.metadata.uid == patched.metadata.uid
    assert replaced.data == {"apple": "3", "pear": "4"}
    assert core.read_namespaced_config_map("prices", "default").data == {"pear": "4"}
    with pytest.raises(ApiException) as stale:
        core.replace_namespaced_config_map("prices", "default", made)
    assert (stale.value.status, stale.value.reason) == (409, "Conflict")

    core.create_namespaced_secret("default", client.V1Secret(metadata={"name": "key"}, string_data={"a": "b"}))
    assert core.read_namespaced_secret("key", "default").data == {"a": "Yg=="}
    core.delete_namespaced_config_map("prices", "default")
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_config_map("prices", "default")
    assert gone.value.status == 404


def test_what_the_server_says_of_itself_fits_the_strict_models(api: client.ApiClient) -> None:
    utils.create_from_yaml(api, str(FIXTURES / "cowboys.yaml"))

    groups = {group.name: group for group in client.ApisApi(api).get_api_versions().groups}
    resources = {
        r.name: r for r in client.CustomObjectsApi(api).get_api_resources("wildwest.dev", "v1alpha1").resources
    }
    core = {r.name: r for r in client.CoreV1Api(api).get_api_resources().resources}
    definition = client.ApiextensionsV1Api(api).read_custom_resource_definition("cowboys.wildwest.dev")
    definitions = client.ApiextensionsV1Api(api).list_custom_resource_definition().items
    version = definition.spec.versions[0]
    space = client.CoreV1Api(api).read_namespace("default")

    assert groups["wildwest.dev"].preferred_version.group_version == "wildwest.dev/v1alpha1"
    assert (resources["cowboys"].kind, resources["cowboys"].short_names) == ("Cowboy", ["cb"])
    assert resources["cowboys/status"].verbs == ["get", "patch", "update"]
    assert "watch" in core["configmaps"].verbs
    assert client.CoreApi(api).get_api_versions().versions == ["v1"]
    assert client.VersionApi(api).get_code().major == "1"
    assert [d.metadata.name for d in definitions] == ["cowboys.wildwest.dev"]
    assert {c.type: c.status for c in definition.status.conditions}["Established"] == "True"
    assert version.schema.open_apiv3_schema.properties["spec"].properties["mood"].enum == ["calm", "angry"]
    assert version.subresources.scale.spec_replicas_path == ".spec.horses"
    assert (space.status.phase, space.metadata.labels) == ("Active", {"kubernetes.io/metadata.name": "default"})
    names = [item.metadata.name for item in client.RbacAuthorizationV1Api(api).list_cluster_role().items]
    assert names == sorted(names)


def test_who_i_am_and_what_i_may(api: client.ApiClient) -> None:
    me = client.AuthenticationV1Api(api).create_self_subject_review(client.V1SelfSubjectReview())
    attributes = client.V1ResourceAttributes(verb="create", resource="secrets", namespace="default")
    review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes))

    assert me.status.user_info.username == "admin"
    assert client.AuthorizationV1Api(api).create_self_subject_access_review(review).status.allowed


def test_a_list_in_pages_is_the_list(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    for number in range(7):
        core.create_namespaced_config_map("default", config_map(f"page-{number}", of="book"))

    names, going_on, remaining = [], None, []
    while True:
        page = core.list_namespaced_config_map("default", limit=3, _continue=going_on)
        names += [item.metadata.name for item in page.items]
        remaining.append(page.metadata.remaining_item_count)
        going_on = page.metadata._continue
        if not going_on:
            break

    everything = core.list_namespaced_config_map("default")
    assert names == [item.metadata.name for item in everything.items]
    assert remaining == [len(names) - 3, len(names) - 6, None]


def test_a_watch_that_was_cut_goes_on_where_it_was(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    core.create_namespaced_config_map("default", config_map("before"))
    start = core.list_namespaced_config_map("default").metadata.resource_version
    core.create_namespaced_config_map("default", config_map("one"))
    core.create_namespaced_config_map("default", config_map("two"))

    def events(watcher: watch.Watch, since: str, until: str) -> list[tuple[str, str]]:
        seen = []
        for event in watcher.stream(
            core.list_namespaced_config_map, "default", resource_version=since, _request_timeout=NEWEST_WAIT
        ):
            seen.append((event["type"], event["object"].metadata.name))
            if seen[-1] == ("ADDED", until) or seen[-1] == ("DELETED", until):
                watcher.stop()
        return seen

    first = watch.Watch()
    assert events(first, start, "one") == [("ADDED", "one")]
    core.patch_namespaced_config_map("two", "default", {"data": {"a": "b"}})
    core.delete_namespaced_config_map("one", "default")
    second = watch.Watch()
    assert events(second, first.resource_version, "one") == [("ADDED", "two"), ("MODIFIED", "two"), ("DELETED", "one")]


def test_a_watch_the_server_ends_is_opened_again_by_the_client(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    start = core.list_namespaced_config_map("default").metadata.resource_version
    ended = 0

    def list_for_a_second(**options: Json) -> Json:
        """Bound each watch to a second on the server's side, which the client's own loop does not know."""
        nonlocal ended
        ended += 1
        if ended == 2:
            core.create_namespaced_config_map("default", config_map("late"))
        return core.list_namespaced_config_map("default", timeout_seconds=1, **options)

    watcher = watch.Watch(return_type="V1ConfigMap")
    for event in watcher.stream(list_for_a_second, resource_version=start):
        assert (event["type"], event["object"].metadata.name) == ("ADDED", "late")
        watcher.stop()
    assert ended >= 2


def test_the_dynamic_client_finds_and_handles_custom_resources(dynamic: DynamicClient) -> None:
    utils.create_from_yaml(dynamic.client, str(FIXTURES / "cowboys.yaml"))
    cowboys = dynamic.resources.get(api_version="wildwest.dev/v1alpha1", kind="Cowboy")

    made = cowboys.create(body=cowboy("lucky", intent="gold", gear=[{"name": "rope"}]))
    assert made.spec.to_dict() == {
        "intent": "gold",
        "mood": "calm",
        "horses": 1,
        "gear": [{"name": "rope", "count": 1}],
    }
    assert made.metadata.generation == 1

    merge = "application/merge-patch+json"
    cowboys.patch(body={"spec": {"intent": "love"}}, name="lucky", namespace="default", content_type=merge)
    answered = cowboys.status.patch(
        body={"status": {"result": "done"}}, name="lucky", namespace="default", content_type=merge
    )
    assert (answered.metadata.generation, answered.status.result, answered.spec.intent) == (2, "done", "love")
    scale = cowboys.scale.patch(body={"spec": {"replicas": 5}}, name="lucky", namespace="default", content_type=merge)
    assert (scale.kind, scale.spec.replicas) == ("Scale", 5)

    found = cowboys.get(namespace="default", field_selector="metadata.name=lucky")
    assert [(item.metadata.name, item.spec.horses) for item in found.items] == [("lucky", 5)]
    with pytest.raises(UnprocessibleEntityError) as refused:
        cowboys.create(body=cowboy("grim", mood="sad"))
    assert 'spec.mood: Unsupported value: "sad": supported values: "calm", "angry"' in refused.value.summary()
    stale = made.to_dict()
    with pytest.raises(ConflictError):
        cowboys.replace(body=stale, namespace="default")
    cowboys.delete(name="lucky", namespace="default")
    with pytest.raises(NotFoundError):
        cowboys.get(name="lucky", namespace="default")


def test_the_dynamic_client_applies_and_is_told_of_conflicts(dynamic: DynamicClient) -> None:
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")

    def apply(manager: str, force: bool | None = None, **data: str) -> Json:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prices"}, "data": data}
        return maps.server_side_apply(body=body, namespace="default", field_manager=manager, force_conflicts=force)

    apply("his", apple="3", pear="4")
    with pytest.raises(ConflictError):
        apply("hers", apple="5")
    assert apply("hers", force=True, apple="5").data.to_dict() == {"apple": "5", "pear": "4"}
    assert apply("his").data.to_dict() == {"apple": "5"}


def test_the_dynamic_client_watches_custom_resources_to_the_end_of_the_initial_events(dynamic: DynamicClient) -> None:
    utils.create_from_yaml(dynamic.client, str(FIXTURES / "cowboys.yaml"))
    cowboys = dynamic.resources.get(api_version="wildwest.dev/v1alpha1", kind="Cowboy")
    for name in ("a", "b"):
        cowboys.create(body=cowboy(name, intent="gold"))

    watcher = watch.Watch()
    seen = []
    for event in cowboys.watch(
        namespace="default",
        send_initial_events=True,
        allow_watch_bookmarks=True,
        resource_version_match="NotOlderThan",
        timeout=NEWEST_WAIT,
        watcher=watcher,
    ):
        meta = event["raw_object"]["metadata"]
        seen.append((event["type"], meta.get("name") or meta["annotations"]))
        if event["type"] == "BOOKMARK":
            cowboys.delete(name="a", namespace="default")
        if event["type"] == "DELETED":
            watcher.stop()
    end = ("BOOKMARK", {"k8s.io/initial-events-end": "true"})
    assert seen == [("ADDED", "a"), ("ADDED", "b"), end, ("DELETED", "a")]


@dataclass
class Candidate:
    """One candidate of an election in a thread of its own: leads until told to fail."""

    name: str
    leads: threading.Event = field(default_factory=threading.Event)
    fail: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        lock = LeaseLock("sheriff", "default", self.name)
        election = Config(lock, LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS, self.lead, self.stopped.set)
        self.thread = threading.Thread(target=self.run, args=(lock, election), daemon=True)
        self.thread.start()

    def run(self, lock: LeaseLock, election: Config) -> None:
        """Take part until the lead is lost."""
        with closing(lock.api_instance.api_client):
            LeaderElection(election).run()

    def lead(self) -> None:
        """Be the leader; raising is how a leader of this library resigns."""
        self.leads.set()
        self.fail.wait()
        raise RuntimeError("the sheriff resigns")


def test_leaders_elect_themselves_by_a_lease_one_after_the_other(api: client.ApiClient) -> None:
    leases = client.CoordinationV1Api(api)
    first = Candidate("wyatt")
    assert first.leads.wait(NEWEST_WAIT)
    second = Candidate("doc")
    held = leases.read_namespaced_lease("sheriff", "default")
    assert held.spec.holder_identity == "wyatt"
    assert not second.leads.is_set()

    first.fail.set()
    assert first.stopped.wait(NEWEST_WAIT)
    assert second.leads.wait(NEWEST_WAIT)
    taken = leases.read_namespaced_lease("sheriff", "default")
    assert taken.spec.holder_identity == "doc"
    assert taken.metadata.uid == held.metadata.uid
    assert taken.spec.renew_time > held.spec.renew_time

    second.fail.set()
    for candidate in (first, second):
        candidate.thread.join(NEWEST_WAIT)
        assert not candidate.thread.is_alive()
