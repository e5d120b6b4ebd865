"""The processes of a cluster beside its pods: which command each one is, and in which network it runs. Pure."""

from dataclasses import asdict, dataclass

from fairlead.cluster.layout import (
    API_PORT,
    DOMAIN,
    IMAGES,
    WILDCARDS,
    AddressPlan,
    Layout,
    NodePlan,
)

CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True, slots=True)
class PartSpec:
    """`argv` is of `fairlead`; `network` the path of a namespace; `log` where it writes."""

    name: str
    argv: tuple[str, ...]
    network: str
    log: str

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def parts_of(layout: Layout, plan: AddressPlan, *, image_aliases: bool) -> list[PartSpec]:
    master = str(layout.namespace(plan.control_plane.name))
    pki = layout.pki

    def part(name: str, *argv: str, network: str = master) -> PartSpec:
        return PartSpec(name, argv, network, str(layout.run / "logs" / f"{name}.log"))

    found = [
        part(
            "apiserver",
            "apiserver",
            f"--listen={','.join(WILDCARDS[family] for family in plan.families)}",
            f"--port={API_PORT}",
            f"--advertise-address={plan.control_plane.address}",
            f"--store=sqlite:{layout.state / 'state.db'}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--service-account-key-file={pki / 'sa.key'}",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
            f"--service-cluster-ip-range={','.join(plan.service_cidrs)}",
            f"--service-address={plan.service_address}",
        ),
        part(
            "controllers",
            "controllers",
            f"--kubeconfig={pki / 'controllers.conf'}",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--cluster-cidr={','.join(plan.pod_cidrs)}",
        ),
        part("scheduler", "scheduler", f"--kubeconfig={pki / 'scheduler.conf'}"),
        part(
            "loadbalancer",
            "loadbalancer",
            f"--kubeconfig={pki / 'loadbalancer.conf'}",
            network=str(layout.namespace("loadbalancer")),
        ),
    ]
    alone = len(plan.nodes) == 1  # then its pods have nowhere else to go
    return found + [
        _agent(layout, plan, node, tainted=node.control_plane and not alone, image_aliases=image_aliases)
        for node in plan.nodes
    ]


def _agent(layout: Layout, plan: AddressPlan, node: NodePlan, *, tainted: bool, image_aliases: bool) -> PartSpec:
    pki, network = layout.pki, str(layout.namespace(node.name))
    argv = [
        "agent",
        f"--kubeconfig={pki / f'kubelet-{node.name}.conf'}",
        f"--node-name={node.name}",
        f"--node-ip={','.join(node.addresses)}",
        f"--pod-cidr={','.join(node.pod_cidrs)}",
        f"--run-dir={layout.node_run(node.name)}",
        f"--root-dir={layout.node_state(node.name)}",
        f"--images={IMAGES}",
        f"--zygote={layout.zygote}",
        f"--exits={layout.exits}",
        f"--network={network}",
        f"--tls-cert-file={pki / f'kubelet-{node.name}.crt'}",
        f"--tls-private-key-file={pki / f'kubelet-{node.name}.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--cluster-dns={plan.dns_address}",
        f"--cluster-domain={DOMAIN}",
    ]
    if node.control_plane:
        argv.append("--node-labels=node-role.kubernetes.io/control-plane=,node-role.kubernetes.io/master=")
    if not image_aliases:
        argv.append("--no-image-aliases")
    if tainted:
        argv.append(f"--register-with-taints={CONTROL_PLANE_TAINT}=:NoSchedule")
    return PartSpec(f"agent-{node.name}", tuple(argv), network, str(layout.run / "logs" / f"agent-{node.name}.log"))
