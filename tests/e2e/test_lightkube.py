"""lightkube: typed and generic resources, watches, waiting, field managers, and its asynchronous twin."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from lightkube import ApiError, AsyncClient, Client, KubeConfig
from lightkube.codecs import load_all_yaml
from lightkube.generic_resource import (
    create_namespaced_resource,
    get_generic_resource,
    load_in_cluster_generic_resources,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.core_v1 import ConfigMap, Namespace, Secret, ServiceAccount, ServiceAccountToken
from lightkube.types import PatchType

from tests.e2e.conftest import FIXTURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Json, LogicalCluster

EVENT_SECONDS = 30
Cowboy = create_namespaced_resource("wildwest.dev", "v1alpha1", "Cowboy", "cowboys")


@pytest.fixture
def kube(cluster: LogicalCluster) -> Iterator[Client]:
    with Client(KubeConfig.from_file(cluster.kubeconfig), field_manager="lightkube") as client:
        yield client


@pytest.fixture
def west(kube: Client) -> Client:
    """Return a client of a fresh cluster that serves cowboys."""
    for item in load_all_yaml((FIXTURES / "cowboys.yaml").read_text()):
        kube.create(item)
    return kube


def cowboy(name: str, **spec: Json) -> Json:
    """Return a cowboy of the default namespace."""
    return Cowboy(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


def test_typed_objects_live_and_go(kube: Client) -> None:
    made = kube.create(ConfigMap(metadata=ObjectMeta(name="prices", namespace="default"), data={"apple": "3"}))
    kube.patch(ConfigMap, "prices", {"data": {"pear": "4"}}, patch_type=PatchType.MERGE)
    kube.patch(ConfigMap, "prices", [{"op": "remove", "path": "/data/apple"}], patch_type=PatchType.JSON)
    read = kube.get(ConfigMap, "prices")
    assert (read.metadata.uid, read.data) == (made.metadata.uid, {"pear": "4"})
    with pytest.raises(ApiError) as stale:
        kube.replace(made)
    assert (stale.value.status.code, stale.value.status.reason) == (409, "Conflict")

    made.metadata.resourceVersion = None
    assert kube.replace(made).data == {"apple": "3"}
    kube.delete(ConfigMap, "prices")
    with pytest.raises(ApiError) as gone:
        kube.get(ConfigMap, "prices")
    assert gone.value.status.message == 'configmaps "prices" not found'


def test_a_dry_run_leaves_nothing(cluster: LogicalCluster) -> None:
    config = KubeConfig.from_file(cluster.kubeconfig)
    with Client(config, dry_run=True) as rehearsal, Client(config) as kube:
        made = rehearsal.create(Secret(metadata=ObjectMeta(name="key", namespace="default"), stringData={"a": "b"}))
        assert made.data == {"a": "Yg=="}
        assert [item for item in kube.list(Secret) if item.metadata.name == "key"] == []


def test_lists_in_chunks_with_selectors_are_whole(kube: Client) -> None:
    for number in range(7):
        labels = {"parity": "odd" if number % 2 else "even"}
        kube.create(ConfigMap(metadata=ObjectMeta(name=f"n{number}", namespace="default", labels=labels)))

    odd = kube.list(ConfigMap, labels={"parity": "odd"}, chunk_size=2)
    others = kube.list(ConfigMap, labels={"parity": ("even", "none")}, fields={"metadata.name": "n4"})
    everywhere = kube.list(ConfigMap, namespace="*", chunk_size=3)

    assert [item.metadata.name for item in odd] == ["n1", "n3", "n5"]
    assert [item.metadata.name for item in others] == ["n4"]
    assert {item.metadata.name for item in everywhere} >= {f"n{number}" for number in range(7)}


def test_a_service_account_gets_a_token(kube: Client) -> None:
    name = kube.get(ServiceAccount, "default").metadata.name
    token = kube.create(ServiceAccountToken(metadata=ObjectMeta(name=name, namespace="default")), name)
    assert token.status.token.count(".") == 2


def test_custom_resources_are_found_in_the_cluster_and_handled(west: Client) -> None:
    load_in_cluster_generic_resources(west)
    assert get_generic_resource("wildwest.dev/v1alpha1", "Cowboy") is Cowboy

    made = west.create(cowboy("lucky", intent="gold"))
    assert made["spec"] == {"intent": "gold", "mood": "calm", "horses": 1}
    made["spec"]["intent"] = "love"
    replaced = west.replace(made)
    assert replaced.metadata.generation == 2
    done = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    status = west.patch(Cowboy.Status, "lucky", done, patch_type=PatchType.MERGE)
    assert (status.metadata.generation, status["spec"]["intent"]) == (2, "love")
    scale = west.get(Cowboy.Scale, "lucky")
    assert (scale.spec.replicas, scale.kind) == (1, "Scale")
    scale.spec.replicas = 4
    west.replace(scale, "lucky")
    assert west.get(Cowboy, "lucky")["spec"]["horses"] == 4
    with pytest.raises(ApiError) as refused:
        west.create(cowboy("grim", tags=["a", "a"]))
    assert 'spec.tags[1]: Duplicate value: "a"' in refused.value.status.message
    entries = west.get(Cowboy, "lucky").metadata.managedFields
    assert {(entry.manager, entry.operation, entry.subresource) for entry in entries} == {
        ("lightkube", "Update", None),
        ("lightkube", "Update", "scale"),
        ("lightkube", "Update", "status"),
    }


def test_it_applies_as_a_manager_of_fields(west: Client, cluster: LogicalCluster) -> None:
    def document(**spec: Json) -> Json:
        return Cowboy(
            apiVersion="wildwest.dev/v1alpha1",
            kind="Cowboy",
            metadata=ObjectMeta(name="lucky", namespace="default"),
            spec=spec,
        )

    west.apply(document(intent="gold", gear=[{"name": "rope"}]))
    west.apply(document(gear=[{"name": "hat"}]), field_manager="hers")
    with pytest.raises(ApiError) as refused:
        west.apply(document(intent="love"), field_manager="hers")
    assert refused.value.status.reason == "Conflict"
    assert refused.value.status.details.causes[0].field == ".spec.intent"
    taken = west.apply(document(intent="love"), field_manager="hers", force=True)

    assert taken["spec"] == {"intent": "love", "mood": "calm", "horses": 1, "gear": [{"name": "rope", "count": 1}]}
    owners = {entry.manager: entry.operation for entry in taken.metadata.managedFields}
    assert owners == {"lightkube": "Apply", "hers": "Apply"}


def test_it_waits_for_a_condition_and_for_the_end(west: Client) -> None:
    west.create(cowboy("lucky", intent="gold"))
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    patch = threading.Thread(
        target=west.patch, args=(Cowboy.Status, "lucky", ready), kwargs={"patch_type": PatchType.MERGE}
    )
    patch.start()
    try:
        found = west.wait(Cowboy, "lucky", for_conditions=["Ready"])
    finally:
        patch.join()
    assert found.metadata.name == "lucky"
    established = west.wait(CustomResourceDefinition, "cowboys.wildwest.dev", for_conditions=["Established"])
    assert established.metadata.name == "cowboys.wildwest.dev"


def test_a_watch_survives_the_servers_time_out_and_goes_on_from_a_version(kube: Client) -> None:
    listed = kube.list(ConfigMap)
    assert [item.metadata.name for item in listed] == ["kube-root-ca.crt"]
    start = listed.resourceVersion
    made = ConfigMap(metadata=ObjectMeta(name="late", namespace="default"))
    late = threading.Timer(1.2, kube.create, [made])  # after the server has ended the first watch
    late.start()
    seen = []
    try:
        for event, item in kube.watch(ConfigMap, resource_version=start, server_timeout=1):
            seen.append((event, item.metadata.name))
            if event == "ADDED":
                kube.patch(ConfigMap, "late", {"data": {"a": "b"}})
            elif event == "MODIFIED":
                kube.delete(ConfigMap, "late")
            else:
                break
    finally:
        late.join()
    assert seen == [("ADDED", "late"), ("MODIFIED", "late"), ("DELETED", "late")]


def test_the_asynchronous_client_works_the_same(cluster: LogicalCluster) -> None:
    async def main() -> None:
        async with AsyncClient(KubeConfig.from_file(cluster.kubeconfig)) as kube:
            await kube.create(Namespace(metadata=ObjectMeta(name="saloon")))
            watching = kube.watch(ConfigMap, namespace="saloon")
            first = asyncio.ensure_future(anext(watching))
            for number in range(3):
                await kube.create(ConfigMap(metadata=ObjectMeta(name=f"n{number}", namespace="saloon")))
            event, item = await first
            # Without a resourceVersion the watch begins with what there is: the root CA's map comes first.
            assert (event, item.metadata.name) == ("ADDED", "kube-root-ca.crt")
            names = [item.metadata.name async for item in kube.list(ConfigMap, namespace="saloon", chunk_size=2)]
            assert names == ["kube-root-ca.crt", "n0", "n1", "n2"]
            await kube.deletecollection(ConfigMap, namespace="saloon")
            await kube.delete(Namespace, "saloon")
            async for event, space in kube.watch(Namespace, fields={"metadata.name": "saloon"}):
                if event == "DELETED":
                    assert space.status.phase == "Terminating"
                    break

    asyncio.run(asyncio.wait_for(main(), EVENT_SECONDS))
