"""`kubectl apply --server-side`, by the newest kubectl there is: made, shared, fought over, and taken over from what
kubectl applied by itself, there and back."""

import json
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Result

pytestmark = pytest.mark.e2e

Json = dict[str, Any]
LAST = "kubectl.kubernetes.io/last-applied-configuration"


def service(*ports: int, **labels: str) -> Json:
    spec = {"selector": {"app": "web"}, "ports": [{"name": f"p{port}", "port": port} for port in ports]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": labels}, "spec": spec}


class Applying:
    def __init__(self, kubectl: Kubectl) -> None:
        self.kubectl = kubectl

    def __call__(self, obj: Json, flags: str = "", verb: str = "apply --server-side") -> Result:
        return self.kubectl(f"{verb} -n dev -f - {flags}", stdin=json.dumps(obj))

    def read(self) -> Json:
        found: Json = json.loads(self.kubectl("get service web -n dev -o json --show-managed-fields").ok().out)
        return found


def owners(obj: Json) -> set[tuple[str, str]]:
    return {(entry["manager"], entry["operation"]) for entry in obj["metadata"].get("managedFields", [])}


def ports(obj: Json) -> list[int]:
    return [port["port"] for port in obj["spec"]["ports"]]


def test_two_managers_share_a_service(newest: Kubectl) -> None:
    apply = Applying(newest)
    assert "service/web serverside-applied" in apply(service(80, a="1")).ok().out
    assert apply(service(80, a="1"), verb="diff --server-side").code == 0
    differs = apply(service(80, a="2"), verb="diff --server-side")
    assert (differs.code, '+    a: "2"' in differs.out) == (1, True)
    assert "serverside-applied (server dry run)" in apply(service(80, a="2"), "--dry-run=server").ok().out
    assert apply.read()["metadata"]["labels"] == {"a": "1"}
    refused = apply(service(443, a="2"), "--field-manager=other")
    assert refused.code == 1
    assert 'conflict with "kubectl": .metadata.labels.a' in refused.err
    assert "--force-conflicts" in refused.err
    apply(service(443, a="2"), "--field-manager=other --force-conflicts").ok()
    both = apply.read()
    assert sorted(ports(both)) == [80, 443]
    assert owners(both) == {("kubectl", "Apply"), ("other", "Apply")}


def test_kubectl_moves_to_server_side_apply_and_back(newest: Kubectl) -> None:
    apply = Applying(newest)
    apply(service(80, 443, a="1", b="2"), verb="apply").ok()
    address = apply.read()["spec"]["clusterIP"]
    moved = apply(service(80, a="9")).ok()  # a change and two removals of what it applied by itself
    assert "serverside-applied" in moved.out
    after = apply.read()
    assert (ports(after), after["metadata"]["labels"], after["spec"]["clusterIP"]) == ([80], {"a": "9"}, address)
    assert ("kubectl-client-side-apply", "Update") not in owners(after)
    assert json.loads(after["metadata"]["annotations"][LAST])["metadata"]["labels"] == {"a": "9"}
    back = apply(service(81, a="9"), verb="apply").ok()
    assert "service/web configured" in back.out
    assert ports(apply.read()) == [81]
