"""Addresses and ports that several Services claim."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fairlead.proxy.claims import Claims
from fairlead.services.model import ServicePort, ServicePortName

EXTERNAL = "203.0.113.10"


def port(
    name: str, *, cluster_ip: str = "", external: tuple[str, ...] = (), node_port: int | None = None
) -> ServicePort:
    cluster_ip = cluster_ip or f"10.96.1.{ord(name)}"
    external = tuple(each for each in external if each != cluster_ip)
    return ServicePort(ServicePortName("dev", name, "", "TCP"), cluster_ip, 80, node_port, external)


def test_the_oldest_has_it_and_the_next_gets_it_when_it_goes() -> None:
    claims = Claims()
    young, old = (port(name, external=(EXTERNAL,), node_port=30080) for name in "ab")
    assert claims.update("dev/a", [young], "2024-01-02T00:00:00Z") == set()
    assert claims.update("dev/b", [old], "2024-01-01T00:00:00Z") == {"dev/a"}
    assert claims.settled("dev/b", [old]) == (old,)
    assert claims.settled("dev/a", [young]) == (replace(young, external=(), node_port=None),)
    assert [(str(frontend), holder) for frontend, holder in claims.lost("dev/a")] == [
        ("203.0.113.10:80/TCP", "dev/b"),
        ("node port 30080/TCP", "dev/b"),
    ]
    assert claims.update("dev/b", [], "") == {"dev/a"}
    assert claims.settled("dev/a", [young]) == (young,)


def test_a_clusters_own_address_is_not_taken_by_anybodys_externalips() -> None:
    claims = Claims()
    thief = port("a", external=("10.96.1.98",))
    claims.update("dev/a", [thief], "2020-01-01T00:00:00Z")
    assert claims.update("dev/b", [port("b")], "2024-01-01T00:00:00Z") == {"dev/a"}
    assert claims.settled("dev/a", [thief]) == (replace(thief, external=()),)


NAMES = "abcd"
STATES = st.tuples(
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(["203.0.113.1", "203.0.113.2", "10.96.1.97"]), unique=True).map(tuple),
    st.sampled_from([None, 30080, 30081]),
    st.booleans(),
)


@given(st.lists(STATES, max_size=12))
def test_each_frontend_has_one_service_whatever_came_first(
    steps: list[tuple[str, tuple[str, ...], int | None, bool]],
) -> None:
    claims, asked = Claims(), dict[str, list[ServicePort]]()
    for name, external, node_port, there in steps:
        asked[name] = [port(name, external=external, node_port=node_port)] if there else []
        claims.update(name, asked[name], f"2024-01-0{NAMES.index(name) + 1}T00:00:00Z")
    fresh = Claims()
    for name, ports in asked.items():
        fresh.update(name, ports, f"2024-01-0{NAMES.index(name) + 1}T00:00:00Z")
    served = {name: claims.settled(name, ports) for name, ports in asked.items()}
    assert served == {name: fresh.settled(name, ports) for name, ports in asked.items()}
    frontends = [
        frontend
        for ports in served.values()
        for each in ports
        for frontend in (each.cluster_ip, *each.external, *([each.node_port] if each.node_port else []))
    ]
    assert len(frontends) == len(set(frontends))
