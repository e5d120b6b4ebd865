"""The specification once more, written down plainly: every record that a cluster has, by going through all of it.

No index, no tags, no order; what the real answerer says must be the same.
"""

from ipaddress import ip_address
from typing import Any

from fairlead.dns.wire import Rcode

Json = dict[str, Any]
ZONE = "cluster.local"
Records = dict[str, set[tuple[str, str]]]  # name → (type, data)


def records(namespaces: set[str], services: list[Json], slices: list[Json]) -> Records:
    found: Records = {ZONE: set(), f"svc.{ZONE}": set(), f"pod.{ZONE}": set()}
    for namespace in namespaces:
        found[f"{namespace}.svc.{ZONE}"] = set()
        found[f"{namespace}.pod.{ZONE}"] = set()
    for service in services:
        if service["namespace"] in namespaces:
            _add_service(found, service, [each for each in slices if each["owner"] == _key(service)], services)
    return found


def _key(service: Json) -> tuple[str, str]:
    return service["namespace"], service["name"]


def _add_service(found: Records, service: Json, slices: list[Json], services: list[Json]) -> None:
    name = f"{service['name']}.{service['namespace']}.svc.{ZONE}"
    endpoints = [
        (each["address"], each["hostname"] or _dashed(each["address"]), slice_["ports"])
        for slice_ in slices
        for each in slice_["endpoints"]
        if each["ready"] or service["publish"]
    ]
    addresses = service["addresses"] or [address for address, _, _ in endpoints]
    if addresses:
        found[name] = {(_type(each), each) for each in addresses}
    ports = service["ports"]
    if service["addresses"]:
        targets = [(port, protocol, number, name) for port, protocol, number in ports]
    else:
        targets = [
            (port, protocol, number, f"{host}.{name}")
            for _, host, ports in endpoints
            for port, protocol, number in ports
        ]
    for port, protocol, number, target in targets:
        found.setdefault(f"_{port}._{protocol}.{name}", set()).add(("SRV", f"{number} {target}."))
        found[name].add(("SRV", f"{number} {target}."))
        found.setdefault(f"_{protocol}.{name}", set())
    for address, host, ports in endpoints:
        own = found.setdefault(f"{host}.{name}", set())
        own.add((_type(address), address))
        own |= {("SRV", f"{number} {host}.{name}.") for _, _, number in ports}
    taken = {each for other in services for each in other["addresses"]}
    for address in service["addresses"]:
        found.setdefault(ip_address(address).reverse_pointer, set()).add(("PTR", f"{name}."))
    for address, host, _ in endpoints:
        if address not in taken:
            found.setdefault(ip_address(address).reverse_pointer, set()).add(("PTR", f"{host}.{name}."))


def answer(known: Records, name: str, qtype: str) -> tuple[Rcode, set[str]]:
    if name not in known:
        return Rcode.NXDOMAIN, set()
    return Rcode.NOERROR, {data for kind, data in known[name] if kind == qtype}


def _type(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _dashed(address: str) -> str:
    return address.replace(".", "-").replace(":", "-")
