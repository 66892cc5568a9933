"""Workspaces: what types of them amount to, and what the first logical cluster begins with."""

from kcp.tenancy.bootstrap import ensure_types
from kcp.tenancy.hooks import hooks
from kcp.tenancy.urls import refresh_urls

__all__ = ["ensure_types", "hooks", "refresh_urls"]
