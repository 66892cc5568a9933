"""`kubectl kcp explain-access USER VERB RESOURCE`: which rule allows a request, or what denies it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcp.cli.plugin import UserError, usage
from kcp.cli.target import Target
from kcp.client.status import StatusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.cli.plugin import Call
    from kcp.client.http import HttpClient

ANONYMOUS = "system:anonymous"
AUTHENTICATED = "system:authenticated"
# What an authorizer says that lets nobody see more, and what it means.
GATE = "access denied"
GATE_MEANS = ' (the workspace is not open to them: verb "access" on "/")'
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def run(call: Call) -> int:
    """Ask the workspace's authorizer; exit status 0 when it allows, 1 when it does not."""
    if not call.words:
        print(usage(call.command, call.line))
        return 0
    if len(call.words) != 3:
        raise UserError(f"accepts 3 arg(s), received {len(call.words)}")
    user, verb, what = call.words
    target = Target(call)
    place = target.wanted
    spec: dict[str, Any] = {"user": user, "groups": groups(user, call.flag("groups") or ())}
    if what.startswith("/"):
        spec["nonResourceAttributes"] = {"verb": verb, "path": what}
    else:
        resource, group = _resource(target.client, place.url, what.partition("/")[0])
        spec["resourceAttributes"] = attributes(verb, what, resource, group, str(call.flag("namespace")))
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    status = _ask(target.client, place.url + REVIEWS, body).get("status") or {}
    print(verdict(status, user, verb, what, place.path))
    return 0 if status.get("allowed") else 1


def groups(user: str, given: Sequence[str]) -> list[str]:
    """Return the groups to ask for: those given, and the one that everybody is in who proved a name."""
    everybody = [] if user == ANONYMOUS or AUTHENTICATED in given else [AUTHENTICATED]
    return [*given, *everybody]


def _ask(client: HttpClient, url: str, review: dict[str, Any]) -> dict[str, Any]:
    """Ask for every guard's word; who may not hear of roles is told what any review tells."""
    try:
        return client.post(f"{url}?explain=true", review)
    except StatusError as error:
        if error.code != 403:
            raise
        return client.post(url, review)


def attributes(verb: str, what: str, resource: str, group: str, namespace: str) -> dict[str, str]:
    """Return what a review asks about `resource[.group][/name]`; a resource may have a subresource, `pods:log`."""
    name = what.partition("/")[2]
    plain, _, subresource = resource.partition(":")
    wanted = {
        "verb": verb,
        "group": group,
        "resource": plain,
        "subresource": subresource,
        "name": name,
        "namespace": namespace,
    }
    return {field: value for field, value in wanted.items() if value or field == "group"}


def _resource(client: HttpClient, url: str, word: str) -> tuple[str, str]:
    """Return resource and group of `resource.group`; a resource alone is looked for in what is served."""
    resource, dot, group = word.partition(".")
    if dot or resource == "*":
        return resource, group
    plain = resource.partition(":")[0]
    for version, found in served(client, url):
        if plain in {found["name"], found.get("singularName"), *(found.get("shortNames") or [])}:
            return found["name"] + resource[len(plain) :], version.rpartition("/")[0]
    raise UserError(f'the workspace does not have a resource type "{plain}"; write it as resource.group to ask anyway')


def served(client: HttpClient, url: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the resources of the workspace at `url` as discovery tells them, each with its group and version."""
    groups = client.get(f"{url}/apis").get("groups") or []
    paths = [("v1", "/api/v1")]
    for group in groups:
        version = group["preferredVersion"]["groupVersion"]
        paths.append((version, f"/apis/{version}"))
    return [(version, found) for version, path in paths for found in client.get(url + path).get("resources") or []]


def verdict(status: dict[str, Any], user: str, verb: str, what: str, path: str) -> str:
    """Return what to say about an answer."""
    allowed = bool(status.get("allowed"))
    reason = str(status.get("reason") or "").strip()
    if not reason:
        reason = "the authorizer gives no reason" if allowed else "no rule allows it"
    elif reason == GATE and not allowed:
        reason += GATE_MEANS
    lines = [f'"{user}" {"may" if allowed else "may not"} {verb} {what} in {path}: {reason}']
    if status.get("denied"):
        lines.append("It is denied whatever other rules say.")
    if error := str(status.get("evaluationError") or "").strip():
        lines.append(f"Not everything could be looked at: {error}")
    return "\n".join(lines)
