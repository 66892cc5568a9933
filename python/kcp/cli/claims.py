"""Warnings about permission claims of a workspace's API bindings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kcp.client.status import StatusError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kcp.client.http import HttpClient
    from kcp.kubeconfig import Place

BINDINGS = "/apis/apis.kcp.io/{version}/apibindings"


def warn(client: HttpClient, place: Place) -> None:
    """Print warnings to stderr; a listing that fails is one of them."""
    try:
        bindings = _bindings(client, place)
    except (StatusError, UnreachableError) as error:
        print(f"error checking APIBindings: {error}", file=sys.stderr)
        return
    for binding in bindings:
        for warning in warnings(binding):
            print(warning, file=sys.stderr)


def _bindings(client: HttpClient, place: Place) -> list[dict[str, Any]]:
    for version in ("v1alpha2", "v1alpha1"):
        try:
            return client.list_all(place.url + BINDINGS.format(version=version))
        except StatusError as error:
            if not (error.is_forbidden or error.is_not_found):
                raise
    return []


def warnings(binding: dict[str, Any]) -> Iterator[str]:
    """Yield what is open between the claims an export makes and what the binding says to them."""
    name = binding["metadata"]["name"]
    settled = {_key(claim): claim for claim in (binding.get("spec") or {}).get("permissionClaims") or []}
    for claim in (binding.get("status") or {}).get("exportPermissionClaims") or []:
        mine, shown = settled.get(_key(claim)), _shown(claim)
        if mine is None:
            yield (
                f"Warning: claim for {shown} exported but not specified on APIBinding {name}\n"
                "Add this claim to the APIBinding's Spec."
            )
        if mine is None or mine.get("state") not in {"Accepted", "Rejected"}:
            yield f"Warning: claim for {shown} specified on APIBinding {name} but not accepted or rejected."
        if mine is not None and set(mine.get("verbs") or []) != set(claim.get("verbs") or []):
            allowed, expected = ",".join(mine.get("verbs") or []), ",".join(claim.get("verbs") or [])
            yield (
                f"Warning: allowed verbs ({allowed}) on claim for {shown} on APIBinding {name} "
                f"do not match expected verbs ({expected})."
            )


def _key(claim: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(claim.get(field) or "") for field in ("group", "resource", "identityHash"))


def _shown(claim: dict[str, Any]) -> str:
    group, resource, identity = _key(claim)
    return resource + (f".{group}" if group else "") + (f":{identity}" if identity else "")
