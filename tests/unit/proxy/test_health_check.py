"""The health check of a Service, as a load balancer asks for it."""

import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from fairlead.proxy.health_check import HealthChecks


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Proxy:
    healthy = True


@pytest_asyncio.fixture
async def checks() -> AsyncIterator[HealthChecks]:
    Proxy.healthy = True
    checks = HealthChecks(lambda: Proxy.healthy, "127.0.0.1")
    yield checks
    await checks.close()


async def ask(port: int) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{port}/")


async def test_a_node_with_endpoints_takes_traffic_and_one_without_does_not(checks: HealthChecks, port: int) -> None:
    await checks.update("dev/web", port, 2)
    answer = await ask(port)
    assert answer.status_code == 200
    assert answer.headers["x-load-balancing-endpoint-weight"] == "2"
    assert answer.json() == {
        "service": {"namespace": "dev", "name": "web"},
        "localEndpoints": 2,
        "serviceProxyHealthy": True,
    }
    await checks.update("dev/web", port, 0)
    answer = await ask(port)
    assert (answer.status_code, answer.json()["localEndpoints"]) == (503, 0)


async def test_a_proxy_that_is_not_well_takes_none(checks: HealthChecks, port: int) -> None:
    await checks.update("dev/web", port, 1)
    Proxy.healthy = False
    answer = await ask(port)
    assert (answer.status_code, answer.json()["serviceProxyHealthy"]) == (503, False)


async def test_a_port_goes_with_its_service_and_one_that_is_taken_is_no_end(checks: HealthChecks, port: int) -> None:
    await checks.update("dev/web", port, 1)
    await checks.update("dev/other", port, 1)  # told in the log
    assert (await ask(port)).json()["service"]["name"] == "web"
    await checks.update("dev/web", 0, 0)
    with pytest.raises(httpx.ConnectError):
        await ask(port)
    await checks.update("dev/other", port, 1)
    assert (await ask(port)).json()["service"]["name"] == "other"
