"""Section 3.4: a headless Service, found by its name."""

import re
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import eventually
from tests.e2e.test_section_3_2_clusterip import described

pytestmark = pytest.mark.e2e

NAME = "service-headliness.dev.svc.cluster.local"


def test_it_has_no_cluster_ip_and_its_endpoints_are_the_pods(
    kubectl: Kubectl, application: dict[str, str], chapter: Path
) -> None:
    assert kubectl(f"create -f {chapter}/service-headliness.yaml").ok().out == "service/service-headliness created\n"
    (row,) = kubectl.rows("get svc service-headliness -n dev -o wide")
    assert (row["CLUSTER-IP"], row["EXTERNAL-IP"], row["PORT(S)"]) == ("None", "<none>", "80/TCP")

    def shown() -> None:
        text = described(kubectl("describe svc service-headliness -n dev").ok().out)
        assert text["IP"] == "None"
        assert set(text["Endpoints"].split(",")) == {f"{ip}:80" for ip in application.values()}

    eventually(shown)


def test_a_pods_resolver_asks_the_cluster(kubectl: Kubectl, application: dict[str, str]) -> None:
    pod = next(iter(application))
    assert kubectl(f"exec {pod} -n dev -- cat /etc/resolv.conf").ok().out == (
        "nameserver 10.96.0.10\nsearch dev.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    )


def test_dig_shows_an_address_for_each_pod(kubectl: Kubectl, application: dict[str, str], chapter: Path) -> None:
    kubectl(f"create -f {chapter}/service-headliness.yaml").ok()

    def answered() -> None:
        out = kubectl.machine.on_node("master", "dig", "+tries=1", "+time=2", "@10.96.0.10", NAME).ok().out
        assert "status: NOERROR" in out
        assert ";; flags: qr aa rd; QUERY: 1, ANSWER: 3, AUTHORITY: 0, ADDITIONAL: 1" in out
        records = re.findall(rf"^{re.escape(NAME)}\.\s+(\d+)\s+IN\s+A\s+(\S+)$", out, re.MULTILINE)
        assert {ttl for ttl, _ in records} == {"30"}
        assert {address for _, address in records} == set(application.values())

    eventually(answered)


def test_pods_resolve_short_names_through_the_search_path(
    kubectl: Kubectl, application: dict[str, str], chapter: Path
) -> None:
    kubectl(f"create -f {chapter}/service-headliness.yaml").ok()
    pod = next(iter(application))

    def resolved() -> None:
        page = kubectl(f"exec {pod} -n dev -- curl -sS --max-time 5 http://service-headliness").ok().out
        assert page.strip() in application.values()

    eventually(resolved)
