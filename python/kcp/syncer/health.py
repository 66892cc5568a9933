"""What a syncer says of itself over plain HTTP: alive, ready, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from kcp.syncer.engine import Engine

# Bytes of a request's head, and seconds for it.
LONGEST_HEAD = 8192
PATIENCE = 10
_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def answer(engine: Engine, method: str, path: str) -> tuple[int, str]:
    """Return status and text for a request."""
    if method not in {"GET", "HEAD"}:
        return 405, "only GET\n"
    if path in {"/healthz", "/livez"}:
        return 200, "ok\n"
    if path == "/readyz":
        troubles = engine.troubles
        return (503, "".join(f"{trouble}\n" for trouble in troubles)) if troubles else (200, "ok\n")
    if path == "/metrics":
        return 200, metrics(engine)
    return 404, "/healthz, /readyz and /metrics are here\n"


def metrics(engine: Engine) -> str:
    """Return counters and gauges in Prometheus' text format."""
    lines = ["# TYPE kcp_syncer_steps_total counter"]
    lines += [f'kcp_syncer_steps_total{{step="{name}"}} {count}' for name, count in sorted(engine.counts.items())]
    lines += ["# TYPE kcp_syncer_queue_length gauge", f"kcp_syncer_queue_length {len(engine.queue)}"]
    lines.append("# TYPE kcp_syncer_objects gauge")
    for name, flow in engine.flows.items():
        for side, informer in (("upstream", flow.above), ("downstream", flow.below)):
            lines.append(f'kcp_syncer_objects{{side="{side}",resource="{name}"}} {len(informer.store)}')
    return "\n".join(lines) + "\n"


async def serve(engine: Engine, listeners: list[trio.SocketListener]) -> None:
    """Answer until cancelled; one request for each connection."""

    async def handle(stream: trio.SocketStream) -> None:
        with trio.move_on_after(PATIENCE):
            try:
                head = b""
                while b"\r\n\r\n" not in head and len(head) < LONGEST_HEAD:
                    piece = await stream.receive_some()
                    if not piece:
                        return
                    head += piece
                words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
                method, path = (words[0], words[1].partition("?")[0]) if len(words) == 3 else ("", "")
                status, text = answer(engine, method, path)
                body = text.encode()
                lines = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: text/plain; version=0.0.4\r\n"
                lines += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                await stream.send_all(lines.encode() + (b"" if method == "HEAD" else body))
            except trio.BrokenResourceError:
                pass

    await trio.serve_listeners(handle, listeners)
