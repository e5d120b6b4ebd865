"""`fairlead explain`: the objects from the API, the rules from the node's kernel, whether endpoints listen."""

import socket
import subprocess
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from fairlead.api.status import ApiError
from fairlead.api.types.core import Pod
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.service import Service
from fairlead.client.config import load_kubeconfig
from fairlead.client.rest import Client
from fairlead.cluster.cgroups import folder_of
from fairlead.cluster.enter import in_network
from fairlead.cluster.layout import AddressPlan, Layout
from fairlead.proxy.looking import look
from fairlead.services.decide import Network, Packet
from fairlead.services.explain import Explanation, Finding, Source, Way, examine, ways
from fairlead.services.model import FAMILIES, host_port, service_ports, usable

Json = dict[str, Any]
CONNECT_SECONDS = 1.0


class ExplainError(Exception):
    """What was asked about is not there."""


@dataclass(slots=True)
class Report:
    service: str
    source: Source
    mode: str | None
    explanation: Explanation
    rules: dict[Packet, list[str]] = field(default_factory=dict)

    @property
    def works(self) -> bool:
        return self.explanation.works

    def to_json(self) -> Json:
        return {
            "service": self.service,
            "works": self.works,
            "from": {"name": self.source.name, "address": self.source.address, "node": self.source.node},
            "proxyMode": self.mode,
            "findings": [{"kind": each.kind, "text": each.text} for each in self.explanation.findings],
            "ways": [
                {
                    "what": way.what,
                    "address": way.packet.destination,
                    "port": way.packet.port,
                    "protocol": way.packet.protocol,
                    "verdict": way.decision.verdict,
                    "endpoints": [host_port(address, port) for address, port in sorted(way.decision.to)],
                    "masquerade": bool(way.decision.masquerade),
                    "text": way.text,
                    "rules": self.rules.get(way.packet, []),
                }
                for way in self.explanation.ways
            ],
        }

    def lines(self) -> list[str]:
        marks = {"ok": "ok      ", "problem": "PROBLEM ", "note": "note    "}
        said = [self.service, *(f"  {marks[each.kind]}{each.text}" for each in self.explanation.findings)]
        if self.explanation.ways:
            said.append(
                f"from {self.source.name} ({self.source.address}), on {self.source.node} in the mode {self.mode}"
            )
        for way in self.explanation.ways:
            where = host_port(way.packet.destination, way.packet.port)
            said.append(f"  {way.what} {where}/{way.packet.protocol}")
            said += [f"    rule: {rule}" for rule in self.rules.get(way.packet, [])]
            said.append(f"    → {way.text}")
        return said


async def explain(
    layout: Layout, plan: AddressPlan, name: str, namespace: str, asked_from: str, port: int | None
) -> Report:
    """Raises ExplainError, ApiError."""
    client = Client(load_kubeconfig(str(layout.kubeconfig)))
    try:
        service = await client.get("services", name, namespace, type=Service)
        selector = f"kubernetes.io/service-name={name}"
        slices = (
            await client.list(
                "endpointslices.discovery.k8s.io", type=EndpointSlice, namespace=namespace, label_selector=selector
            )
        ).items
        pods = (await client.list("pods", type=Pod, namespace=namespace)).items
        source = await _source(client, plan, asked_from, namespace)
    finally:
        await client.close()
    addresses = next(node.addresses for node in plan.nodes if node.name == source.node)
    mode = _mode(layout, source.node)
    network = Network(source.node, addresses, plan.pod_cidrs, dials=mode == "ebpf")
    report = Report(f"service {namespace}/{name}", source, mode, Explanation())
    found = report.explanation
    found.findings += examine(service, slices, pods)
    found.findings += _listening(layout, plan, service, slices)
    found.ways += ways(service, slices, source, network, port=port)
    if port is not None and service.spec.ports and not found.ways:
        ports = ", ".join(str(each.port) for each in service.spec.ports)
        found.findings.append(Finding("problem", f"it has no port {port}: its ports are {ports}"))
    if source.name == "outside" and not found.ways and service.spec.cluster_ip not in ("", "None"):
        text = f"type {service.spec.type}: its ClusterIP is not reached from outside the cluster; a NodePort would be"
        found.findings.append(Finding("problem", text))
    for way in found.ways:
        _check_rules(layout, report, way)
    return report


