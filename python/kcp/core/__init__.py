"""The public embedded API: a whole server inside a Python process, driven from trio or from threads.

This package is the one door to the Rust core, `kcp._core`. What belongs here: the core's calls in the shape of
coroutines, and values in the shape of dataclasses. What stays out: files, options, the web application.
"""

from kcp._core import (
    Request,
    StoreError,
    certificate_covers,
    log_to_stderr,
    make_authority,
    make_key,
    make_serving_certificate,
)
from kcp.core import stamp
from kcp.core.door import Door, Front
from kcp.core.server import Options, Server, StreamedAnswer
from kcp.core.values import Answer, Headers, Key, Token, User

__all__ = [
    "Answer",
    "Door",
    "Front",
    "Headers",
    "Key",
    "Options",
    "Request",
    "Server",
    "StoreError",
    "StreamedAnswer",
    "Token",
    "User",
    "certificate_covers",
    "log_to_stderr",
    "make_authority",
    "make_key",
    "make_serving_certificate",
]

stamp.check()
