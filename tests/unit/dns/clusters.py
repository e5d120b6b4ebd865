"""Clusters to ask about, in the API's own objects."""

from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import msgspec

from fairlead.dns.answers import Answers
from fairlead.dns.config.settings import Kubernetes
from fairlead.dns.entries import ServiceEntry, SliceEntry, WatchedService, WatchedSlice
from fairlead.dns.wire import Record, Reply
from fairlead.dns.zone import Zone

DOMAIN = "cluster.local"
ZONES = (DOMAIN, "in-addr.arpa", "ip6.arpa")
INSECURE = Kubernetes(ZONES, ttl=30, pods="insecure")
HTTP = [{"name": "http", "port": 80, "protocol": "TCP"}]


def service(name: str, *addresses: str, namespace: str = "dev", **spec: Any) -> ServiceEntry:
    """Without addresses: headless, unless its type says otherwise."""
    if "type" not in spec:
        spec |= {"clusterIP": addresses[0] if addresses else "None", "clusterIPs": list(addresses) or ["None"]}
    body = {"metadata": {"name": name, "namespace": namespace}, "spec": {"ports": HTTP} | spec}
    return ServiceEntry.from_api(msgspec.convert(body, WatchedService))


def external(name: str, target: str, namespace: str = "dev") -> ServiceEntry:
    return service(name, namespace=namespace, type="ExternalName", externalName=target, ports=[])


def endpoint(*addresses: str, hostname: str | None = None, ready: bool | None = True, pod: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"addresses": list(addresses), "conditions": {"ready": ready}}
    if hostname:
        found["hostname"] = hostname
    if pod:
        found["targetRef"] = {"kind": "Pod", "name": pod}
    return found


def slice_of(
    owner: str, *endpoints: dict[str, Any], namespace: str = "dev", family: str = "IPv4", ports: Any = None
) -> SliceEntry | None:
    body = {
        "metadata": {"name": "x", "namespace": namespace, "labels": {"kubernetes.io/service-name": owner}},
        "addressType": family,
        "endpoints": list(endpoints),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}] if ports is None else ports,
    }
    return SliceEntry.from_api(msgspec.convert(body, WatchedSlice))


def fill(zone: Zone) -> Zone:
    """One of every kind of Service."""
    for namespace in ("dev", "other"):
        zone.put_namespace(namespace, exists=True)
    for entry in (
        service("web", "10.97.97.97", "fd00::97"),
        service("db"),
        service("six"),
        service("empty"),
        service("early", publishNotReadyAddresses=True),
        service("many", "10.97.0.1", ports=[*HTTP, {"name": "dns", "port": 53, "protocol": "UDP"}]),
        service("nameless", "10.97.0.2", ports=[{"port": 80}]),
        service("web", "10.98.98.98", namespace="other"),
        external("baidu", "www.baidu.com"),
        external("upper", "WWW.Baidu.COM."),
        external("byip", "192.0.2.7"),
        external("alias", "web.dev.svc.cluster.local"),
        external("loop", "loop.dev.svc.cluster.local"),
        external("dangling", "gone.dev.svc.cluster.local"),
    ):
        zone.put_service(entry.key, entry)
    slices = {
        "db-x": slice_of("db", endpoint("10.244.1.4", hostname="db-0", pod="db-0"), endpoint("10.244.2.6", pod="p")),
        "six-x": slice_of("six", endpoint("fd00:244::5"), endpoint("fd00:244::"), family="IPv6"),
        "empty-x": slice_of("empty", endpoint("10.244.1.9", ready=False)),
        "early-x": slice_of("early", endpoint("10.244.1.8", ready=False)),
        "web-x": slice_of("web", endpoint("10.244.1.5"), endpoint("10.244.1.6", ready=None)),
    }
    for name, slice_ in slices.items():
        zone.put_slice(("dev", name), slice_)
    return zone


def answers(zone: Zone, settings: Kubernetes = INSECURE) -> Answers:
    return Answers(zone, settings, (bytes((10, 96, 0, 10)),))


def ask(zone: Zone, name: str, qtype: int, settings: Kubernetes = INSECURE) -> Reply:
    answered = answers(zone, settings).answer(name, qtype)
    assert answered is not None
    return answered.reply


def text(record: Record) -> str:
    """As dnspython reads it, the cluster's domain left out."""
    rdtype = dns.rdatatype.RdataType(record.type)
    rdata = dns.rdata.from_wire(dns.rdataclass.IN, rdtype, record.data, 0, len(record.data))
    return f"{record.name} {record.ttl} {rdtype.name} {rdata}".replace(".cluster.local", "")
