"""Pods beyond the chapter: several containers, volumes, probes, restarts, what goes wrong, and streams into them."""

import base64
import json
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Machine, eventually

pytestmark = pytest.mark.e2e

IMAGE = "nginx:1.17.1"
NO_SUCH_SECRET = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}}
SLEEP = ["sh", "-c", "trap 'exit 0' TERM QUIT; sleep 1000 & wait"]


def create(kubectl: Kubectl, *objects: dict[str, Any]) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl("create -n dev -f -", stdin=text).ok()


def pod(name: str, **spec: Any) -> dict[str, Any]:
    """One container `c` that sleeps, unless said otherwise."""
    container = {"name": "c", "image": IMAGE, "command": SLEEP, **spec.pop("container", {})}
    spec.setdefault("containers", [container])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def status(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl(f"get pod {name} -n dev -o json").ok().out)["status"]
    return found


def state(kubectl: Kubectl, name: str) -> dict[str, Any]:
    containers = status(kubectl, name).get("containerStatuses")
    assert containers
    return dict(containers[0]["state"])


def ready(kubectl: Kubectl, name: str) -> None:
    kubectl(f"wait --for=condition=Ready pod/{name} -n dev --timeout=20s").ok()


def events(kubectl: Kubectl, name: str) -> str:
    return kubectl(f"get events -n dev --field-selector involvedObject.name={name}").ok().out


def test_containers_share_network_and_volumes_and_not_files(newest: Kubectl) -> None:
    create(
        newest,
        pod(
            "two",
            initContainers=[
                {"name": "first", "image": IMAGE, "command": ["sh", "-c", "echo made-before > /work/index.html"],
                 "volumeMounts": [{"name": "work", "mountPath": "/work"}]},
            ],
            containers=[
                {"name": "web", "image": IMAGE,
                 "volumeMounts": [{"name": "work", "mountPath": "/usr/share/nginx/html"}]},
                {"name": "side", "image": IMAGE, "command": SLEEP,
                 "volumeMounts": [{"name": "work", "mountPath": "/work"}]},
            ],
            volumes=[{"name": "work", "emptyDir": {}}],
        ),
    )  # fmt: skip
    ready(newest, "two")
    side = "exec two -n dev -c side --"
    assert newest(f"{side} curl -s localhost").ok().out == "made-before\n"
    newest(f"{side} touch /only-here").ok()
    assert newest("exec two -n dev -c web -- ls /only-here").code != 0


def test_environment_and_files_come_from_the_api(newest: Kubectl) -> None:
    newest("create configmap settings -n dev --from-literal=COLOUR=green").ok()
    newest("create secret generic keys -n dev --from-literal=password=s3cret").ok()
    create(
        newest,
        pod(
            "told",
            container={
                "env": [
                    {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "COLOUR"}}},
                    {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "BOTH", "value": "$(ME)-$(COLOUR)"},
                ],
                "volumeMounts": [{"name": "keys", "mountPath": "/keys"}, {"name": "settings", "mountPath": "/etc/app"}],
            },
            volumes=[
                {"name": "keys", "secret": {"secretName": "keys"}},
                {"name": "settings", "configMap": {"name": "settings"}},
            ],
        ),
    )
    ready(newest, "told")
    shell = newest.argv("exec", "told", "-n", "dev", "--", "sh", "-c", "echo $BOTH; cat /keys/password /etc/app/COLOUR")
    assert shell.ok().out == "told-green\ns3cretgreen"


def test_a_pod_can_ask_the_api_with_its_own_token(newest: Kubectl) -> None:
    create(newest, pod("asks"))
    ready(newest, "asks")
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    script = (
        f'curl -s --cacert {folder}/ca.crt -H "Authorization: Bearer $(cat {folder}/token)" '
        "https://kubernetes.default/api/v1/namespaces/$(cat " + folder + "/namespace)/pods"
    )
    answer = json.loads(newest.argv("exec", "asks", "-n", "dev", "--", "sh", "-c", script).ok().out)
    assert answer["reason"] == "Forbidden"
    assert 'User "system:serviceaccount:dev:default" cannot list resource "pods"' in answer["message"]


