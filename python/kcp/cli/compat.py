"""`compat OLD NEW`: whether definitions are compatible, what both take, and which stored objects a new one breaks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from kcp.cli.flags import FlagError
from kcp.cli.plugin import UserError, usage
from kcp.compat import definitions, documents
from kcp.compat.compare import Finding
from kcp.compat.definitions import Checked, Definition, Difference
from kcp.compat.schema import META, SchemaError
from kcp.compat.syntax import TooHardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.cli.plugin import Call
    from kcp.client.http import HttpClient

COMPATIBLE, INCOMPATIBLE = 0, 1
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FORMATS = ("text", "json")
WORDS = {"incompatible": "incompatible", "unproven": "undecided", "changed": "changed"}
# Characters of an object, and names of broken ones, that the report for people shows.
WIDTH = 240
SHOWN = 20


class Pair(NamedTuple):
    """A definition before and after."""

    old: Definition | None
    new: Definition | None

    @property
    def name(self) -> str:
        """What reports call it."""
        return (self.old or self.new).name  # type: ignore[union-attr]


class Verdict(NamedTuple):
    """What is to be said of a pair."""

    name: str
    differences: list[Difference]
    common: dict[str, Any] | None
    """The least common denominator, where it was asked for and there is one."""
    checked: Checked | None
    unchecked: list[str]
    """Versions whose CEL rules were not evaluated on stored objects."""

    @property
    def compatible(self) -> bool:
        """Whether nothing stands against it."""
        blocked = any(finding.verdict != "changed" for _, finding in self.differences)
        return not blocked and not (self.checked and self.checked.broken)


def run(call: Call) -> int:
    """Compare and report; exit status 0: compatible, 1: not.

    Raises:
        FlagError: wrong usage.
        UserError: a file cannot be read, or is no definition.
        StatusError: the server refuses.
        UnreachableError: no answer came.
    """
    words, against, form = call.words, str(call.flag("against")), str(call.flag("output"))
    if not words:
        print(usage(call.command, call.line))
        return COMPATIBLE
    if form not in FORMATS:
        raise FlagError(f'output "{form}" is not one of {", ".join(FORMATS)}')
    if len(words) != 2 and not (against and len(words) == 1):
        raise FlagError(
            f"needs OLD and NEW, got {len(words)} file(s)" + ("" if against else " (--against needs NEW alone)")
        )
    if words.count("-") > 1:
        raise FlagError("standard input can be one of the files, not both")
    server = _Server(call, against) if against else None
    files = [_read(word) for word in words]
    if len(files) == 1:
        assert server is not None
        files.insert(0, [found for new in files[0] if (found := server.definition(new.name)) is not None])
    verdicts = [_judged(pair, server, lcd=bool(call.flag("lcd"))) for pair in _pairs(*files)]
    return _tell(verdicts, form, lcd=bool(call.flag("lcd")), stored=server is not None)


def _read(word: str) -> list[Definition]:
    name = "standard input" if word == "-" else word
    try:
        content = sys.stdin.buffer.read() if word == "-" else Path(word).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {name}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"cannot read {name}: {error}") from None
    try:
        found = documents.read(content)
    except SchemaError as error:
        raise UserError(f"{name}: {error}") from None
    names = [definition.name for definition in found]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise UserError(f"{name}: {', '.join(twice)} is there twice")
    return found


def _pairs(old: Sequence[Definition], new: Sequence[Definition]) -> list[Pair]:
    """Return what belongs together: by name, and the only one of each file whatever it is called."""
    if len(old) == len(new) == 1:
        return [Pair(old[0], new[0])]
    mine, theirs = ({d.name: d for d in side} for side in (old, new))
    return [Pair(mine.get(name), theirs.get(name)) for name in dict.fromkeys((*mine, *theirs))]


def _judged(pair: Pair, server: _Server | None, *, lcd: bool) -> Verdict:
    old, new = pair
    common, checked, unchecked = None, None, []
    try:
        if old is None or new is None:
            found = [_alone(pair)]
        elif lcd:
            common, against = definitions.common(old, new)
            found = against if common is None else _narrowed(definitions.differences(old, new))
        else:
            found = definitions.differences(old, new)
        if server is not None and new is not None:
            checked = definitions.check(new, server.objects(old, new)) if old is not None else Checked(0, [])
            unchecked = definitions.ruled(new) if checked.objects else []
    except SchemaError as error:
        raise UserError(f"{pair.name}: {error}") from None
    except TooHardError as error:
        raise UserError(f"{pair.name}: stored objects cannot be checked: {error}") from None
    return Verdict(pair.name, found, common, checked, unchecked)


def _alone(pair: Pair) -> Difference:
    """Return what there is to say of a definition without its counterpart."""
    if pair.new is not None:
        return Difference("", Finding("", "definitions", "the definition is new", "changed"))
    assert pair.old is not None
    witness = definitions.example(pair.old)
    return Difference("", Finding("", "definitions", "the definition is removed", "incompatible", witness))


def _narrowed(found: list[Difference]) -> list[Difference]:
    """Return differences as those that the common denominator has settled."""
    settled = []
    for version, finding in found:
        note = finding.message if finding.verdict == "changed" else f"{finding.message} (narrowed)"
        settled.append(Difference(version, finding._replace(message=note, verdict="changed")))
    return settled


class _Server:
    """The server whose stored objects are looked at."""

    def __init__(self, call: Call, kubeconfig: str) -> None:
        from kcp.cli.target import Target

        flags = {**call.parsed.flags, "kubeconfig": kubeconfig}
        target = Target(call._replace(parsed=call.parsed._replace(flags=flags)))
        self.url = target.wanted.url if call.flag("workspace") else target.url
        self.client: HttpClient = target.client

    def definition(self, name: str) -> Definition | None:
        """Return the server's definition of a name; None: it has none."""
        from kcp.client.status import StatusError

        try:
            return definitions.read(self.client.get(f"{self.url.rstrip('/')}{DEFINITIONS}/{quote(name, safe='')}"))
        except StatusError as error:
            if error.code != 404:
                raise
            return None

    def objects(self, old: Definition, new: Definition) -> list[dict[str, Any]]:
        """Return the stored objects, in a version that both serve or else in one that the server does.

        Where the server has no such definition there are none.
        """
        here = self.definition(old.name)
        if here is None:
            return []
        both = [version.name for version in here.versions if version.served and new.version(version.name)]
        mine = [version.name for version in here.versions if version.served]
        if not mine:
            return []
        version = (both or mine)[0]
        root = f"apis/{here.group}" if here.group else "api"
        return self.client.list_all(f"{self.url.rstrip('/')}/{root}/{version}/{here.plural}")


