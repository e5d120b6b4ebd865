"""What a node's agent is told when it starts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Paths of files are PEM. `run_dir` is for what a reboot may forget, `state_dir` for what containers write."""

    kubeconfig: str
    node_name: str
    node_ip: str
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
    pod_cidr: str | None = None  # None: the control plane gives one
    port: int = 10250
    image_aliases: bool = True
