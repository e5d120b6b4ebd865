"""What a proxy finds out of a cluster that it was told nothing of."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.api_server import add_node, api_server

from fairlead.client.config import Config, ConfigError
from fairlead.client.rest import Client
from fairlead.http.server import Request, Response, listen
from fairlead.proxy.configuration import Options
from fairlead.proxy.surroundings import complete

ADDRESSES = [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "192.0.2.1"}]


async def test_of_our_own_api(tmp_path: Path) -> None:
    """Which is of 1.32 and so does not tell the ranges of Services: its own address is in the usual one."""
    async with api_server(tmp_path) as client:
        await add_node(client, "n1")
        ranges = {"spec": {"podCIDR": "10.9.1.0/24", "podCIDRs": ["10.9.1.0/24"]}}
        await client.patch("nodes", "n1", None, ranges, type=dict[str, Any])
        await client.patch("nodes", "n1", None, {"status": {"addresses": ADDRESSES}}, subresource="status", type=dict)
        found = await complete(Options("n1"), client)
        assert (found.cluster_cidr, found.node_ip, found.service_cidr) == ("10.9.1.0/24", "192.0.2.1", "10.96.0.0/12")
        told = Options("n1", node_ip="192.0.2.9", cluster_cidr="10.8.0.0/16", service_cidr="10.7.0.0/16")
        assert await complete(told, client) == told


NODE = {
    "metadata": {"name": "n1", "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}]},
    "spec": {"podCIDR": "10.9.1.0/24", "podCIDRs": ["10.9.1.0/24", "fd00:9:1::/64"]},
    "status": {"addresses": [*ADDRESSES, {"type": "InternalIP", "address": "2001:db8::1"}]},
}
RANGES = {"items": [{"spec": {"cidrs": ["10.5.0.0/16", "fd00:5::/112"]}}, {"spec": {"cidrs": ["10.6.0.0/20"]}}]}
SERVICE = {"metadata": {"name": "kubernetes"}, "spec": {"clusterIP": "172.20.0.1"}}


@pytest.mark.parametrize(
    ("tells", "expected"),
    [(True, "10.5.0.0/16,fd00:5::/112"), (False, "--service-cluster-ip-range: Required value")],
)
async def test_of_somebody_elses(tells: bool, expected: str) -> None:
    """A stand-in that answers as a kube-apiserver of 1.33 does, or of 1.30: none can run here."""
    import msgspec

    answers = {
        "/api/v1/nodes/n1": NODE,
        "/api/v1/namespaces/default/services/kubernetes": SERVICE,
        **({"/apis/networking.k8s.io/v1/servicecidrs": RANGES} if tells else {}),
    }

    async def answer(request: Request) -> Response:
        found = answers.get(request.path)
        missing = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found"}
        return Response(200 if found else 404, msgspec.json.encode(found or missing))

    server = await listen(answer, "127.0.0.1", 0)
    client = Client(Config(f"http://127.0.0.1:{server.port}"))
    try:
        if tells:
            found = await complete(Options("n1"), client)
            assert found.service_cidr == expected
            assert found.cluster_cidr == "10.9.1.0/24,fd00:9:1::/64"
            assert found.node_ip == "192.0.2.1,2001:db8::1"
            assert list(found.nodes()) == ["IPv4", "IPv6"]
        else:
            with pytest.raises(ConfigError, match=expected):
                await complete(Options("n1"), client)
    finally:
        await client.close()
        await server.close()
