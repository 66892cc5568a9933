"""The web application: pages for people. API requests never come here, unless Hypercorn is the listener.

Importing this module imports Quart (200 ms): `lazy.py` says when.
"""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from markupsafe import escape
from quart import Response, request
from quart_trio import QuartTrio

from kcp import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).with_name("index.html")
# What a page may load and do: nothing from elsewhere.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def make_app(url: Callable[[], str]) -> QuartTrio:
    """Make the application; `url` tells under which URL clients reach the server."""
    app = QuartTrio("kcp.server", static_folder=None)
    # Requests for objects do not come through here, and pages take no uploads.
    app.config["MAX_CONTENT_LENGTH"] = 4 * 1024 * 1024
    template = Template(PAGE.read_text())

    @app.get("/")
    async def index() -> Response:
        cluster = request.scope.get("extensions", {}).get("kcp", {}).get("cluster") or "root"
        page = template.substitute(version=escape(__version__), url=escape(url()), cluster=escape(cluster))
        return Response(page, content_type="text/html; charset=utf-8", headers=SECURITY_HEADERS)

    return app
