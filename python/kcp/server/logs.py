"""Python's log lines on stderr, in the same shape as the core's."""

from __future__ import annotations

import json
import logging
import sys
import time

from kcp.core import log_to_stderr


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} {record.levelname:>7} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "timestamp": _time(record),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03}Z"


def set_up(format: str, verbosity: int) -> None:
    """Send log lines of this process to stderr, once."""
    log_to_stderr(format, verbosity)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if format == "json" else _Text())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING if verbosity < 2 else logging.INFO if verbosity < 4 else logging.DEBUG)
