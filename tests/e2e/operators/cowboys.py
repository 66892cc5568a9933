"""A kopf operator of cowboys, run by `kopf run` in a process of its own.

Environment: OPERATOR_NAME is written into what it handles, RELEASE_AT_EXIT=yes frees its objects when it stops.
"""

from __future__ import annotations

import os

import kopf
from lightkube import AsyncClient
from lightkube.generic_resource import create_namespaced_resource
from lightkube.types import PatchType

NAME = os.environ["OPERATOR_NAME"]
FINALIZER = "wildwest.dev/operator"
Cowboy = create_namespaced_resource("wildwest.dev", "v1alpha1", "Cowboy", "cowboys")


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: object) -> None:
    """Use a finalizer of our own, and let a stop take no longer than it must."""
    settings.persistence.finalizer = FINALIZER
    settings.process.ultimate_exiting_timeout = 10


@kopf.on.create("cowboys")
def greet(spec: kopf.Spec, patch: kopf.Patch, **_: object) -> None:
    """Answer a new cowboy."""
    patch.status["result"] = f"{NAME} greets {spec['intent']}"


@kopf.on.update("cowboys", field="spec.intent")
def turn(old: object, new: object, patch: kopf.Patch, **_: object) -> None:
    """Answer a cowboy that changed its mind."""
    patch.status["result"] = f"{NAME} saw {old} become {new}"


@kopf.on.resume("cowboys")
def meet_again(patch: kopf.Patch, **_: object) -> None:
    """Note whom this operator found when it started."""
    patch.status["resumedBy"] = NAME


@kopf.on.delete("cowboys")
def bury(body: kopf.Body, **_: object) -> None:
    """Say goodbye where everybody can read it."""
    kopf.event(body, type="Normal", reason="Buried", message=f"{NAME} buries {body['metadata']['name']}")


@kopf.on.cleanup()
async def release(**_: object) -> None:
    """Take the finalizer off every cowboy that holds it, so that none waits for an operator that is gone."""
    if os.environ.get("RELEASE_AT_EXIT") != "yes":
        return
    async with AsyncClient() as client:
        async for cowboy in client.list(Cowboy, namespace="*"):
            held = cowboy.metadata.finalizers or []
            if FINALIZER in held:
                left = {"metadata": {"finalizers": [name for name in held if name != FINALIZER]}}
                name, namespace = cowboy.metadata.name, cowboy.metadata.namespace
                await client.patch(Cowboy, name, left, namespace=namespace, patch_type=PatchType.MERGE)
