"""EndpointSlice: discovery.k8s.io/v1beta1, beside the stored v1.

An endpoint's `topology` became `nodeName`, `zone` and `deprecatedTopology` for the rest of it
(pkg/apis/discovery/v1beta1/conversion.go).
"""

from collections.abc import Callable
from typing import Any

from fairlead.api.conversion import Conversion

Json = dict[str, Any]

ZONE, HOSTNAME = "topology.kubernetes.io/zone", "kubernetes.io/hostname"


def to_v1(slice_: Json) -> Json:
    return _with_endpoints(slice_, _to_v1_endpoint)


def to_v1beta1(slice_: Json) -> Json:
    return _with_endpoints(slice_, _to_v1beta1_endpoint)


def _with_endpoints(slice_: Json, convert: Callable[[Json], Json]) -> Json:
    if not slice_.get("endpoints"):
        return slice_
    return {**slice_, "endpoints": [convert(endpoint) for endpoint in slice_["endpoints"]]}


def _to_v1_endpoint(endpoint: Json) -> Json:
    rest = {key: value for key, value in endpoint.items() if key != "topology"}
    topology = dict(endpoint.get("topology") or {})
    if ZONE in topology:
        rest["zone"] = topology.pop(ZONE)
    if HOSTNAME in topology and topology[HOSTNAME] == endpoint.get("nodeName"):
        del topology[HOSTNAME]  # another name than the node's is kept: v1beta1 could say both
    if topology:
        rest["deprecatedTopology"] = topology
    return rest


def _to_v1beta1_endpoint(endpoint: Json) -> Json:
    rest = {key: value for key, value in endpoint.items() if key not in ("deprecatedTopology", "zone")}
    topology = dict(endpoint.get("deprecatedTopology") or {})
    if "zone" in endpoint:
        topology[ZONE] = endpoint["zone"]
    if "nodeName" in endpoint:
        topology[HOSTNAME] = topology.get(HOSTNAME) or endpoint["nodeName"]
    if topology:
        rest["topology"] = topology
    return rest


def v1beta1_field(path: str) -> str:
    return path.replace(".deprecatedTopology", ".topology")


ENDPOINT_SLICE = Conversion(to_v1, to_v1beta1, v1beta1_field)
