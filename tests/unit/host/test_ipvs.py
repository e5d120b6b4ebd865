"""Messages to the kernel's IPVS, as an independent decoder reads them."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.generic.ipvs import ipvsmsg

from fairlead.host.conversation import attribute, nested
from fairlead.host.ipvs import (
    DELETE_SERVICE,
    NEW_DESTINATION,
    NEW_SERVICE,
    PROTOCOLS,
    Change,
    Destination,
    Load,
    Server,
    Way,
    decode_destination,
    decode_service,
    encode,
)

ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str), st.ip_addresses(network="2001:db8::/32").map(str), st.just("fd00:10:96::9797")
)
PORTS = st.integers(1, 65535)
SERVERS = st.builds(Server, st.sampled_from(sorted(PROTOCOLS)), ADDRESSES, PORTS, st.just(0))
WAYS = st.builds(Way, st.sampled_from(["rr", "wlc", "sh"]), st.integers(0, 86400), st.sampled_from([0, 0x10]))


def _decoded(change: Change) -> Any:
    data = encode(change)
    message = ipvsmsg(struct.pack("=IHHII", 16 + len(data), 30, 1, 1, 0) + data)
    message.decode()
    return message


@given(SERVERS, WAYS)
def test_a_virtual_server(server: Server, way: Way) -> None:
    message = _decoded(Change(NEW_SERVICE, server, way))
    assert (message["cmd"], message["version"]) == (NEW_SERVICE, 1)
    service = message.get_attr("IPVS_CMD_ATTR_SERVICE")
    assert service.get_attr("IPVS_SVC_ATTR_PROTOCOL") == PROTOCOLS[server.protocol]
    assert service.get_attr("IPVS_SVC_ATTR_ADDR") == server.address
    assert service.get_attr("IPVS_SVC_ATTR_PORT") == server.port
    assert service.get_attr("IPVS_SVC_ATTR_SCHED_NAME") == way.scheduler
    assert service.get_attr("IPVS_SVC_ATTR_TIMEOUT") == way.timeout
    assert service.get_attr("IPVS_SVC_ATTR_FLAGS")["flags"] == way.flags | bool(way.timeout)


def test_one_that_is_told_by_a_mark() -> None:
    service = _decoded(Change(DELETE_SERVICE, Server("", "0.0.0.0", 0, 1 << 16))).get_attr("IPVS_CMD_ATTR_SERVICE")
    assert service.get_attr("IPVS_SVC_ATTR_FWMARK") == 1 << 16
    assert service.get_attr("IPVS_SVC_ATTR_PORT") is None


@given(PORTS, st.integers(0, 100))
def test_a_destination_is_reached_by_masquerading(port: int, weight: int) -> None:
    server = Server("TCP", "10.97.97.97", 80)
    message = _decoded(Change(NEW_DESTINATION, server, None, Destination("10.244.1.2", port), weight))
    destination = message.get_attr("IPVS_CMD_ATTR_DEST")
    assert destination.get_attr("IPVS_DEST_ATTR_PORT") == port
    assert destination.get_attr("IPVS_DEST_ATTR_WEIGHT") == weight
    assert destination.get_attr("IPVS_DEST_ATTR_FWD_METHOD") == 0  # IP_VS_CONN_F_MASQ


@given(SERVERS, WAYS)
def test_what_is_encoded_is_decoded(server: Server, way: Way) -> None:
    assert decode_service(encode(Change(NEW_SERVICE, server, way))) == (server, way)


@pytest.mark.parametrize("address", ["10.244.1.2", "fd00::2"])
def test_a_destination_as_the_kernel_tells_it(address: str) -> None:
    change = Change(NEW_DESTINATION, Server("TCP", "10.0.0.1", 1), None, Destination(address, 80), 0)
    family = struct.pack("=H", 10 if ":" in address else 2)
    told = attribute(7, struct.pack("=I", 3)) + attribute(8, struct.pack("=I", 4)) + attribute(11, family)
    data = encode(change)
    start = data.rindex(struct.pack("=H", 2 | 0x8000)) + 2  # behind the head of the attribute for the destination
    body = data[:4] + nested(2, data[start:] + told)
    assert decode_destination(body) == (Destination(address, 80), Load(0, 3, 4))
