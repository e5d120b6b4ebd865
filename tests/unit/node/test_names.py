"""How containers find names."""

import pytest

from fairlead.node import names
from fairlead.node.names import Resolver
from tests.unit.node.pods import pod

NODE = Resolver(("192.168.109.1",), ("lan",), ("edns0",))
CLUSTER = ("10.96.0.10",)


def test_a_pod_asks_the_cluster_first_in_the_words_of_the_tutorial() -> None:
    text = names.resolv_conf(names.resolver(pod(), CLUSTER, "cluster.local", Resolver()))
    assert text == (
        "nameserver 10.96.0.10\nsearch dev.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"dnsPolicy": "Default"}, NODE),
        ({"hostNetwork": True}, NODE),
        ({"dnsPolicy": "None"}, Resolver()),
        (
            {"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True},
            Resolver(CLUSTER, ("dev.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan"), ("ndots:5",)),
        ),
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {
                    "nameservers": ["1.1.1.1"],
                    "searches": ["example.com"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "debug"}],
                },
            },
            Resolver(("1.1.1.1",), ("example.com",), ("ndots:2", "debug")),
        ),
    ],
    ids=["Default", "host network", "None", "ClusterFirstWithHostNet", "dnsConfig"],
)
def test_the_dns_policy_chooses_the_resolver(spec: dict[str, object], expected: Resolver) -> None:
    assert names.resolver(pod(**spec), CLUSTER, "cluster.local", NODE) == expected


def test_an_option_of_the_pod_replaces_the_clusters() -> None:
    spec = pod(dnsConfig={"options": [{"name": "ndots", "value": "1"}]})
    assert names.resolver(spec, CLUSTER, "cluster.local", Resolver()).options == ("ndots:1",)


def test_a_resolv_conf_is_read_as_the_man_page_says() -> None:
    text = "# comment\nnameserver 1.1.1.1\nsearch a b\nsearch c\noptions ndots:2 rotate\nnonsense\n"
    assert names.parse_resolver(text) == Resolver(("1.1.1.1",), ("c",), ("ndots:2", "rotate"))


def test_the_hosts_file_names_the_pod_its_domain_and_its_aliases() -> None:
    spec = pod(subdomain="db", hostname="a", hostAliases=[{"ip": "10.1.2.3", "hostnames": ["foo", "bar"]}])
    text = names.hosts_file(spec, ["10.244.1.2", "fd00:10:244:1::2"], "cluster.local", "")
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "\n10.244.1.2\ta.db.dev.svc.cluster.local\ta\nfd00:10:244:1::2\ta.db.dev.svc.cluster.local\ta\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n10.1.2.3\tfoo\tbar\n")


def test_a_pod_on_the_nodes_network_sees_the_nodes_hosts() -> None:
    text = names.hosts_file(pod(hostNetwork=True), [], "cluster.local", "1.2.3.4 node\n")
    assert text == "# Kubernetes-managed hosts file (host network).\n1.2.3.4 node\n"


def test_a_long_name_is_cut_to_what_a_host_name_may_be() -> None:
    spec = pod()
    spec.metadata.name = "a" * 62 + "-b"
    assert names.hostname(spec) == "a" * 62


def test_a_pod_is_called_as_it_says_and_one_on_the_nodes_network_as_the_node() -> None:
    def name(**spec: object) -> str:
        return names.kernel_hostname(pod(**spec), "node1", "cluster.local")

    assert name(hostname="a", subdomain="db") == "a"
    assert name(hostname="a", subdomain="db", setHostnameAsFQDN=True) == "a.db.dev.svc.cluster.local"
    assert name(hostname="a", setHostnameAsFQDN=True) == "a"
    assert name(hostNetwork=True, hostname="a", subdomain="db", setHostnameAsFQDN=True) == "node1"
    with pytest.raises(ValueError, match=r"is too long \(64 characters is the max, 75 characters requested\)"):
        name(hostname="a" * 50, subdomain="db", setHostnameAsFQDN=True)
