"""What is written by netlink is what iptables' own program writes: byte for byte in the kernel, and in its lists."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from fairlead.host import iptables_nft, namespaces
from fairlead.host.iptables import Change, Iptables
from fairlead.host.iptables_nft import IptablesNft, open_tables
from fairlead.host.nft_wire import NftSocket, attributes
from fairlead.proxy.modes.iptables import IptablesMode
from fairlead.services.model import FAMILIES, Family, ServicePort, ServicePortName
from tests.packetflow.modes import place
from tests.packetflow.services import SERVICES, service, translated

pytestmark = pytest.mark.netns

GET_CHAIN, GET_RULE = 4, 7
NODES: dict[str, dict[str, Any]] = {
    "as by default": {},
    "masquerades everything, another mark": {"masquerade_all": True, "masquerade_bit": 3},
    "node ports on 127.0.0.1": {"localhost_node_ports": True},
    "node ports at one address": {"node_port_addresses": ("192.168.109.101/32",), "tcp_be_liberal": True},
}


@pytest.fixture
def networks(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two without anything in them."""
    folders = [tmp_path / "ours", tmp_path / "iptables"]
    for folder in folders:
        namespaces.create(folder, ["net"])
    yield folders[0] / "net", folders[1] / "net"
    for folder in folders:
        namespaces.remove(folder)


def everything(family: Family, *, protocols: tuple[str, ...] = ("TCP", "UDP", "SCTP")) -> dict[str, tuple[Any, ...]]:
    """All Services of the table at once, each with addresses of its own."""
    found: dict[str, tuple[ServicePort, ...]] = {}
    for number, name in enumerate(SERVICES):
        ports = []
        for place_, protocol in enumerate(protocols):
            port = replace(
                service(protocol, **SERVICES[name]),
                id=ServicePortName("dev", f"web{number}", protocol.lower(), protocol),
                cluster_ip=f"10.97.{place_}.{number + 1}",
            )
            ports.append(translated(replace(port, node_port=port.node_port and 30000 + 3 * number + place_), family))
        found[f"dev/web{number}"] = tuple(ports)
    return found


def kernel(namespace: Path, family: Family) -> dict[str, list[Any]]:
    """Rules and chains as bytes, in their order, without handles and counts of references."""
    number = socket.AF_INET6 if family == "IPv6" else socket.AF_INET
    tables = namespaces.run_in(namespace, lambda: NftSocket(number))
    rules: dict[str, list[Any]] = {}
    for body in tables.dump(GET_RULE, b""):
        rule = attributes(body)
        rules.setdefault(f"{rule[1]!r} {rule[2]!r}", []).append((rule[4], rule.get(7)))
    chains = [attributes(body) for body in tables.dump(GET_CHAIN, b"")]
    for chain in chains:
        rules[f"chain {chain[1]!r} {chain[3]!r}"] = [chain.get(kind) for kind in (4, 5, 7)]
    tables.close()
    return rules


