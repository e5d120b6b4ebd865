"""The iptables plan: kube-proxy's names, rules and order. The expectations are those of its own tests
(pkg/proxy/iptables/proxier_test.go, TestOverallIPTablesRules), for the same Services."""

from typing import Any

from fairlead.host.iptables import Change, as_text
from fairlead.proxy.mode import Node
from fairlead.proxy.modes.iptables.plan import Wanted, plan
from fairlead.proxy.modes.iptables.skeleton import FIXED, fixed_rules, hooks
from fairlead.services.model import Endpoint, ServicePort, ServicePortName

NODE = Node("node1", "10.0.0.0/8", "172.30.0.0/16", localhost_node_ports=True)


def planned(namespace: str, name: str, cluster_ip: str, node: Node = NODE, **more: Any) -> Wanted:
    large = more.pop("large", False)
    return plan(
        [ServicePort(ServicePortName(namespace, name, "p80", "TCP"), cluster_ip, 80, **more)], node, large=large
    )


def shared(wanted: Wanted) -> list[str]:
    return [f"{table} -A {chain} {rule}" for table, chain, rule in wanted.shared]


def test_a_cluster_ip() -> None:
    found = planned("ns1", "svc1", "172.30.0.41", endpoints=(Endpoint("10.180.0.1", 80),))
    address = '-m comment --comment "ns1/svc1:p80 cluster IP" -m tcp -p tcp -d 172.30.0.41 --dport 80'
    assert shared(found) == [f"nat -A KUBE-SERVICES {address} -j KUBE-SVC-XPGD46QRK7WJZT7O"]
    assert found.chains == {
        "KUBE-SEP-SXIVWICOYRO3J4NJ": (
            '-m comment --comment "ns1/svc1:p80" -s 10.180.0.1 -j KUBE-MARK-MASQ',
            '-m comment --comment "ns1/svc1:p80" -m tcp -p tcp -j DNAT --to-destination 10.180.0.1:80',
        ),
        "KUBE-SVC-XPGD46QRK7WJZT7O": (
            f"{address} ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ",
            '-m comment --comment "ns1/svc1:p80 -> 10.180.0.1:80" -j KUBE-SEP-SXIVWICOYRO3J4NJ',
        ),
    }


def test_with_masquerade_all_everybody_is_masqueraded() -> None:
    node = Node("node1", "10.0.0.0/8", masquerade_all=True, masquerade_bit=5)
    found = planned("ns1", "svc1", "172.30.0.41", node, endpoints=(Endpoint("10.180.0.1", 80),))
    first = found.chains["KUBE-SVC-XPGD46QRK7WJZT7O"][0]
    assert first.endswith("-d 172.30.0.41 --dport 80 -j KUBE-MARK-MASQ")
    assert fixed_rules(node)["nat"]["KUBE-MARK-MASQ"] == ["-j MARK --or-mark 0x20"]


def test_two_endpoints_have_their_shares() -> None:
    endpoints = (Endpoint("10.180.0.4", 80), Endpoint("10.180.0.5", 80))
    found = planned("ns4", "svc4", "172.30.0.44", endpoints=endpoints, external=("192.168.99.33",))
    assert found.chains["KUBE-SVC-4SW47YFZTEDKD3PK"][1:] == (
        (
            '-m comment --comment "ns4/svc4:p80 -> 10.180.0.4:80" -m statistic --mode random '
            "--probability 0.5000000000 -j KUBE-SEP-UKSFD7AGPMPPLUHC"
        ),
        '-m comment --comment "ns4/svc4:p80 -> 10.180.0.5:80" -j KUBE-SEP-C6EBXVWJJZMIWKLZ',
    )
    assert shared(found)[1] == (
        'nat -A KUBE-SERVICES -m comment --comment "ns4/svc4:p80 external IP" -m tcp -p tcp -d 192.168.99.33 '
        "--dport 80 -j KUBE-EXT-4SW47YFZTEDKD3PK"
    )
    assert found.chains["KUBE-EXT-4SW47YFZTEDKD3PK"] == (
        '-m comment --comment "masquerade traffic for ns4/svc4:p80 external destinations" -j KUBE-MARK-MASQ',
        "-j KUBE-SVC-4SW47YFZTEDKD3PK",
    )


