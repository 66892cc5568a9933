"""kr8s: objects that patch, label, scale, wait for and adopt each other; synchronous and asynchronous."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import kr8s
import kr8s.asyncio
import kr8s.asyncio.objects
import pytest
from kr8s._async_utils import as_sync_func
from kr8s.objects import ConfigMap, Namespace, Secret, ServiceAccount, new_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Json, LogicalCluster

EVENT_SECONDS = 30
# The newest Kubernetes this release of kr8s was tried with is older than what the server calls itself.
pytestmark = pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported:UserWarning")


@pytest.fixture
def api(cluster: LogicalCluster) -> Iterator[Json]:
    made = kr8s.api(kubeconfig=str(cluster.kubeconfig))
    yield made
    as_sync_func(close)(made)


async def close(api: Json) -> None:
    """Close the connections of a client, for which kr8s has no call of its own."""
    await api._session.aclose()


def map_called(name: str, api: Json, **data: str) -> Json:
    """Return a config map that was not created yet."""
    return ConfigMap({"metadata": {"name": name, "namespace": "default"}, "data": data}, api=api)


def cowboy(name: str, **spec: Json) -> dict[str, Json]:
    """Return a cowboy of the default namespace."""
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "wildwest.dev/v1alpha1", "kind": "Cowboy", "metadata": metadata, "spec": spec}


def test_objects_live_and_go(api: Json) -> None:
    prices = map_called("prices", api, apple="3")
    prices.create()
    prices.patch({"data": {"pear": "4"}})
    prices.patch([{"op": "remove", "path": "/data/apple"}], type="json")
    prices.label({"season": "autumn", "fresh": "yes"})
    prices.annotate(seen="often")
    prices.label("fresh-")

    found = ConfigMap.get("prices", namespace="default", api=api)
    assert (dict(found.data), dict(found.labels)) == ({"pear": "4"}, {"season": "autumn"})
    assert found.annotations["seen"] == "often"
    assert [item.name for item in api.get("configmaps", label_selector={"season": "autumn"})] == ["prices"]
    prices.delete()
    prices.wait("delete", timeout=EVENT_SECONDS)
    assert not prices.exists()
    with pytest.raises(kr8s.NotFoundError):
        prices.refresh()


def test_it_knows_the_server_and_itself(api: Json, cowboys: LogicalCluster) -> None:
    resources = {item["name"]: item for item in api.api_resources()}
    assert resources["cowboys"]["version"] == "wildwest.dev/v1alpha1"
    assert resources["cowboys"]["shortNames"] == ["cb"]
    assert resources["configmaps"]["namespaced"]
    assert api.version()["major"] == "1"
    assert api.whoami() == "admin"


def test_custom_resources_are_looked_up_waited_for_and_scaled(api: Json, cowboys: LogicalCluster) -> None:
    Cowboy = new_class("Cowboy", "wildwest.dev/v1alpha1", scalable=True, scalable_spec="horses", asyncio=False)
    lucky = Cowboy(cowboy("lucky", intent="gold"), api=api)
    lucky.create()
    assert dict(lucky.spec) == {"intent": "gold", "mood": "calm", "horses": 1}
    lucky.scale(3)
    ready = {"status": {"result": "done", "conditions": [{"type": "Ready", "status": "True"}]}}
    lucky.patch(ready, subresource="status")
    lucky.wait("condition=Ready", timeout=EVENT_SECONDS)
    lucky.wait("jsonpath='{.status.result}'=done", timeout=EVENT_SECONDS)

    [by_short_name] = api.get("cb")
    assert (by_short_name.name, by_short_name.spec.horses, by_short_name.metadata.generation) == ("lucky", 3, 2)
    with pytest.raises(kr8s.ServerError, match=r"spec\.horses: Invalid value: -1"):
        lucky.patch({"spec": {"horses": -1}})


def test_a_secret_is_adopted_and_tells_its_owner(api: Json) -> None:
    owner, child = map_called("owner", api), Secret({"metadata": {"name": "child", "namespace": "default"}}, api=api)
    owner.create()
    child.create()
    owner.adopt(child)

    child.refresh()
    assert [(ref.kind, ref.name, ref.uid) for ref in child.metadata.ownerReferences] == [
        ("ConfigMap", "owner", owner.metadata.uid)
    ]


def test_a_namespace_is_waited_for_until_it_is_gone(api: Json) -> None:
    saloon = Namespace({"metadata": {"name": "saloon"}}, api=api)
    saloon.create()
    saloon.wait("jsonpath='{.status.phase}'=Active", timeout=EVENT_SECONDS)
    assert ServiceAccount.get("default", namespace="saloon", api=api).name == "default"
    saloon.delete()
    saloon.wait("delete", timeout=EVENT_SECONDS)
    assert not saloon.exists()


def test_the_asynchronous_api_watches_while_it_writes(cluster: LogicalCluster) -> None:
    async def main() -> None:
        api = await kr8s.asyncio.api(kubeconfig=str(cluster.kubeconfig))
        AsyncMap = kr8s.asyncio.objects.ConfigMap
        one = await AsyncMap({"metadata": {"name": "one", "namespace": "default"}, "data": {"step": "0"}}, api=api)
        await one.create()
        twin = await AsyncMap.get("one", namespace="default", api=api)
        await one.patch({"data": {"step": "1"}})
        seen = []
        async for event, item in twin.watch():  # from the version that was read
            seen.append((event, item.data.step))
            if event == "DELETED":
                break
            if item.data.step == "2":
                await one.delete()
            else:
                await one.patch({"data": {"step": "2"}})
        assert seen == [("MODIFIED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]

        names = [item.name async for item in api.get("configmaps", namespace=kr8s.ALL)]
        assert names == ["kube-root-ca.crt"]
        await close(api)

    asyncio.run(asyncio.wait_for(main(), EVENT_SECONDS))
