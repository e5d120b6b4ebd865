"""Services."""

from typing import Any

from fairlead.apiserver.tables.column import AGE, NAME, NONE, Column, pairs, wide

Json = dict[str, Any]


def _external(service: Json, _: float) -> str:
    spec = service["spec"]
    external = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case "LoadBalancer":
            ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
            found = [str(each.get("ip") or each.get("hostname", "")) for each in ingress]
            return ",".join([*found, *external]) or "<pending>"
    return ",".join(external) or NONE


def _ports(service: Json, _: float) -> str:
    ports = [
        f"{port['port']}:{port['nodePort']}/{port['protocol']}"
        if port.get("nodePort")
        else f"{port['port']}/{port['protocol']}"
        for port in service["spec"].get("ports") or ()
    ]
    return ",".join(ports) or NONE


COLUMNS = (
    NAME,
    Column("Type", lambda service, _: service["spec"].get("type", "")),
    Column("Cluster-IP", lambda service, _: service["spec"].get("clusterIP") or NONE),
    Column("External-IP", _external),
    Column("Port(s)", _ports),
    AGE,
    wide("Selector", lambda service, _: pairs(service["spec"].get("selector"))),
)
