"""Structural schemas from definitions: the table of the specification, and what must never come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcp.puller import structural
from kcp.puller.known import ANY_OBJECT, INTEGER_OR_STRING, QUANTITY, TIME
from kcp.puller.schema import MOST_NODES

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
PRESERVED = {"x-kubernetes-preserve-unknown-fields": True}


def kind(**properties: Schema) -> Schema:
    return {"type": "object", "properties": {"kind": {"type": "string"}, **properties}}


def written(field: Schema, definitions: dict[str, Schema] | None = None, *, status: bool = False) -> Schema:
    """Return what becomes of a field `x` of a kind, below its spec or its status."""
    part = {"type": "object", "properties": {"x": field}}
    whole = {"Kind": kind(**{"status" if status else "spec": part}), **(definitions or {})}
    root = structural(whole, "Kind")
    found: Schema = root["properties"]["status" if status else "spec"]["properties"]["x"]
    return found


def reference(name: str, **beside: object) -> Schema:
    """Return a reference as v3 writes it."""
    return {"allOf": [{"$ref": f"#/components/schemas/{name}"}], **beside}


def lists_of(items: Schema, **extensions: object) -> Schema:
    return {
        "type": "array",
        "items": items,
        **{f"x-kubernetes-{k.replace('_', '-')}": v for k, v in extensions.items()},
    }


STRING: Schema = {"type": "string"}
NAMED: Schema = {"type": "object", "required": ["name"], "properties": {"name": STRING, "port": {"type": "integer"}}}
PORT: Schema = {
    "type": "object",
    "required": ["port"],
    "properties": {"port": {"type": "integer", "default": 0}, "protocol": {**STRING, "default": "TCP"}},
}


def test_the_root_has_bare_metadata_and_all_fields() -> None:
    model = {"description": "A kind.", "required": ["spec"], **kind(metadata=reference("Meta"), spec=NAMED)}
    assert structural({"Kind": model, "Meta": NAMED}, "Kind") == {
        "description": "A kind.",
        "type": "object",
        "required": ["spec"],
        "properties": {"kind": STRING, "metadata": {"type": "object"}, "spec": NAMED},
    }


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param({"type": "integer", "format": "int32"}, {"type": "integer", "format": "int32"}, id="scalar"),
        pytest.param({**STRING, "enum": ["a"]}, {**STRING, "enum": ["a"]}, id="enum"),
        pytest.param({**STRING, "default": "rbd"}, {**STRING, "default": "rbd"}, id="default"),
        pytest.param({**STRING, "default": ""}, STRING, id="a zero is not set"),
        pytest.param({"type": "boolean", "default": False}, {"type": "boolean"}, id="false is not set"),
        pytest.param(reference("D", default={}), NAMED, id="an empty object is not set"),
        pytest.param({"$ref": "#/definitions/D"}, NAMED, id="a plain reference"),
        pytest.param(
            {"type": "object", "additionalProperties": {"$ref": "#/definitions/D"}},
            {"type": "object", "additionalProperties": NAMED},
            id="map",
        ),
        pytest.param({"type": "object"}, ANY_OBJECT, id="an object of which nothing is known"),
        pytest.param({}, PRESERVED, id="a value of which nothing is known"),
        pytest.param({"$ref": "#/definitions/missing"}, PRESERVED, id="a reference to nothing"),
        pytest.param({"oneOf": [STRING, {"type": "integer"}]}, INTEGER_OR_STRING, id="integer or string in v3"),
        pytest.param({**STRING, "format": "int-or-string"}, INTEGER_OR_STRING, id="integer or string in v2"),
        pytest.param(
            {"oneOf": [STRING, {"type": "array", "items": STRING}]}, PRESERVED, id="alternatives of several types"
        ),
        pytest.param(
            reference("D", **{"x-kubernetes-map-type": "atomic"}),
            {**NAMED, "x-kubernetes-map-type": "atomic"},
            id="map type beside a reference",
        ),
        pytest.param(
            {"type": "object", "properties": {"a": STRING}, "x-kubernetes-map-type": "atomic"},
            {"type": "object", "properties": {"a": STRING}, "x-kubernetes-map-type": "atomic"},
            id="map type",
        ),
    ],
)
def test_nodes(field: Schema, expected: Schema) -> None:
    assert written(field, {"D": NAMED}) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("io.k8s.apimachinery.pkg.api.resource.Quantity", QUANTITY),
        ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", INTEGER_OR_STRING),
        ("io.k8s.apimachinery.pkg.runtime.RawExtension", ANY_OBJECT),
        (META + "Time", TIME),
        (META + "MicroTime", TIME),
        (META + "Duration", STRING),
        (META + "FieldsV1", ANY_OBJECT),
        ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON", PRESERVED),
        ("io.k8s.api.core.v1.Protocol", {**STRING, "default": "TCP"}),
    ],
)
def test_known_types_are_what_their_servers_take(name: str, expected: Schema) -> None:
    found = written(reference(name, description="Mine."), {name: {"type": "string", "description": "Its own."}})
    assert found == {"description": "Mine.", **expected}


def test_a_field_describes_itself_before_its_type_does() -> None:
    described = {**NAMED, "description": "The type."}
    assert written(reference("D"), {"D": described})["description"] == "The type."
    assert written(reference("D", description="The field."), {"D": described})["description"] == "The field."
    bare = structural({"K": kind(x=reference("D", description="The field.")), "D": described}, "K", descriptions=False)
    assert "description" not in str(bare)


@pytest.mark.parametrize(
    ("field", "list_type", "keys"),
    [
        pytest.param(lists_of(STRING), None, None, id="unmarked"),
        pytest.param(lists_of(STRING, list_type="atomic"), "atomic", None, id="explicit"),
        pytest.param(
            lists_of(NAMED, list_type="atomic", patch_strategy="merge"),
            "atomic",
            None,
            id="explicit wins over strategy",
        ),
        pytest.param(
            lists_of(NAMED, patch_strategy="merge", patch_merge_key="name"), "map", ["name"], id="merge of objects"
        ),
        pytest.param(lists_of(STRING, patch_strategy="merge"), "set", None, id="merge of values"),
        pytest.param(
            lists_of(NAMED, patch_strategy="merge,retainKeys", patch_merge_key="name"),
            "map",
            ["name"],
            id="merge first",
        ),
        pytest.param(
            lists_of(NAMED, patch_strategy="retainKeys,merge", patch_merge_key="name"), "map", ["name"], id="merge last"
        ),
        pytest.param(lists_of(NAMED, patch_strategy="replace"), "atomic", None, id="another strategy"),
        pytest.param(lists_of(NAMED, patch_merge_key="name"), "map", ["name"], id="a merge key alone"),
        pytest.param(
            lists_of(NAMED, list_type="map", list_map_keys=["name", "port"], patch_merge_key="port"),
            "map",
            ["name", "port"],
            id="explicit keys win",
        ),
        pytest.param(
            lists_of(NAMED, list_type="map", list_map_keys=["other"]), None, None, id="a key that is no field"
        ),
        pytest.param(lists_of(NAMED, patch_strategy="merge"), None, None, id="merge of objects without a key"),
        pytest.param(lists_of(NAMED, list_type="set"), "atomic", None, id="a set of objects that are not one value"),
        pytest.param(
            lists_of({**NAMED, "x-kubernetes-map-type": "atomic"}, list_type="set"), "set", None, id="a set of atoms"
        ),
    ],
)
def test_lists_keep_how_they_merge(field: Schema, list_type: str | None, keys: list[str] | None) -> None:
    found = written(field)
    assert found.get("x-kubernetes-list-type") == list_type
    assert found.get("x-kubernetes-list-map-keys") == keys
    assert not any("patch" in key for key in found)


def test_keys_are_required_or_have_a_default() -> None:
    found = written(lists_of(PORT, list_type="map", list_map_keys=["port", "protocol"]))["items"]
    assert found["required"] == ["port"]
    assert found["properties"] == {"port": {"type": "integer"}, "protocol": {**STRING, "default": "TCP"}}
    optional = {"type": "object", "properties": {"ip": STRING, "name": {**STRING, "default": ""}}}
    found = written(lists_of(optional, list_type="map", list_map_keys=["ip", "name"]))["items"]
    assert found["required"] == ["ip"]
    assert found["properties"]["name"]["default"] == ""


def test_documents_without_defaults_know_the_protocol_of_a_port() -> None:
    name = "io.k8s.api.core.v1.ContainerPort"
    port = {
        "type": "object",
        "required": ["containerPort"],
        "properties": {"containerPort": STRING, "protocol": STRING},
    }
    found = written(
        lists_of(reference(name), patch_merge_key="containerPort", list_map_keys=["containerPort", "protocol"]),
        {name: port},
    )
    assert found["items"]["properties"]["protocol"]["default"] == "TCP"
    assert found["items"]["required"] == ["containerPort"]


def test_a_status_may_be_written_in_pieces() -> None:
    """Servers require nothing of a status, and show zeros for what is always shown."""
    status = {
        "type": "object",
        "required": ["ready", "since", "kind"],
        "properties": {"ready": {"type": "integer", "default": 0}, "since": STRING, "kind": {**STRING, "enum": ["a"]}},
    }
    found = written(status, status=True)
    assert "required" not in found
    assert found["properties"] == {
        "ready": {"type": "integer", "default": 0},
        "since": {**STRING, "default": ""},
        "kind": {**STRING, "enum": ["a"]},
    }
    conditions = written(lists_of(NAMED, list_type="map", list_map_keys=["name"]), status=True)
    assert conditions["items"]["properties"]["name"]["default"] == ""
    assert written(status)["required"] == ["ready", "since", "kind"]


def test_a_definition_within_itself_is_cut_and_keeps_what_it_is_given() -> None:
    inner = {"items": {"$ref": "#/definitions/D"}, "type": "array"}
    definition = {"type": "object", "properties": {"one": reference("D"), "many": inner, "mixed": reference("E")}}
    found = written(reference("D"), {"D": definition, "E": {"properties": {"back": reference("D")}}})
    assert found["properties"]["one"] == ANY_OBJECT
    assert found["properties"]["many"] == {"type": "array", "items": ANY_OBJECT}
    assert found["properties"]["mixed"] == {"type": "object", "properties": {"back": ANY_OBJECT}}
    assert written(reference("F"), {"F": {"allOf": [{"$ref": "#/definitions/F"}]}}) == PRESERVED


def test_a_document_that_grows_with_every_step_has_an_end() -> None:
    doubled = {
        f"D{n}": {"type": "object", "properties": {side: reference(f"D{n + 1}") for side in ("a", "b")}}
        for n in range(40)
    }
    nodes = sum(1 for _ in walk(written(reference("D0"), doubled)))
    assert nodes < 3 * MOST_NODES


def walk(schema: Schema) -> Iterator[Schema]:
    yield schema
    for inner in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from walk(inner)


NAMES = st.sampled_from("ABCD")
NODES = st.recursive(
    st.one_of(
        st.just({}),
        NAMES.map(reference),
        NAMES.map(lambda name: {"$ref": f"#/definitions/{name}"}),
        st.sampled_from(["string", "integer", "boolean", "number", "object", "array", "nonsense"]).map(
            lambda kind: {"type": kind, "default": ""}
        ),
    ),
    lambda nodes: st.one_of(
        st.builds(
            lambda items, kind, keys: lists_of(items, list_type=kind, list_map_keys=keys, patch_strategy="merge"),
            nodes,
            st.sampled_from(["map", "set", "atomic"]),
            st.lists(st.sampled_from("xy"), unique=True),
        ),
        st.builds(
            lambda fields, required: {"type": "object", "properties": fields, "required": required},
            st.dictionaries(st.sampled_from(["x", "y", "status"]), nodes),
            st.lists(st.sampled_from("xyz"), unique=True),
        ),
        nodes.map(lambda values: {"type": "object", "additionalProperties": values}),
    ),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, NODES), NODES)
def test_whatever_a_document_says_the_schema_is_structural(definitions: dict[str, Schema], root: Schema) -> None:
    found = structural({**definitions, "Kind": kind(spec=root, status=root)}, "Kind")
    for node in walk(found):
        assert not node.keys() & {"$ref", "allOf", "oneOf", "not"}
        free = node.get("x-kubernetes-preserve-unknown-fields") or node.get("x-kubernetes-int-or-string")
        assert free or node["type"] in {"string", "integer", "boolean", "number", "object", "array"}
        assert not {"properties", "additionalProperties"} <= node.keys()
        if node.get("type") == "array":
            assert "items" in node
        if node.get("x-kubernetes-list-type") == "map":
            items = node["items"]
            for key in node["x-kubernetes-list-map-keys"]:
                assert key in items.get("required", ()) or "default" in items["properties"][key]
                assert items["properties"][key]["type"] in {"string", "integer", "boolean", "number"}
        assert set(node.get("required", ())) <= set(node.get("properties", ()))
