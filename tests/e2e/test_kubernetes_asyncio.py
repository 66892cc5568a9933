"""kubernetes-asyncio: the typed and dynamic client and its own watch, under asyncio."""

from __future__ import annotations

import asyncio
import gc
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from kubernetes_asyncio import client, config, utils, watch
from kubernetes_asyncio.client.exceptions import ApiException
from kubernetes_asyncio.dynamic import DynamicClient
from kubernetes_asyncio.leaderelection.electionconfig import Config
from kubernetes_asyncio.leaderelection.leaderelection import LeaderElection
from kubernetes_asyncio.leaderelection.resourcelock.leaselock import LeaseLock

from tests.e2e.conftest import FIXTURES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.e2e.conftest import Json, LogicalCluster

EVENT_SECONDS = 30
LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS = 3, 2, 1  # the shortest election the client allows
COWBOYS = ("wildwest.dev", "v1alpha1", "default", "cowboys")


@pytest.fixture(autouse=True)
def half_closed() -> Iterator[None]:
    """Take away connections that the client did not see closed: it does not wait for the end of those of watches."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@asynccontextmanager
async def connected(cluster: LogicalCluster) -> AsyncIterator[client.ApiClient]:
    """Return a client of a logical cluster, which is also the default of what makes its own."""
    await config.load_kube_config(str(cluster.kubeconfig))
    async with client.ApiClient() as api:
        yield api


def cowboy(name: str, **spec: Json) -> dict[str, Json]:
    """Return a cowboy."""
    return {"apiVersion": "wildwest.dev/v1alpha1", "kind": "Cowboy", "metadata": {"name": name}, "spec": spec}


def test_typed_objects_live_and_go(cluster: LogicalCluster) -> None:
    async def main() -> None:
        async with connected(cluster) as api:
            core = client.CoreV1Api(api)
            body = client.V1ConfigMap(metadata=client.V1ObjectMeta(generate_name="prices-"), data={"apple": "3"})
            made = await core.create_namespaced_config_map("default", body)
            assert made.metadata.name.startswith("prices-")
            name = made.metadata.name
            await core.patch_namespaced_config_map(name, "default", {"data": {"pear": "4"}})
            read = await core.read_namespaced_config_map(name, "default")
            assert read.data == {"apple": "3", "pear": "4"}
            with pytest.raises(ApiException) as stale:
                await core.replace_namespaced_config_map(name, "default", made)
            assert stale.value.status == 409
            await core.delete_namespaced_config_map(name, "default")

            space = client.V1Namespace(metadata=client.V1ObjectMeta(name="saloon"))
            await core.create_namespace(space)
            async with watch.Watch() as watcher:
                await core.delete_namespace("saloon")
                selector = "metadata.name=saloon"
                async for event in watcher.stream(core.list_namespace, field_selector=selector):
                    if event["type"] == "DELETED":
                        break

    asyncio.run(asyncio.wait_for(main(), 2 * EVENT_SECONDS))


def test_a_watch_brings_each_change_and_resumes(cluster: LogicalCluster) -> None:
    async def main() -> None:
        async with connected(cluster) as api:
            core = client.CoreV1Api(api)
            begin = (await core.list_namespaced_secret("default")).metadata.resource_version
            seen: list[tuple[str, str]] = []

            async def read(watcher: watch.Watch, since: str, last: str) -> None:
                async for event in watcher.stream(core.list_namespaced_secret, "default", resource_version=since):
                    seen.append((event["type"], event["object"].metadata.name))
                    if event["object"].metadata.name == last:
                        return

            def secret(name: str) -> client.V1Secret:
                return client.V1Secret(metadata=client.V1ObjectMeta(name=name), type="Opaque")

            async with watch.Watch() as first:
                reading = asyncio.create_task(read(first, begin, "one"))
                await core.create_namespaced_secret("default", secret("one"))
                await reading
            await core.create_namespaced_secret("default", secret("two"))
            await core.delete_namespaced_secret("two", "default")
            await core.create_namespaced_secret("default", secret("three"))
            async with watch.Watch() as second:
                await read(second, first.resource_version, "three")
            assert seen == [("ADDED", "one"), ("ADDED", "two"), ("DELETED", "two"), ("ADDED", "three")]

    asyncio.run(asyncio.wait_for(main(), EVENT_SECONDS))


def test_custom_objects_and_the_dynamic_client_see_the_same(cluster: LogicalCluster) -> None:
    async def main() -> None:
        async with connected(cluster) as api:
            await utils.create_from_yaml(api, str(FIXTURES / "cowboys.yaml"))
            custom = client.CustomObjectsApi(api)
            made = await custom.create_namespaced_custom_object(*COWBOYS, cowboy("lucky", intent="gold"))
            assert made["spec"] == {"intent": "gold", "mood": "calm", "horses": 1}
            status = {"status": {"result": "done"}}
            await custom.patch_namespaced_custom_object_status(
                *COWBOYS, "lucky", status, _content_type="application/merge-patch+json"
            )
            with pytest.raises(ApiException) as refused:
                await custom.create_namespaced_custom_object(*COWBOYS, cowboy("grim", horses=-1))
            assert refused.value.status == 422

            async with DynamicClient(api) as dynamic:
                cowboys = await dynamic.resources.get(api_version="wildwest.dev/v1alpha1", kind="Cowboy")
                found = await cowboys.get(name="lucky", namespace="default")
                assert (found.status.result, found.metadata.generation) == ("done", 1)
                crds = await dynamic.resources.get(
                    api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition"
                )
                await crds.delete(name="cowboys.wildwest.dev")

    asyncio.run(asyncio.wait_for(main(), EVENT_SECONDS))


def test_a_leader_that_loses_its_lease_stops_leading(cluster: LogicalCluster) -> None:
    async def main() -> None:
        async with connected(cluster) as api:
            leading, stopped = asyncio.Event(), asyncio.Event()

            async def lead() -> None:
                leading.set()
                await asyncio.Event().wait()

            async def stop() -> None:
                stopped.set()

            lock = LeaseLock("sheriff", "default", "wyatt", api)
            election = LeaderElection(Config(lock, LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS, lead, stop))
            running = asyncio.create_task(election.run())
            await leading.wait()
            coordination = client.CoordinationV1Api(api)
            lease = await coordination.read_namespaced_lease("sheriff", "default")
            assert lease.spec.holder_identity == "wyatt"

            usurper = {"spec": {"holderIdentity": "billy", "leaseDurationSeconds": 3600}}
            await coordination.patch_namespaced_lease("sheriff", "default", usurper)
            await stopped.wait()
            await running
            lease = await coordination.read_namespaced_lease("sheriff", "default")
            assert lease.spec.holder_identity == "billy"

    asyncio.run(asyncio.wait_for(main(), EVENT_SECONDS))
