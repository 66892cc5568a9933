"""The data path does not need the interpreter: it serves while a C call holds the lock for seconds."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import time
from pathlib import Path

from benches import embedded

HOLD_SECONDS = 3
CLIENT = Path(__file__).with_name("gil_client.py")
KINDS = {
    "create a configmap",
    "create a definition",
    "get",
    "list",
    "list custom objects",
    "watch",
}


def test_requests_complete_while_one_c_call_holds_the_interpreter_lock(tmp_path: Path) -> None:
    server, url = embedded.serve(tmp_path, "secret", bridge=True)
    base = f"{url}/clusters/one"
    try:
        with subprocess.Popen(
            [sys.executable, CLIENT, base, str(tmp_path / "ca.crt"), "secret"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            assert client.stdout.readline() == "ready\n"
            client.stdin.write("go\n")
            client.stdin.flush()
            begun = time.monotonic()
            # PyDLL, unlike CDLL, keeps the lock for the length of the call.
            ctypes.PyDLL(None).usleep(HOLD_SECONDS * 1_000_000)
            ended = time.monotonic()
            calls = json.loads(client.stdout.readline())
    finally:
        server.close()

    assert ended - begun >= HOLD_SECONDS
    during = {what for what, first, last in calls if begun <= first and last <= ended}
    assert during == KINDS