def saved(namespace: Path, family: Family, variant: str = "nft") -> list[str]:
    """As the program lists it."""
    program = f"{'ip6tables' if family == 'IPv6' else 'iptables'}-{variant}-save"
    done = subprocess.run(
        ["nsenter", f"--net={namespace}", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert not done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("#")]


def run(namespace: Path, command: str, *more: str) -> None:
    subprocess.run(["nsenter", f"--net={namespace}", *command.split(), *more], check=True, timeout=30)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("node", NODES.values(), ids=NODES)
def test_every_rule_is_as_the_program_writes_it(
    networks: tuple[Path, Path], family: Family, node: dict[str, Any]
) -> None:
    if family == "IPv6" and "node_port_addresses" in node:
        node = {**node, "node_port_addresses": ("fd00:10:96::/108", "fd00::1/128")}
    ours, theirs = networks
    ipv6 = family == "IPv6"
    refusing = _NoProgram("iptables-nft", ipv6=ipv6, namespace=ours)
    modes = [
        IptablesMode(IptablesNft(refusing, ipv6=ipv6, namespace=ours), replace(place("node1", family), **node)),
        IptablesMode(Iptables("iptables-nft", ipv6=ipv6, namespace=theirs), replace(place("node1", family), **node)),
    ]
    services = everything(family)
    for mode in modes:
        mode.apply(services)
    assert kernel(ours, family) == kernel(theirs, family)
    assert saved(ours, family) == saved(theirs, family)
    changed = {key: tuple(replace(port, endpoints=port.endpoints[1:]) for port in services[key]) for key in services}
    for mode in modes:
        mode.apply(changed)
    assert kernel(ours, family) == kernel(theirs, family)
    for mode in modes:
        lines = saved(ours, family)
        for table in ("nat", "filter"):
            own = [line for line in lines[lines.index(f"*{table}") :] if line.startswith(("-A KUBE-", "COMMIT"))]
            assert mode.rule_counts().total[table] == own.index("COMMIT")
    for mode in modes:
        mode.clean_up()
    assert kernel(ours, family) == kernel(theirs, family)
    assert [line for line in saved(ours, family) if "KUBE-" in line] == []


def test_in_many_transactions_it_comes_to_the_same(
    networks: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = networks
    services = everything("IPv4", protocols=("TCP",))
    fewer = {key: ports for key, ports in services.items() if key != "dev/web3"}
    for network, size in ((ours, 0), (theirs, iptables_nft.SMALL)):
        monkeypatch.setattr(iptables_nft, "SMALL", size)
        monkeypatch.setattr(iptables_nft, "MOST", 1)
        for wanted in (services, fewer):
            mode = IptablesMode(open_tables(namespace=network), place("node1", "IPv4"))
            mode.apply(wanted)
        mode.apply({"dev/web3": services["dev/web3"], "dev/web4": ()})
    assert kernel(ours, "IPv4") == kernel(theirs, "IPv4")


class _NoProgram(Iptables):
    """So that nothing goes by the program unnoticed."""

    def restore(self, text: str) -> None:
        raise AssertionError(text)


def test_the_program_deletes_what_was_written(networks: tuple[Path, Path]) -> None:
    ours, _ = networks
    mode = IptablesMode(open_tables(namespace=ours), place("node1", "IPv4"))
    mode.apply(everything("IPv4"))
    lines = [line for line in saved(ours, "IPv4") if line.startswith("-A KUBE-SERVICES") and "10.97." in line]
    rules = "".join(f"-D{line[2:]}\n" for line in lines)
    nat = "".join(line + "\n" for line in rules.splitlines() if "KUBE-S" in line.partition(" -j ")[2])
    subprocess.run(
        ["nsenter", f"--net={ours}", "iptables-nft-restore", "--noflush"],
        input=f"*nat\n{nat}COMMIT\n",
        text=True,
        check=True,
        timeout=30,
    )
    assert not [line for line in saved(ours, "IPv4") if "cluster IP" in line and line.startswith("-A KUBE-SERVICES")]
    mode.clean_up()


def test_a_rule_of_an_unknown_shape_is_written_by_the_program(networks: tuple[Path, Path]) -> None:
    ours, _ = networks
    tables = open_tables(namespace=ours)
    rule = "-m limit --limit 3/second -j ACCEPT"
    tables.change({"filter": Change(shared={"MINE": ("-j RETURN", rule)})})
    assert "-A MINE -m limit --limit 3/sec -j ACCEPT" in saved(ours, "IPv4")
    tables.change({"filter": Change(first=[("MINE", "-s 10.0.0.1 -j DROP")])})
    tables.change({"filter": Change(removed=[("MINE", rule)])})
    assert [line for line in saved(ours, "IPv4") if line.startswith("-A MINE")] == [
        "-A MINE -s 10.0.0.1/32 -j DROP",
        "-A MINE -j RETURN",
    ]
    tables.change({"filter": Change(removed=[("MINE", "-s 10.0.0.1 -j DROP")])})
    assert "-A MINE -s 10.0.0.1/32 -j DROP" not in saved(ours, "IPv4")


def test_a_change_that_is_refused_leaves_everything_as_it_was(networks: tuple[Path, Path]) -> None:
    ours, _ = networks
    mode = IptablesMode(open_tables(namespace=ours), place("node1", "IPv4"))
    mode.apply(everything("IPv4", protocols=("TCP",)))
    before = kernel(ours, "IPv4")
    with pytest.raises(Exception, match="ENOENT"):
        open_tables(namespace=ours).change(
            {"nat": Change(filled={"KUBE-SVC-A": ()}, first=[("KUBE-SERVICES", "-j KUBE-SVC-OF-NOBODY")])}
        )
    assert kernel(ours, "IPv4") == before


def _by_netlink(namespace: Path) -> Any:
    return IptablesNft(Iptables("iptables-nft", namespace=namespace), namespace=namespace)


def _by_nft(namespace: Path) -> Any:
    return Iptables("iptables-nft", namespace=namespace)


def _by_legacy(namespace: Path) -> Any:
    return Iptables("iptables-legacy", namespace=namespace)


FOREIGN = (
    "-t nat -N MINE",
    "-t nat -A MINE -s 10.9.9.9 -j RETURN",
    "-t nat -A PREROUTING -j MINE",
    "-t filter -P FORWARD DROP",
    "-t filter -A FORWARD -s 10.9.9.9 -j ACCEPT",
)
WRITERS: list[tuple[Callable[[Path], Any], str]] = [(_by_netlink, "nft"), (_by_nft, "nft"), (_by_legacy, "legacy")]


@pytest.mark.parametrize(("make", "variant"), WRITERS)
def test_a_proxy_that_starts_again_takes_over_and_foreign_rules_stay(
    networks: tuple[Path, Path], make: Callable[[Path], Any], variant: str
) -> None:
    ours, fresh = networks
    node = replace(place("node1", "IPv4"), localhost_node_ports=True)
    for network, command in product(networks, FOREIGN):
        run(network, f"iptables-{variant} {command}")
    foreign = saved(ours, "IPv4", variant)
    services = everything("IPv4", protocols=("TCP",))
    IptablesMode(make(ours), node).apply(services)
    assert [line for line in saved(ours, "IPv4", variant) if "dev/web3:" in line]
    del services["dev/web3"]
    again = IptablesMode(make(ours), node)
    again.apply(services)
    IptablesMode(make(fresh), node).apply(services)
    assert saved(ours, "IPv4", variant) == saved(fresh, "IPv4", variant)
    again.clean_up()
    kept = [line for line in saved(ours, "IPv4", variant) if not line.startswith(":")]
    assert set(foreign) - set(kept) <= {line for line in foreign if line.startswith(":")}
    assert not [line for line in kept if "KUBE" in line]
    assert any(line.startswith(":FORWARD DROP") for line in saved(ours, "IPv4", variant))


def test_where_legacy_is_used_already_it_goes_on(networks: tuple[Path, Path]) -> None:
    ours, theirs = networks
    run(ours, "iptables-legacy -t nat -N KUBE-MARK-MASQ")
    assert isinstance(open_tables(namespace=ours), Iptables)
    assert isinstance(open_tables(namespace=theirs), IptablesNft)
    assert isinstance(open_tables(ipv6=True, namespace=ours), IptablesNft)


def test_of_kubelet_nothing_is_taken_away(networks: tuple[Path, Path]) -> None:
    ours, _ = networks
    run(ours, "iptables-nft -t mangle -N KUBE-KUBELET-CANARY")
    mode = IptablesMode(open_tables(namespace=ours), place("node1", "IPv4"))
    mode.apply({})
    mode.clean_up()
    left = [line for line in saved(ours, "IPv4") if "KUBE-" in line]
    assert left == [
        ":KUBE-KUBELET-CANARY - [0:0]",
        ":KUBE-FIREWALL - [0:0]",
        "-A INPUT -j KUBE-FIREWALL",
        "-A OUTPUT -j KUBE-FIREWALL",
    ]
