"""`kubectl kcp quickstart`: create something to look at."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING, Any

from kcp.cli import workspace_create, workspace_use
from kcp.cli.plugin import UserError
from kcp.cli.target import WORKSPACES, Target
from kcp.client.status import StatusError, UnreachableError

if TYPE_CHECKING:
    from kcp.cli.plugin import Call
    from kcp.client.http import HttpClient
    from kcp.kubeconfig import Place

LABEL, PREFIX_LABEL = "kcp.io/quickstart", "kcp.io/quickstart-prefix"
ASK_EVERY = 0.5


def run(call: Call) -> int:
    """Create or remove a scenario."""
    scenario, prefix = str(call.flag("scenario")), str(call.flag("name-prefix"))
    if scenario == "api-provider":
        raise UserError("this release of kcp has no exported APIs; `--scenario workspaces` creates workspaces")
    if scenario != "workspaces":
        raise UserError(f'unknown scenario "{scenario}", valid scenarios are api-provider, workspaces')
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,50}[a-z0-9])?", prefix):
        raise UserError(f'invalid --name-prefix "{prefix}": it must be a DNS-1123 label of at most 52 characters')
    deadline = time.monotonic() + seconds(str(call.flag("timeout")))
    target = Target(call)
    root = target.current.at("root")
    try:
        if call.flag("cleanup"):
            clean_up(target.client, root, prefix, deadline)
        else:
            create(target.client, root, prefix, call, deadline)
    except UnreachableError as error:
        raise UserError(
            f"{error}\nCannot reach kcp at {root.base}. Is it running, and does the kubeconfig fit?"
        ) from None
    if call.flag("cleanup") or call.flag("enter"):
        workspace_use.switch(target, root if call.flag("cleanup") else root.at(f"root:{prefix}-ws-0"), short=False)
    return 0


def seconds(text: str) -> float:
    """Return a duration such as `10m` or `1m30s` in seconds.

    Raises:
        UserError: it is none.
    """
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    if not re.fullmatch(r"(\d+(\.\d+)?(h|ms|m|s))+", text):
        raise UserError(f'invalid --timeout "{text}": it is no duration such as 10m or 90s')
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s)", text))


def shape(depth: int, count: int, seed: int) -> list[int]:
    """Return the parent of each of `count` workspaces, -1 for the top; no way down is longer than `depth`."""
    if not 1 <= depth <= 32 or not 1 <= count <= 10_000:
        raise UserError("--tree-depth is between 1 and 32, --tree-count between 1 and 10000")
    chance, parents, depths = random.Random(seed), [-1], [1]
    for _ in range(1, count):
        parent = chance.choice([-1, *(i for i, at in enumerate(depths) if at < depth)])
        parents.append(parent)
        depths.append(1 if parent < 0 else depths[parent] + 1)
    return parents


def create(client: HttpClient, root: Place, prefix: str, call: Call, deadline: float) -> None:
    """Create the tree; what is already there is left as it is."""
    parents = shape(int(call.flag("tree-depth")), int(call.flag("tree-count")), int(call.flag("tree-seed")))
    print(f'Setting up "workspaces" scenario with prefix "{prefix}"...')
    places: list[Place] = []
    for number, parent in enumerate(parents):
        above, name = (places[parent] if parent >= 0 else root), f"{prefix}-ws-{number}"
        print(f"Step {number + 1}/{len(parents)}: Creating workspace {above.path}:{name}...")
        body = workspace_create.manifest(name, {"name": "universal", "path": "root"}, "")
        body["metadata"]["labels"] = {LABEL: "true", PREFIX_LABEL: prefix}
        workspace_create.create(
            client, above.url + WORKSPACES, body, existing_is_fine=True, say=lambda line: print(f"  {line}")
        )
        if time.monotonic() > deadline:
            raise UserError(f"the timeout of {call.flag('timeout')} has passed; run the same command again to go on")
        places.append(root.at(f"{above.path}:{name}"))
    print("\nQuickstart complete! Here's what was created:")
    print(f"  {len(places)} workspaces below {root.path}, the first of them {places[0].path}")


def clean_up(client: HttpClient, root: Place, prefix: str, deadline: float) -> None:
    """Delete what a run with this prefix created at the top, and wait until it is gone with all below."""
    print(f'Cleaning up "workspaces" scenario with prefix "{prefix}"...')
    left = _made(client, root, prefix)
    for name in left:
        try:
            client.delete(f"{root.url}{WORKSPACES}/{name}")
        except StatusError as error:
            if not error.is_not_found:
                raise
        print(f'  Workspace "{name}" deleted.')
    while left := _made(client, root, prefix):
        if time.monotonic() > deadline:
            raise UserError(f"still being deleted when the timeout passed: {', '.join(left)}")
        time.sleep(ASK_EVERY)
    print("Cleanup complete.")


def _made(client: HttpClient, root: Place, prefix: str) -> list[str]:
    def is_made(workspace: dict[str, Any]) -> bool:
        return (workspace["metadata"].get("labels") or {}).get(PREFIX_LABEL) == prefix

    return [str(w["metadata"]["name"]) for w in client.list_all(root.url + WORKSPACES) if is_made(w)]