def test_readiness_follows_the_probe_and_so_do_endpoints(newest: Kubectl) -> None:
    labelled = pod("probed", container={
        "command": ["nginx", "-g", "daemon off;"],
        "readinessProbe": {"httpGet": {"path": "/ok", "port": 80}, "periodSeconds": 1, "failureThreshold": 1},
    })  # fmt: skip
    labelled["metadata"]["labels"] = {"app": "probed"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "probed"},
               "spec": {"selector": {"app": "probed"}, "ports": [{"port": 80}]}}  # fmt: skip
    create(newest, labelled, service)

    def addresses(count: int) -> None:
        endpoints = json.loads(newest("get endpoints probed -n dev -o json").ok().out)
        assert sum(len(each.get("addresses", ())) for each in endpoints.get("subsets", ())) == count

    eventually(lambda: state(newest, "probed")["running"])
    addresses(0)
    newest("exec probed -n dev -- touch /usr/share/nginx/html/ok").ok()
    ready(newest, "probed")
    eventually(lambda: addresses(1))
    newest("exec probed -n dev -- rm /usr/share/nginx/html/ok").ok()
    eventually(lambda: addresses(0))


def test_a_failed_liveness_probe_restarts_the_container(newest: Kubectl) -> None:
    create(newest, pod("sick", terminationGracePeriodSeconds=1, container={
        "livenessProbe": {"exec": {"command": ["test", "!", "-e", "/sick"]}, "periodSeconds": 1, "failureThreshold": 1},
    }))  # fmt: skip
    ready(newest, "sick")
    newest("exec sick -n dev -- touch /sick").ok()

    def restarted() -> None:
        assert status(newest, "sick")["containerStatuses"][0]["restartCount"] == 1

    eventually(restarted)
    assert "Container c failed liveness probe, will be restarted" in events(newest, "sick")


def test_what_fails_is_started_again_later_and_later(newest: Kubectl) -> None:
    create(newest, pod("crash", container={"command": ["sh", "-c", "echo boom; exit 3"]}))

    def backs_off() -> None:
        assert state(newest, "crash").get("waiting", {}).get("reason") == "CrashLoopBackOff"

    eventually(backs_off)
    last = status(newest, "crash")["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (3, "Error")
    assert newest("logs crash -n dev --previous").ok().out == "boom\n"
    eventually(lambda: events(newest, "crash").index("Back-off restarting failed container c in pod crash_dev("))


def test_a_readiness_gate_keeps_a_pod_out_of_its_service_until_another_opens_it(newest: Kubectl) -> None:
    gated = pod("gated", readinessGates=[{"conditionType": "example.com/lb"}])
    gated["metadata"]["labels"] = {"app": "gated"}
    create(newest, gated)
    newest("create service clusterip gated -n dev --tcp=80").ok()
    newest("wait --for=condition=ContainersReady pod/gated -n dev --timeout=20s").ok()

    def addresses() -> tuple[int, int]:
        subset = json.loads(newest("get endpoints gated -n dev -o json").ok().out)["subsets"][0]
        return len(subset.get("addresses", [])), len(subset.get("notReadyAddresses", []))

    def leads(*, ready: int) -> None:
        assert addresses() == (ready, 1 - ready)

    def gate(state: str) -> None:
        conditions = [{"type": "example.com/lb", "status": state}]
        patch = json.dumps({"status": {"conditions": conditions}})
        newest.argv("patch", "pod", "gated", "-n", "dev", "--subresource=status", "-p", patch).ok()

    eventually(lambda: leads(ready=0))
    gate("True")
    eventually(lambda: leads(ready=1))
    told = {each["type"]: each for each in status(newest, "gated")["conditions"]}
    assert told["Ready"]["status"] == told["example.com/lb"]["status"] == "True"
    assert "reason" not in told["Ready"]
    gate("False")
    eventually(lambda: leads(ready=0))
    assert "gated   1/1     Running" in newest("get pod gated -n dev").ok().out
    assert "READINESS GATES" in newest("get pod gated -n dev -o wide").ok().out


@pytest.mark.parametrize(
    ("policy", "code", "phase"), [("Never", 0, "Succeeded"), ("Never", 7, "Failed"), ("OnFailure", 0, "Succeeded")]
)
def test_a_pod_that_may_end_ends(newest: Kubectl, policy: str, code: int, phase: str) -> None:
    create(newest, pod("once", restartPolicy=policy, container={"command": ["sh", "-c", f"exit {code}"]}))

    def ended() -> None:
        assert status(newest, "once")["phase"] == phase

    eventually(ended)


def test_an_image_that_cannot_be_had_says_why(newest: Kubectl) -> None:
    create(newest, pod("nowhere", container={"image": "registry.invalid/nothing:1"}))

    def waits() -> None:
        assert state(newest, "nowhere")["waiting"]["reason"] == "ImagePullBackOff"

    eventually(waits)
    told = events(newest, "nowhere")
    assert 'Failed to pull image "registry.invalid/nothing:1"' in told
    assert "Error: ErrImagePull" in told


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"imagePullPolicy": "Never", "image": "nothing:1"}, "ErrImageNeverPull"),
        ({"image": "Not/Valid::x"}, "InvalidImageName"),
        ({"env": [NO_SUCH_SECRET]}, "CreateContainerConfigError"),
        ({"command": ["/no/such/program"]}, "RunContainerError"),
    ],
)
def test_a_container_that_cannot_start_says_why(newest: Kubectl, container: dict[str, Any], reason: str) -> None:
    create(newest, pod("stuck", container=container))

    def waits() -> None:
        assert state(newest, "stuck")["waiting"]["reason"] == reason

    eventually(waits)


