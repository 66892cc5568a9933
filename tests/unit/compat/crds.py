"""Definitions with a schema in them."""

from __future__ import annotations

from typing import Any

Json = Any
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(schema: Json, **spec: Json) -> Json:
    """A definition with one version of this schema."""
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    whole = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version], **spec}
    name = f"{whole['names']['plural']}.{whole['group']}"
    header = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**header, "metadata": {"name": name}, "spec": whole}
