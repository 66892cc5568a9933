"""Whether a physical cluster answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from kcp.client.status import StatusError, UnreachableError
from kcp.workload.conditions import UnreadyError

if TYPE_CHECKING:
    from kcp.client.session import Session

PROBE_SECONDS = 5.0
_SHOWN = 300


async def probe(session: Session) -> None:
    """Return when the cluster says that it is ready: by `/readyz`, or by `/healthz` where that is unknown.

    Raises:
        UnreadyError: it says otherwise, or nothing within `PROBE_SECONDS`.
    """
    try:
        with trio.fail_after(PROBE_SECONDS):
            try:
                await session.text("/readyz")
            except StatusError as error:
                if not error.is_not_found:
                    raise
                await session.text("/healthz")
    except trio.TooSlowError:
        raise UnreadyError(
            "WorkloadClusterUnreachable", f"{session.server} did not answer within {PROBE_SECONDS:g} seconds"
        ) from None
    except UnreachableError as error:
        raise UnreadyError("WorkloadClusterUnreachable", error) from None
    except StatusError as error:
        raise UnreadyError("WorkloadClusterNotReady", f"{session.server} is not ready: {_failed(str(error))}") from None


def _failed(text: str) -> str:
    """Return the checks that failed of a report, else its beginning."""
    failed = [line for line in text.splitlines() if line.startswith("[-]")]
    return " ".join(" ".join(failed or [text]).split())[:_SHOWN]
