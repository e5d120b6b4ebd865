"""The Corefile where there is none, and where it is looked for. Pure."""

CONFIG_MAP = "kube-system/coredns"
KEY = "Corefile"


def corefile(domain: str, ttl: int, forward: str = "") -> str:
    """As kubeadm's. `forward`: a line of the plugin, where there is a way out."""
    line = f"\n    {forward}" if forward else ""
    return f"""\
.:53 {{
    errors
    health
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl {ttl}
    }}
    prometheus :9153{line}
    cache 30
    loop
    reload
    loadbalance
}}
"""
