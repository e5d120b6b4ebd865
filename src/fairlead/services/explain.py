"""Why a Service works or does not: what its objects say, step by step, and where a packet goes by the model. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fairlead.api.types.core import Container, Pod
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.service import Service
from fairlead.api.types.service import ServicePort as ApiPort
from fairlead.services.decide import Decision, Network, Packet, decide
from fairlead.services.model import ServicePort, family_of, host_port, service_ports

Kind = Literal["ok", "problem", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """Who asks: `pod/web`, `node/node1` or `outside`; from which address of each family, and at which node its packets
    are decided."""

    name: str
    addresses: tuple[str, ...]
    node: str

    @property
    def address(self) -> str:
        return self.addresses[0]


@dataclass(frozen=True, slots=True)
class Way:
    """One address and port of the Service, as the source may dial it, and what must happen there."""

    what: str  # ClusterIP, NodePort, external address
    packet: Packet
    decision: Decision
    text: str


@dataclass(slots=True)
class Explanation:
    findings: list[Finding] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)

    @property
    def works(self) -> bool:
        return not any(each.kind == "problem" for each in self.findings)


def examine(service: Service, slices: Sequence[EndpointSlice], pods: Sequence[Pod]) -> list[Finding]:
    """`pods`: all of the Service's namespace. In the order in which one would look."""
    spec = service.spec
    if spec.type == "ExternalName":
        return [
            Finding("note", f"ExternalName: DNS answers with a CNAME to {spec.external_name}; no proxy is involved")
        ]
    findings: list[Finding] = []
    if service.is_headless:
        findings.append(
            Finding("note", "headless: DNS answers with the endpoints' own addresses; no proxy is involved")
        )
    if not spec.selector:
        count = sum(len(each.endpoints) for each in slices)
        if count:
            findings.append(Finding("note", f"no selector: its {_plural(count, 'endpoint')} were made by hand"))
        else:
            findings.append(Finding("problem", "no selector, and no EndpointSlice was made for it by hand"))
        return findings
    findings += _selected(service, pods)
    return findings


def ways(
    service: Service, slices: Sequence[EndpointSlice], source: Source, network: Network, *, port: int | None = None
) -> list[Way]:
    """Each address of the Service, as it is from the source. `port`: only this one of its ports."""
    found = []
    own = {family_of(address): address for address in source.addresses}
    of_both = [each for family in own for each in service_ports(service, slices, family=family)]
    for each in of_both:
        if port is not None and port not in (each.port, each.node_port):
            continue
        for what, address, number in _addresses(each, source, network):
            packet = Packet(own[each.family], address, each.id.protocol, number)
            decision = decide(packet, (each,), network)
            found.append(Way(what, packet, decision, _told(each, decision, network)))
    return found


def _addresses(port: ServicePort, source: Source, network: Network) -> Iterable[tuple[str, str, int]]:
    if source.name != "outside":
        yield "ClusterIP", port.cluster_ip, port.port
    yield from (("external address", address, port.port) for address in port.external)
    for address in network.node_addresses:
        if port.node_port is not None and family_of(address) == port.family:
            yield "NodePort", address, port.node_port
            return


def _told(port: ServicePort, decision: Decision, network: Network) -> str:
    match decision.verdict:
        case "deliver":
            text = "one of " if len(decision.to) > 1 else ""
            text += ", ".join(host_port(address, number) for address, number in sorted(decision.to))
            if decision.masquerade == decision.to:
                text += f"; they see the address of {network.node}"
            elif decision.masquerade:
                text += "; a pod that reaches itself sees its node's address"
            if decision.sticky is not None:
                text += f"; a client stays with its endpoint for {decision.sticky} s"
            return text
        case "reject":
            return "refused: it has no endpoint that is ready"
        case "drop":
            policy = "internalTrafficPolicy" if port.internal_policy == "Local" else "externalTrafficPolicy"
            elsewhere = ", ".join(sorted({each.node or "another node" for each in port.everywhere}))
            return f"dropped: {policy} is Local, and {network.node} has no endpoint; {elsewhere} has"
        case _:
            return "no business of this Service"


