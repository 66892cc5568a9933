"""Fixtures of the controllers' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.controllers.harness import Harness, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def kcp() -> AsyncIterator[Harness]:
    """Return a server whose controllers run."""
    async with serving() as harness:
        yield harness