def test_a_pod_that_fits_nowhere_stays_pending_and_says_why(newest: Kubectl) -> None:
    create(newest, pod("huge", container={"resources": {"requests": {"cpu": "1000"}}}))
    eventually(lambda: events(newest, "huge").index("0/3 nodes are available"))
    assert status(newest, "huge")["phase"] == "Pending"


def test_a_failed_command_leaves_nothing_that_keeps_the_pod(newest: Kubectl) -> None:
    """A zombie in the pod's PID namespace once did."""
    create(newest, pod("target", container={"command": ["nginx", "-g", "daemon off;"]}))
    ready(newest, "target")
    assert newest("exec target -n dev -- /no/such/program").code != 0
    newest("delete pod target -n dev --timeout=8s").ok()


def test_input_reaches_a_container_that_asks_for_it(newest: Kubectl) -> None:
    command = "run reads -n dev --image nginx:1.17.1 --restart=Never --rm -i --command -- sh"
    result = newest(command, stdin="echo in-$((40+2)); exit 4\n")
    assert "in-42" in result.out
    assert result.code == 4


def test_a_terminal_is_one(newest: Kubectl) -> None:
    create(newest, pod("tty"))
    ready(newest, "tty")
    line = f"{newest.binary} exec -it tty -n dev -- sh -c 'tty; stty size'"
    result = newest.machine.on_node("master", "script", "-qec", line, "/dev/null")
    assert "/dev/pts/0" in result.ok().out


def test_files_are_copied_both_ways(newest: Kubectl) -> None:
    create(newest, pod("files"))
    ready(newest, "files")
    newest("cp /etc/services dev/files:/tmp/there").ok()
    assert newest("exec files -n dev -- cat /tmp/there").ok().out == newest.machine.run(["cat", "/etc/services"]).out


def test_a_forwarded_port_leads_into_the_pod(newest: Kubectl) -> None:
    create(newest, pod("web", container={"command": ["nginx", "-g", "daemon off;"]}))
    ready(newest, "web")
    script = (
        f"{newest.binary} port-forward -n dev pod/web 18080:80 >/dev/null & "
        "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; curl -s localhost:18080 && break; done; kill $!"
    )
    assert "Welcome to nginx" in newest.machine.on_node("master", "sh", "-c", script).out


def test_a_page_in_a_browser_reads_logs_and_watches_over_websocket_with_a_token(
    newest: Kubectl, cluster: Machine
) -> None:
    create(newest, pod("talks", container={"command": ["sh", "-c", "echo heard; " + SLEEP[2]]}))
    newest("create rolebinding reads -n dev --clusterrole=view --serviceaccount=dev:default").ok()
    ready(newest, "talks")
    token = newest("create token default -n dev").ok().out.strip()
    offered = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    server = newest("config view --minify -o jsonpath={.clusters[0].cluster.server}").ok().out

    def dial(path: str) -> str:
        headers = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        headers += [f"Sec-WebSocket-Key: {'A' * 22}==", f"Sec-WebSocket-Protocol: {offered}, binary.k8s.io"]
        options = [option for header in headers for option in ("-H", header)]
        url = f"{server}/api/v1/namespaces/dev/pods{path}"
        curl = ["curl", "-sikN", "--http1.1", "--max-time", "2", *options, url]
        return cluster.run(["sh", "-c", '"$@" | tr -cd "[:print:]\\n"', "sh", *curl]).out

    answer = dial("/talks/log")
    assert answer.startswith("HTTP/1.1 101 Switching Protocols")
    assert "heard" in answer
    assert '{"type":"ADDED"' in dial("?watch=true&timeoutSeconds=1")


