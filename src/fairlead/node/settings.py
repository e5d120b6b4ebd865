"""What a node's agent is told when it starts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Paths of files are PEM. `run_dir` is for what a reboot may forget, `state_dir` for what containers write."""

    kubeconfig: str
    node_name: str
    node_ips: tuple[str, ...]  # one of each family; the first is the primary one
    run_dir: str
    state_dir: str
    images: str
    zygote: str
    exits: str
    network: str  # path of the node's network namespace
    certificate: str
    key: str
    client_ca: str
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[tuple[str, str, str], ...] = ()  # key, value, effect
    cluster_dns: str = "10.96.0.10"
    cluster_domain: str = "cluster.local"
    pod_cidrs: tuple[str, ...] = ()  # none: the control plane gives some
    port: int = 10250
    image_aliases: bool = True

    @property
    def node_ip(self) -> str:
        return self.node_ips[0]

    @property
    def ipv6(self) -> bool:
        return any(":" in each for each in self.node_ips)
