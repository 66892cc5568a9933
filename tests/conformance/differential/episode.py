"""Run episodes: sequences of steps in a namespace of their own, sent to both sides and compared."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from tests.conformance.differential import compare, kinds
from tests.conformance.differential.actions import next_step
from tests.conformance.differential.model import Known, Target, World
from tests.conformance.differential.normal import Symbols, comparable
from tests.conformance.differential.peers import stand_in
from tests.conformance.differential.step import Step
from tests.conformance.differential.wire import TOKEN, Side
from tests.conformance.exchange import SETTLE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.conformance.differential.compare import Entry, Rules
    from tests.conformance.differential.model import Kind
    from tests.conformance.exchange import Answer, Json

# A real server answers reads from caches that lag a little: a read that differs is repeated for so long.
LAG_SECONDS = 1.5
LAG_STEP_SECONDS = 0.15
KNOWN = 2  # a class of difference that was found so often is not lag
STEPS = (8, 26)  # of one episode
NAMESPACE = Step(
    "namespace",
    "POST",
    "/api/v1/namespaces",
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"ns-{TOKEN}", "labels": {"e": TOKEN}}},
    what=("create", "namespaces", "-"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference nobody explained: the steps up to it, the last of which shows it."""

    episode: int
    steps: tuple[Step, ...]
    entries: tuple[Entry, ...]
    answers: tuple[dict[str, Any], dict[str, Any]]

    @property
    def step(self) -> Step:
        """Return the step whose answers differ."""
        return self.steps[-1]

    @property
    def key(self) -> str:
        """Return the class: the verb, and both codes with the text of the refusal, or the first place that differs."""
        verb = self.step.what[0]
        if any(entry.path == "status" for entry in self.entries):
            codes = [answer["status"] for answer in self.answers]
            texts = [str(a["body"].get("message", "")) if isinstance(a["body"], dict) else "" for a in self.answers]
            text = next((text for text in reversed(texts) if text), "")
            return f"{verb} {codes[0]} → {codes[1]}: {compare.general(text)}"
        return f"{verb} {self.entries[0].key}"


@dataclass(slots=True)
class Tally:
    """What a run has seen."""

    requests: int = 0
    accepted: int = 0
    lagged: int = 0
    labels: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)

    def add(self, step: Step, status: int) -> None:
        """Count one answer of the kube-apiserver."""
        self.requests += 1
        self.accepted += 200 <= status < 300
        self.labels[step.what[:2]] += 1
        self.faults[step.what[2]] += 1
        self.codes[status] += 1


class Bench:
    """Both sides with what an episode needs of them."""

    def __init__(self, kube: Side, kcp: Side, rules: Rules) -> None:
        self.kube = kube
        self.kcp = kcp
        self.rules = rules
        self.tally = Tally()
        self.seen: Counter[str] = Counter()  # how often each class of difference was found
        self._other = ThreadPoolExecutor(1)

    def close(self) -> None:
        """End the thread that talks to the second side."""
        self._other.shutdown()

    def generate(self, seed: int, index: int) -> list[Finding]:
        """Run the episode of this seed and number; it ends early where the two states part."""
        rng = Random(f"{seed}/{index}")
        world = World(rng, _cast(rng))
        run = _Run(self, index)
        world.extra[NAMESPACE.name] = Target(kinds.NAMESPACES, f"ns-{TOKEN}")
        steps: Iterable[Step] = (NAMESPACE if i == 0 else next_step(world) for i in range(rng.randint(*STEPS)))
        for step in steps:
            entries, answer = run.take(step)
            if step is NAMESPACE and kinds.NAMESPACES in world.kinds:
                world.objects.append(_own_namespace(answer))
            elif step is not NAMESPACE:
                world.learn(step, answer, run.word)
                run.settle(world)
            if run.parted or (entries and not step.reads):
                break
        return run.findings

    def replay(
        self, steps: Sequence[Step], on_answers: Callable[[Step, Answer, Answer], None] | None = None
    ) -> list[Finding]:
        """Run given steps as an episode of its own."""
        run = _Run(self, -1)
        for step in steps:
            run.take(step, counted=False)
            if on_answers is not None:
                on_answers(step, run.known[0][step.name], run.known[1][step.name])
        return run.findings

    def send(self, step: Step, known: tuple[dict[str, Answer], dict[str, Answer]], word: str) -> tuple[Answer, Answer]:
        """Send a step to both sides at once."""
        theirs = self._other.submit(self.kcp.send, step, known[1], word)
        kube = self.kube.send(step, known[0], word)
        return kube, theirs.result()