def test_logs_are_followed_to_the_end(newest: Kubectl) -> None:
    create(newest, pod("counts", restartPolicy="Never", container={
        "command": ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.3; done"],
    }))  # fmt: skip
    eventually(lambda: state(newest, "counts"))
    eventually(lambda: newest("logs counts -n dev").ok())
    assert newest("logs -f counts -n dev", seconds=15).ok().out == "1\n2\n3\n"
    assert newest("logs counts -n dev --tail=1 --timestamps").ok().out.endswith("Z 3\n")


def test_a_pod_in_its_nodes_network_may_listen_where_people_do(newest: Kubectl) -> None:
    listen = " ".join(f"listen {port};" for port in (8080, 8081, 8181, 8443))
    settings = f"daemon off; user root; events {{}} http {{ server {{ {listen} }} }}"
    serve = f"echo '{settings}' > /n.conf; exec nginx -c /n.conf"
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    container = {"command": ["sh", "-c", serve], "readinessProbe": probe}
    create(newest, pod("hosted", hostNetwork=True, container=container))
    ready(newest, "hosted")


def test_a_nodes_log_files_are_read_through_it(newest: Kubectl) -> None:
    create(newest, pod("wrote", container={"command": ["sh", "-c", "echo written; " + SLEEP[2]]}))
    ready(newest, "wrote")
    node, uid = newest("get pod wrote -n dev -o jsonpath={.spec.nodeName},{.metadata.uid}").ok().out.split(",")
    logs = f"/api/v1/nodes/{node}/proxy/logs"
    assert '<a href="pods/">' in newest(f"get --raw {logs}/").ok().out
    assert "written" in newest(f"get --raw {logs}/pods/dev_wrote_{uid}/c/0.log").ok().out


def test_a_pod_is_given_its_grace(newest: Kubectl) -> None:
    create(newest, pod("slow", terminationGracePeriodSeconds=2, container={
        "command": ["sh", "-c", "trap 'echo asked' TERM; while true; do sleep 0.1; done"],
    }))  # fmt: skip
    ready(newest, "slow")
    took = newest("delete pod slow -n dev", seconds=20).ok().seconds
    assert 1.8 < took < 8


def test_a_hook_runs_before_a_container_counts_as_ready_and_its_failure_ends_it(newest: Kubectl) -> None:
    hook = {"exec": {"command": ["sh", "-c", "sleep 1; date > /told"]}}
    create(newest, pod("hooked", container={"lifecycle": {"postStart": hook}}))
    ready(newest, "hooked")
    newest("exec hooked -n dev -- cat /told").ok()
    wrong = {"exec": {"command": ["sh", "-c", "exit 3"]}}
    create(newest, pod("unhooked", restartPolicy="Never", container={"lifecycle": {"postStart": wrong}}))

    def ended() -> None:
        assert "PostStartHook failed: command 'sh -c exit 3' exited with 3" in events(newest, "unhooked")
        assert status(newest, "unhooked")["phase"] in ("Failed", "Succeeded")

    eventually(ended)


def test_a_host_network_pod_has_its_nodes_address(newest: Kubectl) -> None:
    create(newest, pod("outside", hostNetwork=True))
    ready(newest, "outside")
    found = status(newest, "outside")
    assert found["podIP"] == found["hostIP"]


def test_the_machine_is_told_apart_by_name(newest: Kubectl) -> None:
    create(newest, pod("named"))
    ready(newest, "named")
    script = "hostname; cat /etc/hosts /etc/resolv.conf"
    out = newest.argv("exec", "named", "-n", "dev", "--", "sh", "-c", script).ok().out
    assert out.startswith("named\n")
    assert f"{status(newest, 'named')['podIP']}\tnamed" in out
    assert "nameserver 10.96.0.10\nsearch dev.svc.cluster.local svc.cluster.local cluster.local" in out
    assert "options ndots:5" in out


def test_the_sandbox_image_is_loaded_tagged_and_removed(newest: Kubectl) -> None:
    fairlead = newest.machine.fairlead
    fairlead("image", "tag", IMAGE, "mine:1").ok()
    assert "mine:1" in fairlead("image", "ls").ok().out
    create(newest, pod("mine", container={"image": "mine:1"}))
    ready(newest, "mine")
    newest("delete pod mine -n dev --now").ok()
    fairlead("image", "rm", "mine:1").ok()
    assert "mine:1" not in fairlead("image", "ls").ok().out
