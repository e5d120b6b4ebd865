"""How a pod's containers find names: hostname, /etc/hosts and /etc/resolv.conf. Pure.

Source: kubelet `kubelet_pods.go` (hosts file), `network/dns/dns.go` (policies), the page "DNS for Services and Pods".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fairlead.api.types.core import HostAlias, Pod, PodDNSConfig

MAX_HOSTNAME: Final = 63
MAX_NODENAME: Final = 64  # uname(2): what the kernel keeps
MAX_NAMESERVERS: Final = 3
MAX_SEARCHES: Final = 32
_HEADER: Final = "# Kubernetes-managed hosts file.\n"
_HEADER_HOST: Final = "# Kubernetes-managed hosts file (host network).\n"
_LOCAL: Final = """\
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::	ip6-localnet
fe00::	ip6-mcastprefix
fe00::1	ip6-allnodes
fe00::2	ip6-allrouters
"""


@dataclass(frozen=True, slots=True)
class Resolver:
    """The content of a resolv.conf."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def hostname(pod: Pod) -> str:
    """The pod's own name, cut to what a host name may be, unless the spec gives one."""
    return pod.spec.hostname or pod.metadata.name[:MAX_HOSTNAME].rstrip("-.")


def kernel_hostname(pod: Pod, node: str, cluster_domain: str) -> str:
    """What `hostname` prints in the pod, and $HOSTNAME is: with setHostnameAsFQDN the whole name, where there is one
    that the kernel can keep. Raises ValueError."""
    if pod.spec.host_network:
        return node
    name, zone = hostname(pod), domain(pod, cluster_domain)
    if not (zone and pod.spec.set_hostname_as_fqdn):
        return name
    whole = f"{name}.{zone}"
    if len(whole) > MAX_NODENAME:
        raise ValueError(
            f"Failed to construct FQDN from pod hostname and cluster domain, FQDN {whole} is too long"
            f" ({MAX_NODENAME} characters is the max, {len(whole)} characters requested)"
        )
    return whole


def domain(pod: Pod, cluster_domain: str) -> str:
    """The domain of a pod with a subdomain; empty without."""
    if not pod.spec.subdomain:
        return ""
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}"


def hosts_file(pod: Pod, ips: Iterable[str], cluster_domain: str, node_hosts: str) -> str:
    """/etc/hosts. `node_hosts`: the node's own file, which hostNetwork pods see."""
    if pod.spec.host_network:
        return _HEADER_HOST + node_hosts + _aliases(pod.spec.host_aliases)
    name, zone = hostname(pod), domain(pod, cluster_domain)
    names = f"{name}.{zone}\t{name}" if zone else name
    own = "".join(f"{ip}\t{names}\n" for ip in ips)
    return _HEADER + _LOCAL + own + _aliases(pod.spec.host_aliases)


def _aliases(aliases: Iterable[HostAlias]) -> str:
    lines = "".join(f"{alias.ip}\t" + "\t".join(alias.hostnames) + "\n" for alias in aliases)
    return "\n# Entries added by HostAliases.\n" + lines if lines else ""


def parse_resolver(text: str) -> Resolver:
    """resolv.conf(5): the last `search` counts; comments and unknown words are skipped."""
    nameservers: list[str] = []
    searches: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word == "nameserver" and rest:
            nameservers.append(rest[0])
        elif word in ("search", "domain"):
            searches = tuple(rest)
        elif word == "options":
            options += rest
    return Resolver(tuple(nameservers), searches, tuple(options))


def resolver(pod: Pod, cluster_dns: tuple[str, ...], cluster_domain: str, node: Resolver) -> Resolver:
    """What the pod's dnsPolicy and dnsConfig make of the cluster's and the node's resolver."""
    policy = pod.spec.dns_policy
    cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pod.spec.host_network)
    if policy == "None":
        base = Resolver()
    elif cluster and cluster_dns:
        own = (f"{pod.metadata.namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain)
        base = Resolver(cluster_dns, tuple(dict.fromkeys((*own, *node.searches))), ("ndots:5",))
    else:
        base = node
    if pod.spec.dns_config is not None:
        base = _configured(base, pod.spec.dns_config)
    return Resolver(base.nameservers[:MAX_NAMESERVERS], base.searches[:MAX_SEARCHES], base.options)


def _configured(base: Resolver, config: PodDNSConfig) -> Resolver:
    """dnsConfig adds servers and domains, and replaces options of the same name."""
    options = {option.partition(":")[0]: option for option in base.options}
    for option in config.options:
        options[option.name] = option.name if option.value is None else f"{option.name}:{option.value}"
    return Resolver(
        tuple(dict.fromkeys((*base.nameservers, *config.nameservers))),
        tuple(dict.fromkeys((*base.searches, *config.searches))),
        tuple(options.values()),
    )


def resolv_conf(resolver: Resolver) -> str:
    lines = [f"nameserver {server}" for server in resolver.nameservers]
    if resolver.searches:
        lines.append("search " + " ".join(resolver.searches))
    if resolver.options:
        lines.append("options " + " ".join(resolver.options))
    return "\n".join(lines) + "\n"
