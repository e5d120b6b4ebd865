"""Section 3.1: the Deployment, its pods, and their pages."""

import re
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import eventually

pytestmark = pytest.mark.e2e

POD_NAME = re.compile(r"pc-deployment-[a-z0-9]{8,10}-[a-z0-9]{5}")


def test_three_pods_run_on_the_worker_nodes(kubectl: Kubectl, chapter: Path) -> None:
    created = kubectl(f"create -f {chapter}/deployment.yaml").ok()
    assert created.out == "deployment.apps/pc-deployment created\n"
    kubectl("rollout status deployment/pc-deployment -n dev --timeout=30s").ok()

    pods = kubectl.rows("get pods -n dev -o wide --show-labels")
    assert len(pods) == 3
    for pod in pods:
        assert POD_NAME.fullmatch(pod["NAME"])
        assert (pod["READY"], pod["STATUS"], pod["RESTARTS"]) == ("1/1", "Running", "0")
        assert pod["NODE"] in ("node1", "node2")
        assert pod["IP"].startswith("10.244.1." if pod["NODE"] == "node1" else "10.244.2.")
        assert (pod["NOMINATED NODE"], pod["READINESS GATES"]) == ("<none>", "<none>")
        hash_ = pod["NAME"].split("-")[2]
        assert pod["LABELS"] == f"app=nginx-pod,pod-template-hash={hash_}"
    assert {pod["NODE"] for pod in pods} == {"node1", "node2"}


def test_nginx_answers_at_a_pods_address_with_its_welcome_page(kubectl: Kubectl, chapter: Path) -> None:
    kubectl(f"create -f {chapter}/deployment.yaml").ok()
    kubectl("rollout status deployment/pc-deployment -n dev --timeout=30s").ok()
    address = kubectl.rows("get pods -n dev -o wide")[0]["IP"]
    page = kubectl.machine.on_node("master", "curl", "-sS", "--max-time", "5", f"{address}:80").ok().out
    assert "<title>Welcome to nginx!</title>" in page
    assert "<p><em>Thank you for using nginx.</em></p>" in page


def test_each_pod_serves_the_page_written_into_it(kubectl: Kubectl, application: dict[str, str]) -> None:
    for address in application.values():
        assert kubectl.machine.on_node("master", "curl", "-sS", "--max-time", "5", address).ok().out == f"{address}\n"


def test_a_shell_with_a_terminal_opens_in_a_pod(kubectl: Kubectl, application: dict[str, str]) -> None:
    pod = next(iter(application))
    binary = str(kubectl.binary)
    # `script` gives kubectl the terminal that -t asks for.
    typed = "tty\necho in-$((40+2))\nexit\n"
    session = kubectl.machine.on_node(
        "master", "script", "-qec", f"{binary} exec -it {pod} -n dev -- /bin/sh", "/dev/null", stdin=typed
    ).ok()
    assert "/dev/pts/" in session.out
    assert "in-42" in session.out


def test_a_commands_exit_code_and_both_streams_come_back(kubectl: Kubectl, application: dict[str, str]) -> None:
    pod = next(iter(application))
    done = kubectl.argv("exec", pod, "-n", "dev", "--", "/bin/sh", "-c", "echo out; echo err >&2; exit 3")
    assert done.out == "out\n"
    assert "err\n" in done.err
    assert "command terminated with exit code 3" in done.err


def test_the_access_log_of_a_request_is_in_the_pods_log(kubectl: Kubectl, application: dict[str, str]) -> None:
    pod, address = next(iter(application.items()))
    kubectl.machine.on_node("master", "curl", "-sS", "--max-time", "5", f"{address}/seen-in-log").ok()

    def logged() -> None:
        assert "GET /seen-in-log" in kubectl(f"logs {pod} -n dev").ok().out

    eventually(logged)


def test_deleting_the_deployment_removes_its_pods(kubectl: Kubectl, application: dict[str, str], chapter: Path) -> None:
    deleted = kubectl(f"delete -f {chapter}/deployment.yaml").ok()
    assert deleted.out in (
        'deployment.apps "pc-deployment" deleted\n',
        'deployment.apps "pc-deployment" deleted from dev namespace\n',
    )

    def gone() -> None:
        assert "No resources found" in kubectl("get pods -n dev").ok().err

    eventually(gone, seconds=40)
