"""Fills secrets that ask for the token of a service account, and removes those whose account is not there.

Secrets whose account goes later are removed by the garbage collector: the account counts as their owner.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from kcp.client import StatusError
from kcp.controllers.opening import find

if TYPE_CHECKING:
    from kcp.client import Client, Facts, Key

TYPE = "kubernetes.io/service-account-token"
NAME = "kubernetes.io/service-account.name"
UID = "kubernetes.io/service-account.uid"
ROOT_CA = "kube-root-ca.crt"
# Such tokens have no end but their secret's; this is the longest that a token can be asked for.
SECONDS = 2**32


async def fill_token(client: Client, facts: Facts, key: Key) -> bool:
    """Put token, authority and namespace into the secret, or delete it when there is no such account.

    Returns:
        True: what fails raises.
    """
    del facts
    base = f"/api/v1/namespaces/{key.namespace}"
    secret = await find(client, f"{base}/secrets/{key.name}")
    if secret is None or secret["type"] != TYPE or "deletionTimestamp" in secret["metadata"]:
        return True
    metadata = secret["metadata"]
    annotations = metadata.get("annotations", {})
    name = annotations.get(NAME, "")
    account = await find(client, f"{base}/serviceaccounts/{name}") if name else None
    if account is None or annotations.get(UID, account["metadata"]["uid"]) != account["metadata"]["uid"]:
        await delete(client, f"{base}/secrets/{key.name}", metadata)
        return True
    data = dict(secret.get("data", {}))
    if not data.get("namespace"):
        data["namespace"] = _encoded(key.namespace)
    if not data.get("ca.crt"):
        authority = await client.get(f"{base}/configmaps/{ROOT_CA}")
        data["ca.crt"] = _encoded(authority["data"]["ca.crt"])
    if not data.get("token"):
        data["token"] = _encoded(await token(client, f"{base}/serviceaccounts/{name}/token", metadata))
    patch = {
        "metadata": {
            "resourceVersion": metadata["resourceVersion"],
            "annotations": {UID: account["metadata"]["uid"]},
        },
        "data": data,
    }
    await client.merge_patch(f"{base}/secrets/{key.name}", patch)
    return True


async def token(client: Client, path: str, secret: dict[str, Any]) -> str:
    """Return a token that is good for as long as the secret and its account are there."""
    reference = {"apiVersion": "v1", "kind": "Secret", "name": secret["name"], "uid": secret["uid"]}
    spec = {"expirationSeconds": SECONDS, "boundObjectRef": reference}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str((await client.post(path, request))["status"]["token"])


async def delete(client: Client, path: str, metadata: dict[str, Any]) -> None:
    """Delete the secret, unless it changed since it was read."""
    try:
        await client.delete(path, uid=metadata["uid"], resource_version=metadata["resourceVersion"])
    except StatusError as error:
        if not error.is_not_found:
            raise


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
