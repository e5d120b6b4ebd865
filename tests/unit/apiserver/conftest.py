from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.unit.apiserver.requests import Api, serving


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api
