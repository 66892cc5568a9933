"""Compare kcp with a real kube-apiserver on random requests.

Usage: python -m tests.conformance.differential [--requests N] [--seed N]

Starts both (hack/peers builds the other one where Go is present), sends episodes of requests until N were sent,
and prints where answers differ in what is not on the list, and which rows of the list nothing needed.

Exit code 1: something differs; with --strict-list also, when a row of the list was not needed.
Exit code 3: there is nothing to compare with.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.conformance.differential import compare, report
from tests.conformance.differential.peers import NO_PEERS, PeersMissingError, both_sides
from tests.conformance.differential.run import replay, run


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=5000, help="how many to send (default 5000)")
    parser.add_argument("--seed", type=int, default=1, help="another one sends others (default 1)")
    parser.add_argument("--episode", type=int, help="run this one of the seed's episodes only")
    parser.add_argument("--replay", type=Path, help="send the steps of a difference-N.json that a run has written")
    parser.add_argument(
        "--out", type=Path, default=Path(".differential"), help="where reports go (default .differential)"
    )
    parser.add_argument("--no-shrink", action="store_true", help="report differences as they were found")
    parser.add_argument("--strict-list", action="store_true", help="fail also when a listed difference was not seen")
    parser.add_argument(
        "--without", action="append", default=[], metavar="ID", help="report what this listed difference stands for"
    )
    options = parser.parse_args()
    try:
        rules = compare.load().without(options.without)
    except ValueError as error:
        parser.error(str(error))
    try:
        with tempfile.TemporaryDirectory(prefix="kcp-differential-") as directory, both_sides(Path(directory)) as sides:
            if options.replay is not None:
                return replay(sides, rules, json.loads(options.replay.read_text()))
            outcome = run(
                sides, rules, options.seed, options.requests, options.episode, shrinking=not options.no_shrink
            )
    except PeersMissingError as error:
        print(error, file=sys.stderr)
        return NO_PEERS
    texts = [report.example(group[0], len(group) - 1) for group in outcome.groups]
    head = report.summary(outcome.tally, rules, outcome.groups, options.seed)
    report.write(options.out, outcome.groups, texts, head)
    print("\n".join([*texts, head]))
    return 1 if outcome.groups or (options.strict_list and rules.unused) else 0


if __name__ == "__main__":
    sys.exit(main())
