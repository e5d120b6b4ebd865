from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.unit.apiserver.requests import Api, serving
from tests.unit.apiserver.webhooks import Webhook, webhook


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(tmp_path) as api:
        yield api


@pytest_asyncio.fixture
async def hook(tmp_path: Path) -> AsyncIterator[Webhook]:
    async with webhook(tmp_path) as found:
        yield found
