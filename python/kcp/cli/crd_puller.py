"""`crd-puller`: definitions of what an API server has, as files or as one stream."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kcp.cli.plugin import UserError
from kcp.cli.target import Target
from kcp.puller import discover, pull, resources_of, to_yaml

if TYPE_CHECKING:
    from kcp.cli.plugin import Call
    from kcp.puller import Pulled, Resource

STDOUT = "-"
# Names of resources and groups, which become names of files.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def run(call: Call) -> int:
    """Pull what the words name and return the exit status.

    Raises:
        UserError: the directory cannot be written.
        StatusError: the caller may not read discovery or OpenAPI.
        UnreachableError: no answer came.
    """
    client = Target(call).client
    names = [*call.words, *call.flag("resources")]
    catalogue = discover(client)
    resources, unknown = resources_of(catalogue, names)
    complaints = [f'the server doesn\'t have a resource type "{name}"' for name in unknown]
    if unknown or not names or "all" in names:
        # What was not told may be what was meant.
        complaints += [f"the server does not tell what {missing} has" for missing in catalogue.missing]
    out = str(call.flag("output"))
    directory = None if out == STDOUT else _directory(out)
    for pulled in pull(client, resources, descriptions=bool(call.flag("descriptions"))):
        if pulled.definition is None:
            complaints.append(f"{pulled.resource.full_name}: {pulled.note}")
            continue
        if pulled.note:
            print(f"note: {pulled.resource.full_name}: {pulled.note}", file=sys.stderr)
        _write(pulled, directory)
    for complaint in complaints:
        print(f"error: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def _directory(name: str) -> Path:
    directory = Path(name)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {directory}: {error.strerror}") from None
    return directory


def _write(pulled: Pulled, directory: Path | None) -> None:
    assert pulled.definition is not None
    text = to_yaml(pulled.definition)
    if directory is None:
        sys.stdout.write(f"---\n{text}")
        return
    path = directory / f"{_file_name(pulled.resource)}.yaml"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    print(path)


def _file_name(resource: Resource) -> str:
    """Return a name that stays in its directory, whatever the server calls its resources."""
    if not _NAME.fullmatch(resource.full_name):
        raise UserError(f'the server has a resource of the impossible name "{resource.full_name}"')
    return resource.full_name