def test_policy_local_without_local_endpoints() -> None:
    found = planned(
        "ns2",
        "svc2",
        "172.30.0.42",
        endpoints=(Endpoint("10.180.0.2", 80, node="elsewhere"),),
        external=("192.168.99.22", "1.2.3.4"),
        balancers=("1.2.3.4",),
        node_port=3001,
        external_policy="Local",
        health_check_port=30000,
    )
    none = '-m comment --comment "ns2/svc2:p80 has no local endpoints"'
    assert [line for line in shared(found) if line.startswith("filter")] == [
        f"filter -A KUBE-EXTERNAL-SERVICES {none} -m tcp -p tcp -d 192.168.99.22 --dport 80 -j DROP",
        f"filter -A KUBE-EXTERNAL-SERVICES {none} -m tcp -p tcp -d 1.2.3.4 --dport 80 -j DROP",
        f"filter -A KUBE-EXTERNAL-SERVICES {none} -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 3001 -j DROP",
        (
            'filter -A KUBE-NODEPORTS -m comment --comment "ns2/svc2:p80 health check node port" -m tcp -p tcp '
            "--dport 30000 -j ACCEPT"
        ),
    ]
    assert found.chains["KUBE-EXT-GNZBNJ2PO5MGZ6GT"] == (
        (
            '-m comment --comment "pod traffic for ns2/svc2:p80 external destinations" -s 10.0.0.0/8 '
            "-j KUBE-SVC-GNZBNJ2PO5MGZ6GT"
        ),
        (
            '-m comment --comment "masquerade LOCAL traffic for ns2/svc2:p80 external destinations" '
            "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ"
        ),
        (
            '-m comment --comment "route LOCAL traffic for ns2/svc2:p80 external destinations" '
            "-m addrtype --src-type LOCAL -j KUBE-SVC-GNZBNJ2PO5MGZ6GT"
        ),
    )


def test_a_load_balancer_for_some_with_affinity() -> None:
    found = planned(
        "ns5",
        "svc5",
        "172.30.0.45",
        endpoints=(Endpoint("10.180.0.3", 80),),
        external=("5.6.7.8",),
        balancers=("5.6.7.8",),
        source_ranges=("203.0.113.0/25",),
        affinity=10800,
        node_port=3002,
    )
    refused = '-m comment --comment "ns5/svc5:p80 traffic not accepted by KUBE-FW-NUKIZ6OKUXPJNT4C"'
    assert f"filter -A KUBE-PROXY-FIREWALL {refused} -m tcp -p tcp -d 5.6.7.8 --dport 80 -j DROP" in shared(found)
    assert found.chains["KUBE-FW-NUKIZ6OKUXPJNT4C"] == (
        '-m comment --comment "ns5/svc5:p80 loadbalancer IP" -s 203.0.113.0/25 -j KUBE-EXT-NUKIZ6OKUXPJNT4C',
        '-m comment --comment "other traffic to ns5/svc5:p80 will be dropped by KUBE-PROXY-FIREWALL"',
    )
    assert found.chains["KUBE-SVC-NUKIZ6OKUXPJNT4C"][1:] == (
        (
            '-m comment --comment "ns5/svc5:p80 -> 10.180.0.3:80" -m recent --name KUBE-SEP-I77PXRDZVX7PMWMN --rcheck '
            "--seconds 10800 --reap -j KUBE-SEP-I77PXRDZVX7PMWMN"
        ),
        '-m comment --comment "ns5/svc5:p80 -> 10.180.0.3:80" -j KUBE-SEP-I77PXRDZVX7PMWMN',
    )
    assert found.chains["KUBE-SEP-I77PXRDZVX7PMWMN"][1] == (
        '-m comment --comment "ns5/svc5:p80" -m recent --name KUBE-SEP-I77PXRDZVX7PMWMN --set -m tcp -p tcp '
        "-j DNAT --to-destination 10.180.0.3:80"
    )


def test_without_endpoints_it_is_refused_in_the_filter_table_and_nothing_is_in_nat() -> None:
    found = planned("ns6", "svc6", "172.30.0.46")
    assert shared(found) == [
        (
            'filter -A KUBE-SERVICES -m comment --comment "ns6/svc6:p80 has no endpoints" -m tcp -p tcp -d 172.30.0.46 '
            "--dport 80 -j REJECT"
        )
    ]
    assert found.chains == {}


def test_in_a_large_cluster_rules_of_endpoints_have_no_comments() -> None:
    found = planned("ns1", "svc1", "172.30.0.41", endpoints=(Endpoint("10.180.0.1", 80),), large=True)
    assert found.chains["KUBE-SEP-SXIVWICOYRO3J4NJ"][0] == "-s 10.180.0.1 -j KUBE-MARK-MASQ"
    assert found.chains["KUBE-SVC-XPGD46QRK7WJZT7O"][1] == "-j KUBE-SEP-SXIVWICOYRO3J4NJ"
    assert "cluster IP" in shared(found)[0]


