"""Cluster DNS where it is used: pods and nodes, real resolvers, while settings change and nodes lose theirs."""

import base64
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Machine, eventually

pytestmark = pytest.mark.e2e

SERVICE = "service-clusterip"
VIP = "10.97.97.97"
LOOKUP = """
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
int main(int count, char **words) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    int failed = getaddrinfo(words[1], 0, &hints, &found);
    if (failed) { puts(gai_strerror(failed)); return 1; }
    char text[64];
    puts(inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof text));
}
"""
BRIEF = {"terminationGracePeriodSeconds": 0}
NSLOOKUP = "asking/nslookup:1"
MUSL = "/usr/lib/x86_64-linux-musl"


@pytest.fixture(scope="module")
def lookups(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A program that asks its C library for an address, by C library."""
    folder = tmp_path_factory.mktemp("lookup")
    (folder / "lookup.c").write_text(LOOKUP)
    resources = subprocess.run(["clang", "-print-resource-dir"], capture_output=True, text=True, check=True).stdout
    headers = ["-nostdinc", "-isystem", "/usr/include/x86_64-linux-musl", "-isystem", f"{resources.strip()}/include"]
    static = [f"{MUSL}/{part}" for part in ("crt1.o", "crti.o", "libc.a", "crtn.o")]
    commands = {
        "glibc": ["clang", "-O1", str(folder / "lookup.c")],
        "musl": ["clang", "-O1", "-static", "-nostdlib", *headers, str(folder / "lookup.c"), *static],
    }
    found = {}
    for name, command in commands.items():
        subprocess.run([*command, "-o", str(folder / name)], check=True)
        found[name] = (folder / name).read_bytes()
    return found


def dig(machine: Machine, node: str, name: str, *options: str) -> str:
    return machine.on_node(node, "dig", "+tries=1", "+time=1", "@10.96.0.10", *options, name).out


def test_pods_find_services_by_every_length_of_their_name_with_both_c_libraries(
    newest: Kubectl, chapter: Path, lookups: dict[str, bytes]
) -> None:
    newest(f"create -f {chapter}/service-clusterip.yaml").ok()
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "lookups", "namespace": "dev"},
        "binaryData": {name: base64.b64encode(data).decode() for name, data in lookups.items()},
    }
    volume = {"name": "lookups", "configMap": {"name": "lookups", "defaultMode": 0o755}}
    mount = {"name": "lookups", "mountPath": "/lookups"}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"asking-{node}", "namespace": "dev"},
            "spec": {
                **BRIEF,
                "nodeName": node,
                "containers": [{"name": "c", "image": "nginx:1.17.1", "volumeMounts": [mount]}],
                "volumes": [volume],
            },
        }
        for node in ("node1", "node2")
    ]
    # BIND's nslookup; without a name it waits for words, for as long as its input is open.
    newest.machine.fairlead("image", "from-package", "bind9-dnsutils", "--tag", NSLOOKUP).ok()
    waiting = {"name": "c", "image": NSLOOKUP, "imagePullPolicy": "Never", "command": ["nslookup"], "stdin": True}
    looking = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "looking", "namespace": "dev"},
        "spec": {**BRIEF, "containers": [waiting]},
    }
    listed = {"apiVersion": "v1", "kind": "List", "items": [config, looking, *pods]}
    newest("create -f -", stdin=json.dumps(listed)).ok()
    newest("wait pod --all -n dev --for=condition=Ready --timeout=30s").ok()
    for pod in ("asking-node1", "asking-node2"):
        for library in lookups:
            for name in (SERVICE, f"{SERVICE}.dev", f"{SERVICE}.dev.svc", f"{SERVICE}.dev.svc.cluster.local"):
                told = newest(f"exec {pod} -n dev -- /lookups/{library} {name}")
                assert told.out == f"{VIP}\n", (pod, library, name, told)
            assert newest(f"exec {pod} -n dev -- /lookups/{library} no-such-service").code != 0
    for name in (SERVICE, f"{SERVICE}.dev", f"{SERVICE}.dev.svc.cluster.local"):
        seen = newest(f"exec looking -n dev -- nslookup {name}").ok().out
        assert "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n" in seen
        assert f"Name:\t{SERVICE}.dev.svc.cluster.local\nAddress: {VIP}\n" in seen
        assert "can't find" not in seen
    newest.machine.fairlead("image", "rm", NSLOOKUP)


def test_questions_are_neither_tracked_nor_translated(newest: Kubectl) -> None:
    machine = newest.machine
    for node in ("master", "node1"):
        assert "status: NOERROR" in dig(machine, node, "kubernetes.default.svc.cluster.local")
        assert "status: NOERROR" in dig(machine, node, "kubernetes.default.svc.cluster.local", "+tcp")
        tracked = machine.on_node(node, "conntrack", "-L", "--orig-dst", "10.96.0.10", "--dport", "53").out
        assert "10.96.0.10" not in tracked
        # At other ports of the address there is what the Service says, or nobody.
        page = machine.on_node(node, "curl", "-sS", "--max-time", "3", "http://10.96.0.10:9153/metrics").ok().out
        assert "coredns_dns_requests_total" in page
        assert machine.on_node(node, "curl", "-sS", "--max-time", "3", "http://10.96.0.10:10250/").code == 7


def test_the_service_and_its_pods_are_shown(newest: Kubectl) -> None:
    rows = {row["NAME"]: row for row in newest.rows("get svc -n kube-system")}
    assert (rows["kube-dns"]["CLUSTER-IP"], rows["kube-dns"]["PORT(S)"]) == ("10.96.0.10", "53/UDP,53/TCP,9153/TCP")
    pods = newest.rows("get pods -n kube-system -l k8s-app=kube-dns -o wide")
    assert sorted(row["NODE"] for row in pods) == ["master", "node1", "node2"]
    assert {row["READY"] for row in pods} == {"1/1"}


@pytest.fixture
def corefile(newest: Kubectl) -> Iterator[str]:
    """The cluster's; it is put back."""
    before = newest("get cm coredns -n kube-system -o json").ok().out
    yield json.loads(before)["data"]["Corefile"]
    patch = json.dumps({"data": {"Corefile": json.loads(before)["data"]["Corefile"]}})
    newest.argv("patch", "cm", "coredns", "-n", "kube-system", "--type=merge", "-p", patch).ok()


def test_settings_are_edited_in_the_configmap(newest: Kubectl, corefile: str) -> None:
    def edit(text: str) -> None:
        patch = json.dumps({"data": {"Corefile": text}})
        newest.argv("patch", "cm", "coredns", "-n", "kube-system", "--type=merge", "-p", patch).ok()

    def answers(ttl: str, name: str = "kubernetes.default.svc.cluster.local") -> None:
        for node in ("master", "node1", "node2"):
            assert re.search(rf"\s{ttl}\s+IN\s+A\s", dig(newest.machine, node, name)), node

    answers("30")
    hosts = "hosts {\n 192.0.2.7 printer.example\n ttl 60\n fallthrough\n }\n kubernetes"
    edit(corefile.replace("ttl 30", "ttl 5").replace("kubernetes", hosts, 1))
    eventually(lambda: answers("5"), 5)
    answers("60", "printer.example")
    edit(corefile.replace("loadbalance", "route53"))

    def told() -> None:
        assert "route53: there is no such plugin here" in newest("get events -n kube-system").out

    eventually(told)
    answers("5")


def test_a_node_that_loses_its_dns_is_served_by_anothers(newest: Kubectl) -> None:
    """First killed, then taken off the node: questions go on being answered, by the same address."""
    machine, name = newest.machine, "kubernetes.default.svc.cluster.local"

    def answered_within(seconds: float) -> None:
        began = time.monotonic()
        while "status: NOERROR" not in dig(machine, "node1", name, "+timeout=1"):
            assert time.monotonic() - began < seconds
        assert time.monotonic() - began < seconds

    (pod,) = [r for r in newest.rows("get pods -n kube-system -l k8s-app=kube-dns -o wide") if r["NODE"] == "node1"]
    pids = machine.run(["pgrep", f"^fl-{pod['NAME'][:12]}"]).ok().out.split()
    machine.run(["kill", "-9", *pids]).ok()
    answered_within(2)

    away = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["node1"]}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": away}}}
    patch = json.dumps({"spec": {"template": {"spec": {"affinity": affinity}}}})
    newest.argv("patch", "ds", "kube-dns", "-n", "kube-system", "-p", patch).ok()
    try:

        def gone() -> None:
            rows = newest.rows("get pods -n kube-system -l k8s-app=kube-dns -o wide")
            assert "node1" not in {row["NODE"] for row in rows}

        deadline = time.monotonic() + 20
        while True:
            answered_within(2)
            try:
                gone()
            except AssertionError:
                assert time.monotonic() < deadline
            else:
                break
        assert "fairlead-dns" not in machine.on_node("node1", "nft", "list", "tables").out
        answered_within(2)
        assert "status: NOERROR" in dig(machine, "node1", name, "+tcp")
    finally:
        back = json.dumps({"spec": {"template": {"spec": {"affinity": None}}}})
        newest.argv("patch", "ds", "kube-dns", "-n", "kube-system", "-p", back).ok()
        newest("rollout status ds/kube-dns -n kube-system --timeout=60s").ok()

    def at_home() -> None:
        assert "fairlead-dns" in machine.on_node("node1", "nft", "list", "tables").out

    eventually(at_home)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"dnsPolicy": "Default"}, None),
        (
            {"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True},
            "nameserver 10.96.0.10\nsearch dev.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
        ),
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {
                    "nameservers": ["192.0.2.53"],
                    "searches": ["example.com"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
                },
            },
            "nameserver 192.0.2.53\nsearch example.com\noptions ndots:2 edns0\n",
        ),
        (
            {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}], "searches": ["x.example"]}},
            (
                "nameserver 10.96.0.10\nsearch dev.svc.cluster.local svc.cluster.local cluster.local x.example\n"
                "options ndots:1\n"
            ),
        ),
    ],
    ids=["Default", "ClusterFirstWithHostNet", "None", "dnsConfig"],
)
def test_the_dns_policy_decides_about_a_pods_resolver(
    newest: Kubectl, spec: dict[str, object], expected: str | None
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "dev"},
        "spec": {"containers": [{"name": "c", "image": "nginx:1.17.1", "command": ["sleep", "60"]}], **BRIEF, **spec},
    }
    newest("create -f -", stdin=json.dumps(pod)).ok()
    newest("wait pod/p -n dev --for=condition=Ready --timeout=30s").ok()
    found = newest("exec p -n dev -- cat /etc/resolv.conf").ok().out
    search = re.compile(r"^search .*$", re.MULTILINE)
    if expected is None:
        assert "10.96.0.10" not in found
    else:  # the node's own search domains come behind the cluster's
        assert search.sub("", found) == search.sub("", expected)
        wanted, got = search.search(expected), search.search(found)
        assert wanted is not None
        assert got is not None
        assert got[0].startswith(wanted[0].removesuffix(" x.example"))
