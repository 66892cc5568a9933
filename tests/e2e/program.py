"""Programs that go on: run, read line by line, and ended as a service manager ends them."""

from __future__ import annotations

import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Program:
    """A running program and the lines it writes; the test's time-out bounds every wait."""

    process: subprocess.Popen[str]
    lines: IO[str]

    def wait_for_line(self, text: str) -> list[str]:
        """Read until a line holds `text`; return the lines read, that one included."""
        seen = []
        for line in self.lines:
            seen.append(line.rstrip("\n"))
            if text in line:
                return seen
        pytest.fail(f"the program ended before it wrote {text!r}:\n" + "\n".join(seen))

    def stop(self) -> str:
        """Send SIGTERM, after which it must end in peace; return what it still wrote."""
        self.process.send_signal(signal.SIGTERM)
        rest = self.lines.read()
        assert self.process.wait(STOP_SECONDS) == 0, rest
        return rest


@contextmanager
def running(command: Sequence[str | Path], environment: Mapping[str, str]) -> Iterator[Program]:
    """Run a program, whose two outputs are one, until the block is left."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        try:
            yield Program(process, process.stdout)
        finally:
            process.kill()
