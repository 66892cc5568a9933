"""Cases of what people do with kubectl: read them, run them against a server, write the answers down.

A case is a sequence of kubectl commands in a directory of its own, with its own kubeconfig and cache.
The recorder runs it against a real kube-apiserver, the test against a fresh logical cluster of kcp.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.conformance.filters import GROUPS, is_core

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent / "kubectl"
VERSIONS = ("1.33", "1.37")
STEP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a case.

    `do` makes it a watch: the command runs in the background, and once it has printed something the
    commands of `do` run; it is ended when it has printed `lines` lines, if it has not ended itself.
    """

    run: str
    user: str = "admin"
    stdin: str = ""
    editor: str = ""
    do: tuple[str, ...] = ()
    lines: int = 0
    drop: tuple[str, ...] = ()
    served: bool = False  # keep only rows about resources that kcp serves


@dataclass(frozen=True, slots=True)
class Settle:
    """Wait until the resource is in discovery and OpenAPI: a real server publishes with a delay."""

    resource: str


@dataclass(frozen=True, slots=True)
class Case:
    """A named sequence of commands with the files they read."""

    name: str
    steps: tuple[Step | Settle, ...]
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """A server as kubectl sees it."""

    url: str
    ca: bytes
    tokens: Mapping[str, str]


def load_cases() -> list[Case]:
    """Read all case files, in the order of their names."""
    cases = []
    for path in sorted((HERE / "cases").glob("*.toml")):
        document = tomllib.loads(path.read_text())
        shared = document.get("files", {})
        for raw in document["case"]:
            steps = tuple(read_step(step) for step in raw["steps"])
            cases.append(Case(raw["name"], steps, {**shared, **raw.get("files", {})}))
    names = [case.name for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"cases of one name: {sorted(twice)}")
    return cases


def read_step(raw: str | dict[str, Any]) -> Step | Settle:
    """Read a step: a bare string is a command of the administrator."""
    if isinstance(raw, str):
        return Step(raw)
    if "settle" in raw:
        return Settle(raw["settle"])
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    return Step(**fields)


def write_kubeconfig(path: Path, target: Target) -> None:
    """Write the kubeconfig of a case: one context per user."""
    ca = base64.b64encode(target.ca).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": {"server": target.url, "certificate-authority-data": ca}}],
        "users": [{"name": u, "user": {"token": t}} for u, t in sorted(target.tokens.items())],
        "contexts": [{"name": u, "context": {"cluster": "cluster", "user": u}} for u in sorted(target.tokens)],
        "current-context": "admin",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))


class Runner:
    """Runs the commands of one case with one kubectl against one server."""

    def __init__(self, kubectl: Path, target: Target, directory: Path) -> None:
        """Prepare an empty directory: home, cache, kubeconfig and work files."""
        self.kubectl = kubectl
        self.target = target
        self.home = directory
        self.work = directory / "work"
        self.work.mkdir()
        write_kubeconfig(directory / "config", target)

    def run_case(self, case: Case, settle: bool) -> list[dict[str, Any]]:
        """Run all steps and return their normalised answers."""
        for name, text in case.files.items():
            (self.work / name).write_text(text)
        answers = []
        for step in case.steps:
            if isinstance(step, Settle):
                if settle:
                    self.wait_published(step.resource)
            else:
                answers.append(self.run_step(step))
        return answers

    def run_step(self, step: Step) -> dict[str, Any]:
        """Run one step and return its normalised answer."""
        process = self.start(step)
        if step.do:
            exit_code, stdout, stderr = self.watch(process, step)
        else:
            exit_code, stdout, stderr = finish(process, step.stdin)
        return {
            "run": step.run,
            **({"user": step.user} if step.user != "admin" else {}),
            "exit": exit_code,
            "stdout": self.normalise(stdout, step),
            "stderr": self.normalise(stderr, step),
        }

    def start(self, step: Step) -> subprocess.Popen[str]:
        """Start the command of a step."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "KUBECONFIG": str(self.home / "config"),
            "KUBECACHEDIR": str(self.home / "cache"),
            "KUBE_EDITOR": step.editor or "false",
            "LC_ALL": "C",
            "TZ": "UTC",
        }
        return subprocess.Popen(
            [str(self.kubectl), "--context", step.user, *self.arguments(step.run)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.work,
            env=environment,
        )

    def arguments(self, command: str) -> list[str]:
        """Split a command line; `--raw` takes a path from the root of the host, not of the server's URL."""
        words = shlex.split(command)
        for index, word in enumerate(words[:-1]):
            if word == "--raw":
                words[index + 1] = urlsplit(self.target.url).path + words[index + 1]
        return words

    def watch(self, process: subprocess.Popen[str], step: Step) -> tuple[int | None, str, str]:
        """Change things under a running command and collect what it prints."""
        lines: list[str] = []
        changed = threading.Condition()

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                with changed:
                    lines.append(line)
                    changed.notify_all()

        reader = threading.Thread(target=read)
        reader.start()
        with changed:
            changed.wait_for(lambda: bool(lines), timeout=10)
        for command in step.do:
            finish(self.start(Step(command)))
        with changed:
            changed.wait_for(lambda: len(lines) >= step.lines, timeout=10)
        try:
            exit_code: int | None = process.wait(timeout=0.5 if step.lines else 10)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
            exit_code = None  # it was still watching, as it should
        reader.join()
        assert process.stderr is not None
        assert process.stdin is not None
        stderr = process.stderr.read()
        process.stdin.close()
        process.stdout.close() if process.stdout else None
        process.stderr.close()
        return exit_code, "".join(lines), stderr

    def wait_published(self, resource: str) -> None:
        """Wait until a custom resource is in discovery and in both OpenAPI documents."""
        name, _, rest = resource.partition(".")
        group, _, version = rest.partition("/")
        deadline = time.monotonic() + STEP_SECONDS
        for path, needle in (
            ("/apis", f'"{group}"'),
            (f"/apis/{group}/{version}", f'"{name}"'),
            (f"/openapi/v3/apis/{group}/{version}", f"/{name}"),
            ("/openapi/v2", f"/apis/{group}/{version}/"),
        ):
            while needle not in self.output(f"get --raw {path}"):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{resource} did not appear in {path}")
                time.sleep(0.2)

    def output(self, command: str) -> str:
        """Run a command for its output only."""
        return finish(self.start(Step(command)))[1]

    def normalise(self, text: str, step: Step) -> list[str]:
        """Replace what differs between two runs and return the lines that are compared."""
        text = text.replace(str(self.home), "<dir>").replace(self.target.url, "<server>")
        text = text.replace(urlsplit(self.target.url).netloc, "<address>")
        text = without_cluster_annotation(text)
        if "--raw" in step.run:
            text = sorted_json(text)
        for pattern, replacement in REPLACEMENTS:
            text = pattern.sub(replacement, text)
        lines = [WIDE_SPACES.sub("  ", line).rstrip() for line in text.splitlines()]
        lines = with_sorted_causes(lines)
        if step.served:
            lines = [line for line in lines if is_served_row(line)]
        return [line for line in lines if not any(re.search(p, line) for p in step.drop)]


