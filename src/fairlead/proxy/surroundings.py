"""What neither flags nor configuration say of a cluster, asked from its API: in somebody else's, nobody has told us."""

import asyncio
import ipaddress
import json
import logging
import time
from dataclasses import replace

from fairlead.api.status import ApiError
from fairlead.api.types.core import Node
from fairlead.api.types.service import Service
from fairlead.client.config import ConfigError
from fairlead.client.rest import Client
from fairlead.proxy.configuration import POD_CIDR, SERVICE_CIDR, Options

log = logging.getLogger(__name__)

SERVICE_RANGES = "/apis/networking.k8s.io/v1/servicecidrs"  # Kubernetes 1.33 and later (KEP-1880)
PATIENCE = 60.0  # seconds that a node may take to be registered, and to get its pods' range


async def complete(options: Options, client: Client) -> Options:
    """The node's own addresses, the ranges of its pods (kube-proxy's detectLocalMode NodeCIDR) and of Services. Raises
    ConfigError where a range that is needed cannot be known, ApiError, OSError."""
    if not options.cluster_cidr or not options.node_ip:
        node = await _node(options.node_name, client, wants_range=not options.cluster_cidr)
        own = [each.address for each in node.status.addresses if each.type == "InternalIP"]
        ranges = node.spec.pod_cidrs or ([node.spec.pod_cidr] if node.spec.pod_cidr else [])
        if not options.cluster_cidr and not ranges:
            log.warning("node %s has no podCIDRs, and no clusterCIDR is given: %s", options.node_name, POD_CIDR)
        options = replace(
            options,
            cluster_cidr=options.cluster_cidr or ",".join(ranges) or POD_CIDR,
            node_ip=options.node_ip or ",".join(own),
        )
    if not options.service_cidr:
        options = replace(options, service_cidr=await _service_ranges(client))
    if not options.nodes():
        raise ConfigError(f"pods ({options.cluster_cidr}) and Services ({options.service_cidr}) share no family")
    return options


async def _node(name: str, client: Client, *, wants_range: bool) -> Node:
    """Once it is registered and has what is asked of it, or PATIENCE is over."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            node = await client.get("nodes", name, type=Node)
        except ApiError as error:
            if not error.is_not_found or time.monotonic() > deadline:
                raise
        else:
            if not wants_range or node.spec.pod_cidr or time.monotonic() > deadline:
                return node
        await asyncio.sleep(1)


async def _service_ranges(client: Client) -> str:
    try:
        found = json.loads((await client.send("GET", SERVICE_RANGES)).body)
    except ApiError as error:
        if error.code not in (403, 404):
            raise
    else:
        ranges = [each for item in found.get("items") or () for each in item["spec"]["cidrs"]]
        if ranges:
            return _one_of_each_family(ranges)
    api = await client.get("services", "kubernetes", "default", type=Service)
    if ipaddress.ip_address(api.spec.cluster_ip) in ipaddress.ip_network(SERVICE_CIDR):
        return SERVICE_CIDR
    raise ConfigError(
        f"--service-cluster-ip-range: Required value: the cluster's range of Services (its API is at "
        f"{api.spec.cluster_ip}), which this API server does not tell"
    )


def _one_of_each_family(ranges: list[str]) -> str:
    """The widest: a cluster may have added others."""
    widest: dict[bool, str] = {}
    for each in sorted(ranges, key=lambda text: -int(text.rpartition("/")[2])):
        widest[":" in each] = each
    return ",".join(widest[family] for family in sorted(widest))
