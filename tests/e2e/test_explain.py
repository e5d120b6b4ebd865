"""`fairlead explain`: what it says of Services that work, and of those that do not."""

import json

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Result, eventually

pytestmark = pytest.mark.e2e


def explain(kubectl: Kubectl, name: str, *arguments: str) -> Result:
    return kubectl.machine.fairlead("explain", f"service/{name}", "-n", "dev", *arguments)


def expose(kubectl: Kubectl, name: str, *arguments: str) -> None:
    kubectl.argv("expose", "deployment", "pc-deployment", "-n", "dev", f"--name={name}", *arguments).ok()


@pytest.mark.usefixtures("application")
def test_services_of_every_kind(newest: Kubectl) -> None:
    expose(newest, "good", "--port=80", "--type=NodePort")
    pod = newest.rows("get pods -n dev")[0]["NAME"]

    def works() -> None:
        told = explain(newest, "good")
        assert told.code == 0, told.out
        assert "matches 3 pods, 3 of them ready" in told.out
        assert "ok      connections are taken at 10.244." in told.out
        assert "rule: nft service-ips { 10." in told.out
        assert "goto lb-3" in told.out

    eventually(works)
    report = json.loads(explain(newest, "good", "--from", f"pod/{pod}", "-o", "json").ok().out)
    assert report["works"]
    assert report["proxyMode"] == "nftables"
    assert {way["what"]: way["verdict"] for way in report["ways"]} == {"ClusterIP": "deliver", "NodePort": "deliver"}
    assert len(report["ways"][0]["endpoints"]) == 3
    outside = explain(newest, "good", "--from", "outside").ok().out
    assert "ClusterIP" not in outside
    assert "NodePort 192.168.109.102:" in outside

    expose(newest, "closed", "--port=80", "--target-port=8081")
    told = explain(newest, "closed")
    assert told.code == 1
    assert told.out.count("PROBLEM nothing listens at 10.244.") == 3
    assert "Connection refused" in told.out

    newest("create service clusterip nobody --tcp=80 -n dev").ok()
    told = explain(newest, "nobody")
    assert told.code == 1
    assert "PROBLEM the selector app=nobody matches no pod in dev" in told.out
    assert "refused: it has no endpoint that is ready" in told.out
    assert "goto reject-chain" in told.out

    told = explain(newest, "nobody", "--from", "outside")
    assert "its ClusterIP is not reached from outside the cluster" in told.out
    assert "it has no port 81: its ports are 80" in explain(newest, "nobody", "--port", "81").out


def test_what_is_not_there_is_told_in_a_line(newest: Kubectl) -> None:
    told = explain(newest, "none")
    assert (told.code, told.err) == (1, 'error: services "none" not found\n')
    newest("create service clusterip nobody --tcp=80 -n dev").ok()
    for source in ("pod/none", "node/none", "nowhere"):
        told = explain(newest, "nobody", "--from", source)
        assert told.code == 1
        assert told.err.startswith(f"error: --from {source}: ")


@pytest.mark.usefixtures("application")
def test_rules_that_somebody_deletes_come_back(newest: Kubectl) -> None:
    expose(newest, "bare", "--port=80")
    eventually(lambda: explain(newest, "bare").ok())
    for command in ("flush chain ip kube-proxy services", "delete table ip kube-proxy"):
        newest.machine.on_node("master", "nft", *command.split()).ok()
        eventually(lambda: explain(newest, "bare").ok(), 5)
