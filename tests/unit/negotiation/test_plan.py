"""What follows from imports, people's words and definitions, step by step until nothing is left to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kcp.negotiation.definitions import Claim, priority, wanted
from kcp.negotiation.kinds import DEFINITIONS, IMPORTS, NEGOTIATED, PARTIES, Family
from kcp.negotiation.plan import Delete, takes_away
from tests.unit.negotiation.world import FAMILY, World, fields_of, imported, manual, schema

if TYPE_CHECKING:
    from tests.unit.negotiation.world import Object

NAME = f"cowboys.v1.{FAMILY.group}"
AB, BC = schema(a="string", b="string"), schema(b="string", c="string")


def world(*imports: Object, publish: bool = False, then_publish: bool = False) -> World:
    made = World(publish=publish)
    for one in imports:
        made.put(one)
    if then_publish:
        made.let_publish()
    return made


def test_the_first_import_is_what_is_negotiated_and_is_not_served_unasked() -> None:
    made = world(imported("east", AB))
    negotiated = made.negotiated()
    assert negotiated is not None
    assert negotiated["spec"]["publish"] is False
    assert "location" not in negotiated["spec"]
    assert negotiated["metadata"]["annotations"] == {
        PARTIES: f"cowboys.east.v1.{FAMILY.group}/uid-1",
        "apiresource.kcp.io/apiVersion": "wild.io/v1",
    }
    assert made.fields() == {"a", "b"}
    assert made.verdicts() == {"east": "True"}
    assert made.verdicts("Available") == {"east": None}
    assert (made.conditions(), made.definition) == ({}, None)


def test_what_a_person_publishes_is_served() -> None:
    made = world(imported("east", AB), then_publish=True)
    assert made.served() == {"v1": {"a", "b"}}
    assert made.conditions() == {"Submitted": "True", "Published": "True", "Enforced": "False"}
    assert made.verdicts("Available") == {"east": "True"}
    definition = made.definition
    assert definition is not None
    assert definition["spec"]["versions"][0]["subresources"] == {"status": {}}
    [owner] = definition["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("NegotiatedAPIResource", NAME)


CASES: list[tuple[str, list[Any], bool, set[str], dict[str, str]]] = [
    # what, imports in their order, served before the last one comes, fields in the end, verdicts
    ("second is wider", [("UpdateUnpublished", AB), ("UpdateUnpublished", schema(a="string", b="string", c="string"))],
     False, {"a", "b"}, {"0": "True", "1": "True"}),
    ("second narrows", [("UpdateUnpublished", AB), ("UpdateUnpublished", BC)],
     False, {"b"}, {"0": "True", "1": "True"}),
    ("second may not narrow what is served", [("UpdateUnpublished", AB), ("UpdateUnpublished", BC)],
     True, {"a", "b"}, {"0": "True", "1": "False"}),
    ("second may narrow even so", [("UpdateUnpublished", AB), ("UpdatePublished", BC)],
     True, {"b"}, {"0": "True", "1": "True"}),
    ("second is only checked", [("UpdateUnpublished", AB), ("UpdateNever", BC)],
     False, {"a", "b"}, {"0": "True", "1": "False"}),
    ("no strategy is never", [("UpdateUnpublished", AB), ("", BC)],
     False, {"a", "b"}, {"0": "True", "1": "False"}),
    ("second is of another type", [("UpdateUnpublished", AB), ("UpdateUnpublished", schema(a="integer", b="string"))],
     False, {"a", "b"}, {"0": "True", "1": "False"}),
    ("what the third makes of it fits the second", [
        ("UpdateUnpublished", AB), ("UpdateNever", schema(b="string")), ("UpdateUnpublished", BC)],
     False, {"b"}, {"0": "True", "1": "True", "2": "True"}),
    ("one that nobody can read", [("UpdateUnpublished", {"type": "object", "properties": 1}),
                                  ("UpdateUnpublished", AB)],
     False, {"a", "b"}, {"0": "False", "1": "True"}),
]  # fmt: skip


@pytest.mark.parametrize(("imports", "served", "fields", "verdicts"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_imports_meet(imports: list[tuple[str, Any]], served: bool, fields: set[str], verdicts: dict[str, str]) -> None:
    made = World()
    for index, (strategy, said) in enumerate(imports):
        if served and index == len(imports) - 1:
            made.let_publish()
        made.put(imported(str(index), said, strategy))
    assert (made.fields(), made.verdicts()) == (fields, verdicts)
    assert made.served() == ({"v1": fields} if served else {})
    assert made.verdicts("Available") == dict.fromkeys(verdicts, "True" if served else None)


def test_a_message_tells_field_and_both_types() -> None:
    made = world(imported("east", schema(a="string")), imported("west", schema(a="integer")))
    assert made.message("west") == "spec.a: type changed from string to integer"
    assert made.message("east") == ""


@pytest.mark.parametrize(
    ("what", "other", "message"),
    [
        ("scope", "Cluster", "scope is Cluster, and Namespaced was negotiated"),
        ("kind", "Cow", "kind is Cow, and Cowboy was negotiated"),
    ],
)
def test_what_is_called_otherwise_is_another_api(what: str, other: str, message: str) -> None:
    made = world(imported("east", AB), imported("west", AB, **{what: other}))
    assert made.verdicts() == {"east": "True", "west": "False"}
    assert made.message("west") == message


def test_a_strategy_that_is_changed_narrows_what_is_served_and_its_cluster_leaving_widens_it() -> None:
    made = world(imported("east", AB), then_publish=True)
    made.put(imported("west", BC))
    assert (made.served(), made.verdicts()) == ({"v1": {"a", "b"}}, {"east": "True", "west": "False"})
    made.put(imported("west", BC, "UpdatePublished"))
    assert (made.served(), made.verdicts()) == ({"v1": {"b"}}, {"east": "True", "west": "True"})
    made.put(imported("west", BC))  # what is agreed stays so
    assert made.served() == {"v1": {"b"}}
    made.remove_import("west")
    assert (made.served(), made.verdicts()) == ({"v1": {"a", "b"}}, {"east": "True"})


def test_a_cluster_that_loses_a_field_does_not_take_it_from_those_who_are_served() -> None:
    made = world(imported("east", AB), then_publish=True)
    made.put(imported("east", schema(b="string")))
    assert (made.served(), made.verdicts()) == ({"v1": {"a", "b"}}, {"east": "False"})
    assert made.message("east") == "spec.a: the field is removed"


def test_a_cluster_that_gains_a_field_brings_it_when_all_have_it() -> None:
    made = world(imported("east", schema(a="string")), imported("west", AB), then_publish=True)
    assert made.served() == {"v1": {"a"}}
    made.put(imported("east", AB))
    assert made.served() == {"v1": {"a", "b"}}


def test_when_those_who_had_it_are_gone_it_is_negotiated_from_those_who_are_left() -> None:
    made = world(imported("east", AB), then_publish=True)
    made.put(imported("west", BC))
    made.remove_import("east")
    assert (made.served(), made.verdicts()) == ({"v1": {"b", "c"}}, {"west": "True"})


def test_an_import_that_came_again_is_another() -> None:
    made = world(imported("east", AB), then_publish=True)
    del made.objects[IMPORTS, f"cowboys.east.v1.{FAMILY.group}"]
    made.put(imported("east", BC))
    assert (made.served(), made.verdicts()) == ({"v1": {"b", "c"}}, {"east": "True"})


def test_one_that_never_fitted_changes_nothing_by_leaving() -> None:
    made = world(imported("east", AB), then_publish=True)
    made.put(imported("west", BC))
    made.put(imported("north", schema(a="integer")))
    made.remove_import("north")
    assert (made.served(), made.verdicts()) == ({"v1": {"a", "b"}}, {"east": "True", "west": "False"})


def test_the_last_import_takes_everything_along() -> None:
    made = world(imported("east", AB), imported("west", AB), then_publish=True)
    made.remove_import("east")
    assert made.definition is not None
    made.remove_import("west")
    assert made.objects == {}


def test_what_is_deleted_is_negotiated_anew_and_not_served_any_more() -> None:
    made = world(imported("east", AB), then_publish=True)
    made.remove(NEGOTIATED, NAME)
    assert (made.fields(), made.definition) == ({"a", "b"}, None)
    assert made.verdicts("Available") == {"east": "False"}


def test_what_waits_for_its_finalizers_is_left_alone() -> None:
    made = world(imported("east", AB), then_publish=True)
    negotiated = made.negotiated()
    assert negotiated is not None
    negotiated["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert made.steps() == []


def test_a_definition_that_somebody_deletes_comes_back() -> None:
    made = world(imported("east", AB), then_publish=True)
    made.remove(DEFINITIONS, FAMILY.definition)
    assert made.served() == {"v1": {"a", "b"}}
    assert made.conditions()["Published"] == "True"


def test_what_is_served_stays_served_when_it_is_not_published_any_more() -> None:
    made = world(imported("east", AB), then_publish=True)
    negotiated = made.negotiated()
    assert negotiated is not None
    negotiated["spec"]["publish"] = False
    made.settle()
    assert made.served() == {"v1": {"a", "b"}}


def test_a_definition_made_by_hand_dictates() -> None:
    made = World()
    made.put(manual(AB), DEFINITIONS)
    assert made.negotiated() is None
    before = made.definition
    made.put(imported("east", schema(a="string", b="string", c="string")))
    made.put(imported("west", BC, "UpdatePublished"))
    assert made.definition == before
    assert made.fields() == {"a", "b"}
    assert made.conditions() == {"Published": "True", "Enforced": "True"}
    negotiated = made.negotiated()
    assert negotiated is not None
    assert negotiated["spec"]["publish"] is True
    assert made.verdicts() == {"east": "True", "west": "False"}
    assert made.verdicts("Available") == {"east": "True", "west": "True"}
    made.put(manual(schema(b="string")), DEFINITIONS)
    assert (made.fields(), made.verdicts()) == ({"b"}, {"east": "True", "west": "True"})
    made.remove_import("east")
    made.remove_import("west")
    assert made.fields() == {"b"}
    made.remove(DEFINITIONS, FAMILY.definition)
    assert made.objects == {}


def test_when_the_definition_made_by_hand_goes_imports_negotiate() -> None:
    made = World()
    made.put(manual(schema(a="string")), DEFINITIONS)
    made.put(imported("east", AB))
    made.put(imported("west", BC))
    assert made.verdicts() == {"east": "True", "west": "False"}
    made.remove(DEFINITIONS, FAMILY.definition)
    assert (made.fields(), made.definition) == ({"b"}, None)
    assert made.verdicts() == {"east": "True", "west": "True"}
    assert made.conditions() == {}


def test_a_definition_without_a_schema_takes_everything() -> None:
    made = World()
    made.put(manual(None), DEFINITIONS)
    made.put(imported("east", AB))
    assert made.conditions()["Enforced"] == "True"
    assert made.verdicts() == {"east": "False"}


def test_a_definition_made_by_hand_is_not_given_another_version() -> None:
    made = World(publish=True)
    made.put(manual(AB, "v2"), DEFINITIONS)
    before = made.definition
    made.put(imported("east", AB))
    assert made.definition == before
    assert made.conditions() == {"Submitted": "False", "Enforced": "False"}


def test_what_somebody_made_by_hand_is_narrowed_and_stays() -> None:
    made = World()
    given = imported("", AB)
    spec = {k: v for k, v in given["spec"].items() if k not in {"location", "schemaUpdateStrategy"}}
    made.put({"metadata": {"name": NAME}, "spec": {**spec, "publish": True}}, NEGOTIATED)
    assert made.served() == {"v1": {"a", "b"}}
    made.put(imported("east", schema(a="string", b="string", c="string")))
    assert made.served() == {"v1": {"a", "b"}}
    made.put(imported("west", BC, "UpdatePublished"))
    assert made.served() == {"v1": {"b"}}
    made.remove_import("east")
    made.remove_import("west")
    assert made.served() == {"v1": {"b"}}


def test_versions_share_a_definition_and_the_newest_is_stored() -> None:
    made = world(imported("east", AB, version="v1beta1"), publish=True)
    made.put(imported("east", AB))
    definition = made.definition
    assert definition is not None
    assert [(v["name"], v["served"], v["storage"]) for v in definition["spec"]["versions"]] == [
        ("v1", True, True),
        ("v1beta1", True, False),
    ]
    assert len(definition["metadata"]["ownerReferences"]) == 2
    # Objects may be stored in the older one.
    made.remove_import("east", "v1beta1")
    assert made.served() == {"v1": {"a", "b"}}
    definition = made.definition
    assert definition is not None
    assert [(v["name"], v["served"]) for v in definition["spec"]["versions"]] == [("v1", True), ("v1beta1", False)]
    assert len(definition["metadata"]["ownerReferences"]) == 1
    made.remove_import("east")
    assert made.objects == {}


def test_versions_are_negotiated_apart() -> None:
    made = world(imported("east", AB), imported("east", schema(x="string"), version="v2"), publish=True)
    made.put(imported("west", schema(x="integer"), version="v2"))
    assert made.verdicts() == {"east": "True", "east/v2": "True", "west/v2": "False"}
    assert made.served() == {"v1": {"a", "b"}, "v2": {"x"}}


def test_two_who_come_together_meet_before_either_is_served() -> None:
    made = World(publish=True)
    for name, said in (("east", AB), ("west", BC)):
        made.write(IMPORTS, imported(name, said))
    made.settle()
    assert (made.served(), made.verdicts()) == ({"v1": {"b"}}, {"east": "True", "west": "True"})


def test_a_refused_definition_is_told() -> None:
    made = world(imported("east", AB))
    made.refusal = "spec.group: is not to be served"
    negotiated = made.negotiated()
    assert negotiated is not None
    negotiated["spec"]["publish"] = True
    for step in made.steps():
        made.do(step)
    found = made.negotiated()
    assert found is not None
    [submitted] = [c for c in found["status"]["conditions"] if c["type"] == "Submitted"]
    assert (submitted["status"], submitted["reason"]) == ("False", "Refused")
    assert submitted["message"] == made.refusal


def test_what_takes_something_away_is_known() -> None:
    made = world(imported("east", AB), then_publish=True)
    made.objects = {key: thing for key, thing in made.objects.items() if key[0] != NEGOTIATED}
    made.objects = {key: thing for key, thing in made.objects.items() if key[0] == DEFINITIONS}
    steps = made.steps()
    assert [type(step) for step in steps] == [Delete]
    assert takes_away(steps)


def test_protected_groups_say_who_agreed_and_columns_without_a_path_are_left_out() -> None:
    spec = imported("east", AB)["spec"] | {
        "groupVersion": {"group": "x.k8s.io", "version": "v1"},
        "columnDefinitions": [{"name": "A", "type": "string", "jsonPath": ".spec.a"}, {"name": "B", "type": "string"}],
        "subResources": [{"name": "scale"}, {"name": "status"}],
    }
    negotiated = {"metadata": {"name": "n", "uid": "1"}, "spec": spec}
    made = wanted(Family("x.k8s.io", "cowboys"), None, [Claim(negotiated, spec)])
    assert made is not None
    assert "api-approved.kubernetes.io" in made["metadata"]["annotations"]
    [version] = made["spec"]["versions"]
    assert version["additionalPrinterColumns"] == [{"name": "A", "type": "string", "jsonPath": ".spec.a"}]
    assert version["subresources"]["scale"]["specReplicasPath"] == ".spec.replicas"
    assert fields_of(version["schema"]["openAPIV3Schema"]) == {"a", "b"}


def test_versions_sort_as_in_kubernetes() -> None:
    names = ["v1alpha1", "foo", "v2", "v1beta2", "v10", "v1", "v1beta1", "bar", "v11alpha2", "v3beta1"]
    assert sorted(names, key=priority) == [
        "v10", "v2", "v1", "v3beta1", "v1beta2", "v1beta1", "v11alpha2", "v1alpha1", "bar", "foo",
    ]  # fmt: skip
