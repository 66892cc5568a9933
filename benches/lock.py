"""What Python costs the data path: GETs while the interpreter is idle, held and busy, and beside another busy process.

`python -m benches.lock DIR` is the server's half, driven over its standard input by `rates`.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches import embedded, systems
from benches.systems import Running

if TYPE_CHECKING:
    from collections.abc import Callable

# One C call that keeps the interpreter lock for longer than a measurement takes.
HOLD_SECONDS = 3.0
MEASURED_SECONDS = 2.0


def serve(directory: Path) -> None:
    """Serve until standard input ends; obey its lines: `hold` holds the lock once, `burn` starts a busy thread."""
    server, url = embedded.serve(directory, "bench-token")
    print(url, flush=True)
    for line in sys.stdin:
        if line == "hold\n":
            ctypes.PyDLL(None).usleep(int(HOLD_SECONDS * 1_000_000))
        elif line == "burn\n":
            threading.Thread(target=burn, daemon=True).start()
        print("done", flush=True)
    server.close()


def burn() -> None:
    """Keep a core busy with Python code, for ever."""
    while True:
        sum(range(1000))


def rates(load: Callable[[Running], dict[str, Any]]) -> dict[str, float]:
    """Measure GETs per second in each condition; `load` runs the load generator for `MEASURED_SECONDS`."""
    directory = systems.scratch("lock")
    with subprocess.Popen(
        [sys.executable, "-m", "benches.lock", str(directory)],
        cwd=systems.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        system = Running(
            name="kcp",
            server=f"{url}/clusters/bench",
            ca=directory / "ca.crt",
            admin_token="bench-token",
            user_token="bench-token",
            pids=[child.pid],
            ready_after=0.0,
            directory=directory,
        )
        found: dict[str, float] = {}
        try:
            system.prepare()
            found["interpreter idle"] = float(load(system)["rate"])
            with subprocess.Popen([sys.executable, "-c", "while True: sum(range(1000))"]) as other:
                found["an unrelated process busy"] = float(load(system)["rate"])
                other.kill()
            child.stdin.write("hold\n")
            child.stdin.flush()
            found["lock held in one C call"] = float(load(system)["rate"])
            child.stdout.readline()
            child.stdin.write("burn\n")
            child.stdin.flush()
            child.stdout.readline()
            found["a Python thread busy"] = float(load(system)["rate"])
        finally:
            child.stdin.close()
            child.terminate()
    return found


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