def _tell(verdicts: list[Verdict], form: str, *, lcd: bool, stored: bool) -> int:
    if form == "json":
        print(json.dumps(_as_json(verdicts, lcd=lcd), indent=2, ensure_ascii=False))
    else:
        # With --lcd, standard output is for the definitions alone.
        out = sys.stderr if lcd else sys.stdout
        for verdict in verdicts:
            print("\n".join(_lines(verdict, stored=stored)), file=out)
        if lcd:
            _print_definitions([v.common for v in verdicts if v.common is not None])
    return COMPATIBLE if all(verdict.compatible for verdict in verdicts) else INCOMPATIBLE


def _print_definitions(found: list[dict[str, Any]]) -> None:
    from kcp.puller import to_yaml

    for definition in found:
        sys.stdout.write(("---\n" if len(found) > 1 else "") + to_yaml(definition))


def _lines(verdict: Verdict, *, stored: bool) -> list[str]:
    kinds = [finding.verdict for _, finding in verdict.differences]
    counts = [f"{kinds.count(kind)} {word}" for kind, word in WORDS.items() if kind in kinds]
    lines = [f"{verdict.name}: {'compatible' if verdict.compatible else 'not compatible'}"]
    lines[0] += f" ({', '.join(counts)})" if counts else ""
    for version, finding in verdict.differences:
        lines.append(f"  {WORDS[finding.verdict]:<13}{f'{version} ' if version else ''}{_printable(str(finding))}")
        if finding.witness is not None and finding.verdict != "changed":
            other = "new" if finding.witness.taken_by == "old" else "old"
            shown = json.dumps(_ordered(finding.witness.object), ensure_ascii=False)
            shown = shown if len(shown) <= WIDTH else shown[:WIDTH] + "…"
            lines.append(f"{'':15}{finding.witness.taken_by} takes it, {other} does not: {_printable(shown)}")
    if stored and verdict.checked is not None:
        lines += _stored(verdict)
    return lines


def _stored(verdict: Verdict) -> list[str]:
    assert verdict.checked is not None
    count, broken = verdict.checked
    lines = [f"  stored objects: {count}, of which the new definition would break {len(broken)}"]
    for found in broken[:SHOWN]:
        name = f"{found.namespace}/{found.name}" if found.namespace else found.name
        where = f"{found.cluster}|{name}" if found.cluster else name
        more = f" (and {len(found.faults) - 1} more)" if len(found.faults) > 1 else ""
        lines.append(f"    {_printable(f'{where}: {found.faults[0]}{more}')}")
    if len(broken) > SHOWN:
        lines.append(f"    and {len(broken) - SHOWN} more (-o json has them all)")
    if verdict.unchecked:
        lines.append(f"  CEL rules of {', '.join(verdict.unchecked)} were not evaluated on them")
    return lines


def _ordered(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object with its type and name in front."""
    return {**{name: value[name] for name in META if name in value}, **value}


def _printable(text: str) -> str:
    """Return a text without what would steer a terminal."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _as_json(verdicts: list[Verdict], *, lcd: bool) -> dict[str, Any]:
    found = []
    for verdict in verdicts:
        entry: dict[str, Any] = {
            "name": verdict.name,
            "compatible": verdict.compatible,
            "findings": [_finding(difference) for difference in verdict.differences],
        }
        if lcd:
            entry["lcd"] = verdict.common
        if verdict.checked is not None:
            broken = [{**one._asdict(), "faults": list(one.faults)} for one in verdict.checked.broken]
            entry["stored"] = {"objects": verdict.checked.objects, "broken": broken, "unevaluated": verdict.unchecked}
        found.append(entry)
    return {"compatible": all(verdict.compatible for verdict in verdicts), "definitions": found}


def _finding(difference: Difference) -> dict[str, Any]:
    version, finding = difference
    entry = {"version": version, "path": finding.path, "rule": finding.rule, "message": finding.message}
    entry["verdict"] = WORDS[finding.verdict]
    if finding.witness is not None:
        return {**entry, "witness": {"takenBy": finding.witness.taken_by, "object": _ordered(finding.witness.object)}}
    return entry