def test_the_node_itself_may_come_by_the_balancers_address_where_its_own_is_allowed() -> None:
    found = planned(
        "ns5",
        "svc5",
        "172.30.0.45",
        Node("node1", "10.0.0.0/8", address="203.0.113.7"),
        endpoints=(Endpoint("10.180.0.3", 80),),
        external=("5.6.7.8",),
        balancers=("5.6.7.8",),
        source_ranges=("203.0.113.0/25",),
    )
    assert " -s 5.6.7.8 -j " in found.chains["KUBE-FW-NUKIZ6OKUXPJNT4C"][1]


def test_ipv6_targets_are_in_brackets() -> None:
    node = Node("node1", "fd00:10:244::/56", "fd00:10:96::/112", family="IPv6")
    found = planned("ns1", "svc1", "fd00:10:96::1", node, endpoints=(Endpoint("fd00:10:244::5", 80),))
    assert any("--to-destination [fd00:10:244::5]:80" in rule for rules in found.chains.values() for rule in rules)


def test_every_chain_of_kube_proxy_is_there() -> None:
    assert {"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-PROXY-CANARY"} <= {
        *FIXED["nat"]
    }
    filters = "KUBE-NODEPORTS KUBE-SERVICES KUBE-EXTERNAL-SERVICES KUBE-FIREWALL KUBE-FORWARD KUBE-PROXY-FIREWALL"
    assert {*filters.split(), "KUBE-PROXY-CANARY"} <= {*FIXED["filter"]}
    assert FIXED["mangle"] == ("KUBE-PROXY-CANARY",)


def test_its_hooks_are_there() -> None:
    new, said = "-m conntrack --ctstate NEW -m comment --comment", "-m comment --comment"
    assert {
        ("INPUT", f'{new} "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES'),
        ("FORWARD", f'{new} "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES'),
        ("INPUT", f'{said} "kubernetes health check service ports" -j KUBE-NODEPORTS'),
        ("FORWARD", f'{new} "kubernetes service portals" -j KUBE-SERVICES'),
        ("OUTPUT", f'{new} "kubernetes service portals" -j KUBE-SERVICES'),
        ("FORWARD", f'{said} "kubernetes forwarding rules" -j KUBE-FORWARD'),
        ("INPUT", f'{new} "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL'),
        ("OUTPUT", f'{new} "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL'),
        ("FORWARD", f'{new} "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL'),
        ("INPUT", "-j KUBE-FIREWALL"),
        ("OUTPUT", "-j KUBE-FIREWALL"),
    } <= {(hook, rule) for hook, _, rule in hooks("filter")}
    assert {(hook, rule) for hook, _, rule in hooks("nat")} == {
        ("OUTPUT", f'{said} "kubernetes service portals" -j KUBE-SERVICES'),
        ("PREROUTING", f'{said} "kubernetes service portals" -j KUBE-SERVICES'),
        ("POSTROUTING", f'{said} "kubernetes postrouting rules" -j KUBE-POSTROUTING'),
    }


def test_its_fixed_rules_are_there() -> None:
    found = fixed_rules(NODE)
    assert found["nat"]["KUBE-SERVICES"] == [
        (
            '-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" '
            "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"
        )
    ]
    assert found["nat"]["KUBE-POSTROUTING"] == [
        "-m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-j MARK --xor-mark 0x4000",
        '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
    ]
    assert found["filter"]["KUBE-FORWARD"] == [
        "-m conntrack --ctstate INVALID -j DROP",
        '-m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT',
        (
            '-m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED '
            "-j ACCEPT"
        ),
    ]
    assert found["filter"]["KUBE-FIREWALL"] == [
        (
            '-m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8 '
            "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
        )
    ]


def test_node_ports_on_loopback_only_where_that_is_wanted() -> None:
    def place(**more: Any) -> str:
        return fixed_rules(Node("node1", "10.0.0.0/8", **more))["nat"]["KUBE-SERVICES"][0]

    assert "! -d 127.0.0.0/8" in place()
    assert "127.0.0" not in place(localhost_node_ports=True)
    assert "! -d ::1/128" in place(family="IPv6")


def test_what_follows_is_inserted_in_front_in_its_order() -> None:
    change = Change(first=[("A", "one"), ("A", "two")], removed=[("A", "zero")], gone=["B"])
    assert as_text(change) == [":B - [0:0]", "-D A zero", "-I A two", "-I A one", "-X B"]
