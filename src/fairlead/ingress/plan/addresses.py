"""The address that an Ingress's status shows: where clients come in. Pure.

Source: ingress-nginx, internal/ingress/status: the published Service's address by its type, or the nodes' of the
controller's pods.
"""

import ipaddress
from collections.abc import Iterable

from fairlead.api.types.core import Node
from fairlead.api.types.networking import IngressLoadBalancerIngress
from fairlead.api.types.service import Service


def of_service(service: Service) -> list[IngressLoadBalancerIngress]:
    spec = service.spec
    match spec.type:
        case "ExternalName":
            return _sorted([spec.external_name])
        case "ClusterIP":
            return _sorted([spec.cluster_ip])
        case "NodePort":
            return _sorted(spec.external_ips or [spec.cluster_ip])
        case "LoadBalancer":
            found = [each.ip or each.hostname for each in service.status.load_balancer.ingress]
            return _sorted([*found, *spec.external_ips])
    return []


def of_nodes(nodes: Iterable[Node], *, internal: bool) -> list[IngressLoadBalancerIngress]:
    """`internal`: the addresses inside, though there are others (`--report-node-internal-ip-address`)."""
    found = []
    for node in nodes:
        external = None if internal else node.address("ExternalIP")
        found.append(external or node.address("InternalIP") or "")
    return _sorted(found)


def of_texts(texts: Iterable[str]) -> list[IngressLoadBalancerIngress]:
    return _sorted(texts)


def _sorted(texts: Iterable[str]) -> list[IngressLoadBalancerIngress]:
    made = [_entry(text) for text in sorted({each for each in texts if each and each != "None"})]
    return sorted(made, key=lambda each: (each.hostname, each.ip))


def _entry(text: str) -> IngressLoadBalancerIngress:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return IngressLoadBalancerIngress(hostname=text)
    return IngressLoadBalancerIngress(ip=text)
