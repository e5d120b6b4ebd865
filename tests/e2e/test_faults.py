"""Any process may be killed under load: it comes back, what was promised is kept, and traffic flows on."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import FAIRLEAD, Machine, eventually

pytestmark = pytest.mark.e2e

RUN = "/run/fairlead/default"
PARTS = ("apiserver", "controllers", "scheduler", "agent-master", "agent-node1", "agent-node2", "warden", "guard")
IN_PODS = ("fl-kube-proxy", "fl-kube-dns")

# Creates ConfigMaps one after another and prints the name of each that the API has promised to keep.
CREATE = """
n=0
while [ $n -lt 100000 ]; do
  n=$((n + 1))
  if curl -s -f --max-time 5 --cacert $PKI/ca.crt --cert $PKI/admin.crt --key $PKI/admin.key \
      -H 'content-type: application/json' -o /dev/null \
      -d "{\\"metadata\\":{\\"name\\":\\"kept-$n\\"}}" https://$MASTER:6443/api/v1/namespaces/dev/configmaps
  then echo kept-$n; fi
done
"""
# Asks the Service ten times a second and prints what came.
ASK = """
n=0
while [ $n -lt 100000 ]; do
  n=$((n + 1)); curl -s --max-time 2 -o /dev/null -w '%{http_code}\\n' http://10.97.97.97/ || true; sleep 0.1
done
"""


def _pid(machine: Machine, part: str) -> int:
    if part in ("warden", "guard"):
        return int(machine.run(["cat", f"{RUN}/{part}.pid"]).ok().out)
    return int(json.loads(machine.run(["cat", f"{RUN}/parts/{part}.json"]).ok().out)["pid"])


def _named(machine: Machine, prefix: str) -> list[int]:
    """Processes whose name begins with it, oldest first."""
    return [int(pid) for pid in machine.run(["pgrep", f"^{prefix[:15]}"]).out.split()]


@contextlib.contextmanager
def _running(machine: Machine, argv: list[str], output: Path) -> Iterator[None]:
    enter = ["nsenter", "--target", str(machine.pid), "--net", "--mount", "--pid", "--"]
    with output.open("w") as file, subprocess.Popen([*enter, *argv], stdout=file, start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()
            machine.run(["pkill", "-f", "while \\[ \\$n -lt 100000"])


def _healthy(kubectl: Kubectl) -> None:
    """Every node Ready, every system pod and the application running, names resolved."""
    assert [row["STATUS"] for row in kubectl.rows("get nodes")] == ["Ready"] * 3
    for namespace, number in (("kube-system", 6), ("dev", 3)):
        rows = kubectl.rows(f"get pods -n {namespace}")
        assert [(row["READY"], row["STATUS"]) for row in rows] == [("1/1", "Running")] * number
    for node in ("master", "node1", "node2"):
        name = "service-clusterip.dev.svc.cluster.local"
        assert kubectl.machine.on_node(node, "dig", "+short", "+tries=1", "+time=1", "@10.96.0.10", name).out == (
            "10.97.97.97\n"
        )
        assert kubectl.machine.on_node(node, "curl", "-sS", "--max-time", "2", "10.97.97.97").code == 0


def _kill_each(machine: Machine, healthy: Callable[[], None]) -> None:
    for part in PARTS:
        before = _pid(machine, part)
        machine.run(["kill", "-9", str(before)]).ok()

        def replaced(part: str = part, before: int = before) -> None:
            assert _pid(machine, part) != before

        eventually(replaced)
        eventually(healthy, 20)
    for prefix in IN_PODS:
        for before in _named(machine, prefix):
            machine.run(["kill", "-9", str(before)]).ok()
            time.sleep(0.05)
        eventually(healthy, 20)


def test_every_process_is_killed_under_load(
    newest: Kubectl, application: dict[str, str], chapter: Path, tmp_path: Path
) -> None:
    """One after another. What the API said it keeps is kept; the Service answers all the time, from the kernel."""
    machine = newest.machine
    newest(f"create -f {chapter}/service-clusterip.yaml").ok()
    eventually(lambda: _healthy(newest))
    (master,) = [row["INTERNAL-IP"] for row in newest.rows("get nodes -o wide") if row["NAME"] == "master"]
    promised, answers = tmp_path / "promised", tmp_path / "answers"
    state = "/var/lib/fairlead/default/pki"
    on_node = [str(FAIRLEAD), "exec", "node1", "--", "env", f"PKI={state}", f"MASTER={master}", "sh", "-c"]
    with _running(machine, [*on_node, CREATE], promised), _running(machine, [*on_node, ASK], answers):
        _kill_each(machine, lambda: _healthy(newest))

    codes = answers.read_text().split()
    assert len(codes) > 20
    assert set(codes) == {"200"}
    names = set(promised.read_text().split())
    assert len(names) > 20
    stored = set(newest("get configmaps -n dev -o name").ok().out.split())
    assert {f"configmap/{name}" for name in names} <= stored


@pytest.mark.parametrize("signal", ["-9", "-15"])
def test_a_container_that_is_killed_is_started_again_in_its_pod(
    newest: Kubectl, application: dict[str, str], signal: str
) -> None:
    machine = newest.machine
    first = machine.run(["pgrep", "-f", "nginx: master"]).ok().out.split()[0]
    machine.run(["kill", signal, first]).ok()

    def again() -> None:
        rows = newest.rows("get pods -n dev -o wide")
        assert {row["NAME"]: row["IP"] for row in rows} == application
        assert sorted(row["RESTARTS"].split()[0] for row in rows) == ["0", "0", "1"]
        assert {row["READY"] for row in rows} == {"1/1"}

    eventually(again, 20)


def test_a_deleted_system_pod_is_started_again(newest: Kubectl) -> None:
    newest("delete pod -n kube-system -l k8s-app=kube-proxy").ok()
    newest("delete pod -n kube-system -l k8s-app=kube-dns").ok()

    def running() -> None:
        rows = newest.rows("get pods -n kube-system")
        assert [(row["READY"], row["STATUS"]) for row in rows] == [("1/1", "Running")] * 6

    eventually(running, 20)