def finish(process: subprocess.Popen[str], stdin: str = "") -> tuple[int | None, str, str]:
    """Wait for a command and return exit code and output; one that hangs is ended and has no exit code."""
    try:
        stdout, stderr = process.communicate(stdin or None, timeout=STEP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        return None, stdout, stderr
    return process.returncode, stdout, stderr


# Padding of columns, which depends on what else is in the table; not the indentation of a document.
WIDE_SPACES = re.compile(r"(?<=\S) {2,}(?=\S)|^ {24,}")
REPLACEMENTS = [
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"\beyJ[\w-]+\.[\w-]+\.[\w-]+", "<token>"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uid>"),
        (r"\b20[1-9]\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d))?", "<time>"),
        (r"\b\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
        (r'(resourceVersion"?: ?)"\d+"', r'\1"<rv>"'),
        (r"(Resource Version: +)\d+", r"\1<rv>"),
        (r"(?<=[\s(])\d+(s|m|h|d)(\d+[smh])?(?=[\s,)]|$)", "<age>"),
        (r"(LIVE|MERGED)-\d+", r"\1"),
        (r"kubectl(-[\d.]+)?-edit-\w+", "kubectl-edit"),
        (r"^[EWIF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", "<log> "),
        (r"hash=[0-9A-F]+", "hash=<hash>"),
    )
]


def with_sorted_causes(lines: list[str]) -> list[str]:
    """Sort neighbouring lines that are causes of a refusal: a real server walks maps in any order."""
    out: list[str] = []
    for is_cause, group in itertools.groupby(lines, lambda line: line.startswith("* ")):
        block = list(group)
        out.extend(sorted(block) if is_cause else block)
    return out


def sorted_json(text: str) -> str:
    """Lay out a document that is one line, its keys in order: their order on the wire means nothing."""
    if text.startswith("{") and text.count("\n") <= 1:
        try:
            return json.dumps(json.loads(text), indent=1, sort_keys=True)
        except ValueError:
            pass
    return text


def without_cluster_annotation(text: str) -> str:
    """Remove the annotation that tells the logical cluster of an object, in every output format."""
    for pattern, replacement in CLUSTER_ANNOTATION:
        text = pattern.sub(replacement, text)
    return text


CLUSTER_ANNOTATION = [
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        # In a diff, where the numbers of lines change with it.
        (r"^([+-]?) +annotations:\n\1 +kcp\.io/cluster: .*\n(?!\1 {4,}\S)", ""),
        (r"^@@ .* @@$", "@@"),
        # YAML: the line, then a map that became empty.
        (r"^ *annotations:\n +kcp\.io/cluster: .*\n(?! *[\w./-]+/[\w.-]+: )", ""),
        (r"^ +kcp\.io/cluster: .*\n", ""),
        # JSON, indented and compact: alone, before others, after others.
        (r'\s*"annotations": ?\{\s*"kcp\.io/cluster": ?"[^"]*"\s*\},?', ""),
        (r'\s*"kcp\.io/cluster": ?"[^"]*",', ""),
        (r',\s*"kcp\.io/cluster": ?"[^"]*"', ""),
        # describe: alone, before others, after others.
        (r"^Annotations: +kcp\.io/cluster: \S+\n(?! )", "Annotations:  <none>\n"),
        (r"^(Annotations: +)kcp\.io/cluster: \S+\n +", r"\1"),
    )
]


def is_served_row(line: str) -> bool:
    """Tell whether a row of `kubectl api-resources` (or its header) is about something kcp serves."""
    words = line.split()
    if not words or words[0] == "NAME":
        return True
    version = next((w for w in words[1:] if re.fullmatch(r"([\w.-]+/)?v\d\w*", w)), "")
    group = version.partition("/")[0]
    if "/" not in version:
        return is_core(words[0])
    return group in GROUPS and version.endswith("/v1")