def _selected(service: Service, pods: Sequence[Pod]) -> Iterable[Finding]:
    spec = service.spec
    wanted = ",".join(f"{key}={value}" for key, value in sorted(spec.selector.items()))
    selected = [pod for pod in pods if spec.selector.items() <= pod.metadata.labels.items()]
    if not selected:
        yield Finding(
            "problem",
            f"the selector {wanted} matches no pod in {service.metadata.namespace}{_nearest(spec.selector, pods)}",
        )
        return
    living = [pod for pod in selected if pod.status.phase not in ("Succeeded", "Failed")]
    ready = [pod for pod in living if _is_ready(pod) and not pod.metadata.deletion_timestamp]
    kind: Kind = "ok" if ready or spec.publish_not_ready_addresses else "problem"
    yield Finding(kind, f"the selector {wanted} matches {_plural(len(selected), 'pod')}, {len(ready)} of them ready")
    for pod in selected:
        if pod not in ready:
            yield Finding("note" if ready else "problem", f"pod {pod.metadata.name} is not ready: {_why(pod)}")
    for port in spec.ports:
        yield from _target(port, ready or living)


def _target(port: ApiPort, pods: Sequence[Pod]) -> Iterable[Finding]:
    """A targetPort by name must be in the pods; one by number need not, and often should."""
    target = port.target_port if port.target_port not in (None, 0, "") else port.port
    for pod in pods:
        declared = [(c, p) for c in pod.spec.containers for p in c.ports]
        if isinstance(target, str):
            if not any(p.name == target and p.protocol == port.protocol for _, p in declared):
                names = ", ".join(sorted({p.name for _, p in declared if p.name})) or "none"
                what = f"targetPort {target!r} is no {port.protocol} port of pod {pod.metadata.name}"
                yield Finding("problem", f"{what} (named there: {names})")
        else:
            others = [p.protocol for _, p in declared if p.container_port == target]
            if others and port.protocol not in others:
                text = (
                    f"port {port.port} is {port.protocol}, and pod {pod.metadata.name} declares {target} as {others[0]}"
                )
                yield Finding("problem", text)


def _nearest(selector: dict[str, str], pods: Sequence[Pod]) -> str:
    """The pod that lacks least, and what it lacks."""
    best: tuple[int, str] = (0, "")
    for pod in pods:
        labels = pod.metadata.labels
        same = sum(labels.get(key) == value for key, value in selector.items())
        keys = sum(key in labels for key in selector)
        if (score := same * 2 + keys) > best[0]:
            differs = "; ".join(
                f"{key} is {labels[key]!r} there, not {value!r}" if key in labels else f"it has no label {key}"
                for key, value in sorted(selector.items())
                if labels.get(key) != value
            )
            best = (score, f"; nearest is {pod.metadata.name}: {differs}")
    return best[1]


def _why(pod: Pod) -> str:
    if pod.metadata.deletion_timestamp:
        return "it is being deleted"
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if status.state.waiting is not None and status.state.waiting.reason:
            detail = f": {status.state.waiting.message}" if status.state.waiting.message else ""
            return f"container {status.name} waits: {status.state.waiting.reason}{detail}"
        if status.state.terminated is not None and not status.ready and status in pod.status.container_statuses:
            return f"container {status.name} ended with exit code {status.state.terminated.exit_code}"
    if not pod.spec.node_name:
        scheduled = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
        return f"no node: {scheduled.message}" if scheduled is not None and scheduled.message else "no node yet"
    for container in pod.spec.containers:
        if any(each.name == container.name and not each.ready for each in pod.status.container_statuses):
            return f"container {container.name} runs, and its readiness probe{_probe(container)} does not succeed"
    return f"phase {pod.status.phase or 'unknown'}"


def _probe(container: Container) -> str:
    probe = container.readiness_probe
    if probe is None:
        return ""
    if probe.http_get is not None:
        return f" (GET {probe.http_get.path or '/'} on port {probe.http_get.port})"
    if probe.tcp_socket is not None:
        return f" (TCP port {probe.tcp_socket.port})"
    return ""


def _is_ready(pod: Pod) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions)


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
