"""Deletion of definitions over a server in this process; rules are kube-api 5.2.4 and 5.2.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcp.controllers import definitions
from tests.unit.controllers.harness import CLUSTER, DEFINITIONS, WIDGETS, Harness, Json, definition

if TYPE_CHECKING:
    import pytest

NAME = "widgets.example.com"


def terminating(found: Json) -> tuple[str, str, str]:
    said = {one["type"]: one for one in found["status"]["conditions"]}
    one = said["Terminating"]
    return one["status"], one["reason"], one["message"]


async def test_5_2_4_conditions_tell_how_far_the_deletion_is(kcp: Harness) -> None:
    await kcp.good("POST", DEFINITIONS, definition())
    await kcp.create(WIDGETS, "held", finalizers=["example.com/x"])
    await kcp.create(WIDGETS, "free")
    deleted = await kcp.good("DELETE", f"{DEFINITIONS}/{NAME}")
    assert deleted["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    assert terminating(deleted) == ("True", "InstanceDeletionPending", message)
    found = await kcp.changed(DEFINITIONS, NAME, lambda one: "InProgress" in str(terminating(one)))
    assert terminating(found) == ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
    await kcp.gone(WIDGETS, "free")
    await kcp.changed(WIDGETS, "held", lambda one: "deletionTimestamp" in one["metadata"])
    await kcp.good("PATCH", f"{WIDGETS}/held", {"metadata": {"finalizers": None}})
    states: list[tuple[str, str, str]] = []

    def note(found: Json | None) -> bool:
        states.extend([terminating(found)] if found is not None else [])
        return found is None

    await kcp.until(DEFINITIONS, NAME, note)
    assert states[-1] == ("False", "InstanceDeletionCompleted", "removed all instances")


async def test_5_2_4_objects_that_do_not_go_are_said_to_after_a_minute(
    kcp: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert definitions.CHECK_AFTER == 60
    monkeypatch.setattr(definitions, "CHECK_AFTER", 0)
    await kcp.good("POST", DEFINITIONS, definition())
    await kcp.create(WIDGETS, "held", finalizers=["example.com/x"])
    await kcp.good("DELETE", f"{DEFINITIONS}/{NAME}")
    states: list[tuple[str, str, str]] = []

    def note(found: Json | None) -> bool:
        states.extend([terminating(found)] if found is not None else [])
        return found is None or terminating(found)[1] == "InstanceDeletionCheck"

    await kcp.until(DEFINITIONS, NAME, note)
    message = "could not confirm zero CustomResources remaining: context deadline exceeded"
    assert states[-1] == ("True", "InstanceDeletionCheck", message)
    states.clear()
    await kcp.good("PATCH", f"{WIDGETS}/held", {"metadata": {"finalizers": None}})
    await kcp.until(DEFINITIONS, NAME, lambda found: note(found) and found is None)
    assert {state[1] for state in states} == {"InstanceDeletionCheck", "InstanceDeletionCompleted"}


async def test_5_2_5_nothing_is_created_while_a_definition_goes_and_all_else_works(kcp: Harness) -> None:
    await kcp.good("POST", DEFINITIONS, definition())
    await kcp.create(WIDGETS, "held", finalizers=["example.com/x"])
    await kcp.good("DELETE", f"{DEFINITIONS}/{NAME}")
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "late"}}
    code, answer = await kcp.send("POST", WIDGETS, widget)
    text = "create not allowed while custom resource definition is terminating"
    assert (code, answer["message"]) == (403, f'widgets.example.com "late" is forbidden: {text}')
    held = await kcp.changed(WIDGETS, "held", lambda one: "deletionTimestamp" in one["metadata"])
    held["spec"] = {"changed": True}
    await kcp.good("PUT", f"{WIDGETS}/held", held)
    assert len((await kcp.good("GET", WIDGETS))["items"]) == 1
    await kcp.good("PATCH", f"{WIDGETS}/held", {"metadata": {"finalizers": []}})
    await kcp.gone(DEFINITIONS, NAME)


async def test_5_2_4_objects_of_a_definition_that_serves_no_version_go(kcp: Harness) -> None:
    await kcp.good("POST", DEFINITIONS, definition())
    for number in range(100):
        await kcp.create(WIDGETS, f"w{number}")
    await kcp.good("PATCH", f"{DEFINITIONS}/{NAME}", {"spec": definition(served=False)["spec"]})
    assert (await kcp.send("GET", f"{WIDGETS}/w0"))[0] == 404
    await kcp.good("DELETE", f"{DEFINITIONS}/{NAME}")
    await kcp.gone(DEFINITIONS, NAME)
    await kcp.good("POST", DEFINITIONS, definition())
    assert (await kcp.good("GET", WIDGETS))["items"] == []


async def test_5_2_4_a_definition_that_was_never_established_goes_at_once(kcp: Harness) -> None:
    await kcp.good("POST", DEFINITIONS, definition())
    other = definition()
    other["metadata"]["name"] = "gadgets.example.com"
    other["spec"]["names"] = {"plural": "gadgets", "singular": "gadget", "kind": "Widget", "listKind": "GadgetList"}
    created = await kcp.good("POST", DEFINITIONS, other)
    assert {one["type"]: one["status"] for one in created["status"]["conditions"]}["Established"] == "False"
    states: list[str] = []

    def note(found: Json | None) -> bool:
        states.extend(terminating(found)[1:2] if found and "Terminating" in str(found) else [])
        return found is None

    await kcp.good("DELETE", f"{DEFINITIONS}/gadgets.example.com")
    await kcp.until(DEFINITIONS, "gadgets.example.com", note)
    assert (await kcp.send("GET", f"{CLUSTER}/apis/example.com/v1/namespaces/default/gadgets"))[0] == 404


async def test_5_2_4_a_definition_goes_whose_stored_versions_it_does_not_have_any_more(kcp: Harness) -> None:
    await kcp.good("POST", DEFINITIONS, definition())
    await kcp.create(WIDGETS, "one")
    stored = {"status": {"storedVersions": ["v1", "v9"]}}
    await kcp.good("PATCH", f"{DEFINITIONS}/{NAME}/status", stored)
    code, _ = await kcp.send("PATCH", f"{DEFINITIONS}/{NAME}", {"metadata": {"labels": {"a": "b"}}})
    assert code == 422
    await kcp.good("DELETE", f"{DEFINITIONS}/{NAME}")
    await kcp.gone(DEFINITIONS, NAME)