class _Run:
    """One episode under way."""

    def __init__(self, bench: Bench, index: int) -> None:
        self.bench = bench
        self.index = index
        self.parted = False  # one side has stored what the other refused
        self.word = f"q{secrets.token_hex(4)}"
        self.steps: list[Step] = []
        self.findings: list[Finding] = []
        self.known: tuple[dict[str, Answer], dict[str, Answer]] = ({}, {})
        self.symbols = (Symbols(bench.kube.server), Symbols(bench.kcp.server))

    def take(self, step: Step, *, counted: bool = True) -> tuple[list[Entry], Answer]:
        """Send a step to both sides and compare; a read that differs is repeated while a cache may lag."""
        self.steps.append(step)
        deadline = time.monotonic() + LAG_SECONDS
        lagged = False
        while True:
            answers = self.bench.send(step, self.known, self.word)
            forms = (comparable(step, answers[0], self.symbols[0]), comparable(step, answers[1], self.symbols[1]))
            found = self.bench.rules.unexplained(self.steps, compare.entries(*forms))
            if answers[0].status == 0:
                found = [compare.Entry("status", "0", str(answers[1].status))]  # nothing was compared
            finding = Finding(self.index, tuple(self.steps), tuple(found), forms) if found else None
            if (
                finding is None
                or not step.reads
                or time.monotonic() > deadline
                or self.bench.seen[finding.key] >= KNOWN
            ):
                break
            lagged = True
            time.sleep(LAG_STEP_SECONDS)
        self.known[0][step.name], self.known[1][step.name] = answers
        taken = [200 <= answer.status < 300 for answer in answers]
        self.parted = taken[0] != taken[1] and not step.reads
        if step.name == NAMESPACE.name or (step.method == "DELETE" and "dryRun" not in step.path):
            stand_in(self.bench.kube, self.word)
        if counted:
            self.bench.tally.add(step, answers[0].status)
            self.bench.tally.lagged += lagged and not found
        if finding is not None:
            self.bench.seen[finding.key] += 1
            self.findings.append(finding)
        return found, answers[0]

    def settle(self, world: World) -> None:
        """Wait until the kube-apiserver's controllers have written the status of definitions that were written."""
        step = self.steps[-1]
        if step.method == "DELETE" and step.what[1] == "customresourcedefinitions":
            self._await_removal()
        for known in world.objects:
            if known.kind not in kinds.DEFINITIONS or known.source != self.steps[-1].name:
                continue
            step = Step(f"settled-{known.source}", "GET", known.path)
            deadline = time.monotonic() + SETTLE_SECONDS
            before = None
            while time.monotonic() < deadline:
                answers = self.bench.send(step, self.known, self.word)
                if before == answers[0].body and _is_settled(answers[0].json()):
                    break
                before = answers[0].body
                time.sleep(LAG_STEP_SECONDS)
            self.known[0][step.name], self.known[1][step.name] = answers
            known.source = step.name

    def _await_removal(self) -> None:
        """Wait until nobody is left who has to end definitions that were deleted."""
        path = f"{kinds.DEFINITIONS[0].collection(None)}?labelSelector=e%3D{TOKEN}"
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            answers = self.bench.send(Step("removed", "GET", path), self.known, self.word)
            if not any(b"customresourcecleanup" in answer.body for answer in answers):
                break
            time.sleep(LAG_STEP_SECONDS)


def _is_settled(definition: Json) -> bool:
    """Tell whether the controllers have said what they will: that it is served, or why not."""
    if not isinstance(definition, dict) or definition.get("kind") != "CustomResourceDefinition":
        return True  # it is gone
    conditions = definition.get("status", {}).get("conditions") or []
    said = {condition["type"]: condition["status"] for condition in conditions}
    return said.get("Established") == "True" or said.get("NamesAccepted") == "False"


def _own_namespace(answer: Answer) -> Known:
    body = answer.json()
    body["metadata"]["name"] = f"ns-{TOKEN}"
    return Known(kinds.NAMESPACES, "", f"ns-{TOKEN}", NAMESPACE.name, body)


def _cast(rng: Random) -> tuple[Kind, ...]:
    """Draw the kinds an episode is about: one or two, sometimes several."""
    draw = rng.random()
    if draw < 0.04:
        return (kinds.NAMESPACES,)
    if draw < 0.16:
        return kinds.DEFINITIONS
    if draw < 0.45:
        return tuple(rng.sample(kinds.INSTANCES, rng.choice([1, 1, 2])))
    everything = (*kinds.CORE, *kinds.ACCESS, *kinds.EVENTS)
    return tuple(rng.sample(everything, rng.choice([1, 2, 2, 3])))