async def _source(client: Client, plan: AddressPlan, text: str, namespace: str) -> Source:
    kind, _, name = text.partition("/")
    nodes = {node.name: node for node in plan.nodes}
    if kind in ("node", "nodes", "no"):
        if name not in nodes:
            raise ExplainError(f"--from {text}: the cluster has no node {name!r}: {', '.join(nodes)}")
        return Source(f"node/{name}", nodes[name].addresses, name)
    if kind in ("pod", "pods", "po"):
        *elsewhere, name = name.split("/")
        try:
            pod = await client.get("pods", name, elsewhere[0] if elsewhere else namespace, type=Pod)
        except ApiError as error:
            raise ExplainError(f"--from {text}: {error}") from error
        addresses = tuple(each.ip for each in pod.status.pod_ips) or (pod.status.pod_ip,)
        if not addresses[0]:
            raise ExplainError(f"--from {text}: the pod has no address yet")
        return Source(text, addresses, pod.spec.node_name)
    if text == "outside":
        return Source("outside", plan.hosts, plan.nodes[-1].name)
    raise ExplainError(f"--from {text}: pod/NAME, node/NAME or outside")


def _mode(layout: Layout, node: str) -> str | None:
    def ask() -> str:
        with urllib.request.urlopen("http://127.0.0.1:10249/proxyMode", timeout=1) as answer:
            return str(answer.read().decode())

    try:
        return in_network(layout, node, ask)
    except OSError:
        return None


def _check_rules(layout: Layout, report: Report, way: Way) -> None:
    """What the kernel holds must be there, and say so where it is not."""
    node, findings = report.source.node, report.explanation.findings
    if report.mode is None:
        text = f"kube-proxy on {node} does not answer: kubectl get pods -n kube-system -l k8s-app=kube-proxy -o wide"
        if not any(each.text == text for each in findings):
            findings.append(Finding("problem", text))
        return

    def run(argv: list[str]) -> str | None:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        return done.stdout if done.returncode == 0 else None

    mode = report.mode
    rules = in_network(layout, node, lambda: look(mode, way.packet, run, folder_of(layout, node)))
    report.rules[way.packet] = rules
    if not rules:
        where = f"{host_port(way.packet.destination, way.packet.port)}/{way.packet.protocol}"
        findings.append(Finding("problem", f"the kernel of {node} has no rule for {where}: kube-proxy has not made it"))
    if way.decision.verdict in ("reject", "drop"):
        findings.append(Finding("problem", f"{host_port(way.packet.destination, way.packet.port)}: {way.text}"))


def _listening(layout: Layout, plan: AddressPlan, service: Service, slices: list[EndpointSlice]) -> list[Finding]:
    """Whether somebody takes connections at each endpoint, asked from the first node."""
    findings = []
    asked: set[tuple[str, int]] = set()
    for port in (each for family in FAMILIES for each in service_ports(service, slices, family=family)):
        if port.id.protocol != "TCP":
            continue
        for each in usable(port.endpoints):
            if (each.address, each.port) in asked:
                continue
            asked.add((each.address, each.port))
            error = in_network(layout, plan.nodes[0].name, lambda at=(each.address, each.port): _connect(at))  # type: ignore[misc]
            if error:
                text = f"nothing listens at {host_port(each.address, each.port)} ({error}): is targetPort right?"
                findings.append(Finding("problem", text))
    if asked and not findings:
        listed = ", ".join(host_port(address, number) for address, number in sorted(asked))
        findings.append(Finding("ok", f"connections are taken at {listed}"))
    return findings


def _connect(address: tuple[str, int]) -> str:
    try:
        socket.create_connection(address, timeout=CONNECT_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
