"""What the DNS part is told on its command line. Pure."""

from dataclasses import dataclass

from fairlead.dns import defaults


@dataclass(frozen=True, slots=True)
class Options:
    """`listen`: addresses to answer on. `service_addresses`: of the Service, which are answered on this node itself,
    beside those. `workers`: processes that answer; 0: the one that watches the API does. `corefile`: a file, instead
    of the ConfigMap (NAMESPACE/NAME). `domain`, `ttl` and `forward` (names of others go to the name servers of
    /etc/resolv.conf) are for where there is neither.

    `kubeconfig` None: the service account of the pod that this process is.
    """

    kubeconfig: str | None = None
    listen: tuple[str, ...] = ("0.0.0.0",)
    port: int = 53
    service_addresses: tuple[str, ...] = ()
    workers: int = 1
    corefile: str = ""
    config_map: str = defaults.CONFIG_MAP
    domain: str = "cluster.local"
    ttl: int = 30
    forward: bool = False
    node_name: str = ""
