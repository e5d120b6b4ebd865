"""One controller and a few upstreams for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.ingress.objects import endpoint_slice, service
from tests.ingress.upstreams import EchoServer, upstream
from tests.ingress.world import PODS, World, world


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("ingress")) as made:
        yield made


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, EchoServer]]:
    """Three pods of two Services: "one" has a and b, "two" has c."""
    with upstream("a", PODS[0]) as a, upstream("b", PODS[1]) as b, upstream("c", PODS[2]) as c:
        yield {"a": a, "b": b, "c": c}


@pytest.fixture(scope="session")
def cluster(running: World, servers: dict[str, EchoServer]) -> World:
    for name, pods in (("one", PODS[:2]), ("two", PODS[2:3])):
        running.apply(service(name))
        running.apply(endpoint_slice(name, pods))
    return running
