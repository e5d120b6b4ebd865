"""A webhook in the cluster: two Jobs make its certificate and the trust in it, as ingress-nginx's manifests have them,
and the API server calls it by its Service."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import eventually

pytestmark = pytest.mark.e2e

Json = dict[str, Any]
IMAGES = "registry.k8s.io/ingress-nginx"
HOOK, SECRET = "check.dev.example.com", "hook-tls"
DENIED = f'admission webhook "{HOOK}" denied the request: '


def obj(kind: str, name: str, api: str = "v1", **more: Any) -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **more}


def job(name: str, *arguments: str) -> Json:
    container = {"name": "c", "image": f"{IMAGES}/kube-webhook-certgen:v1.6.9", "args": [name, *arguments]}
    pod = {"restartPolicy": "OnFailure", "serviceAccountName": "hook", "containers": [container]}
    return obj("Job", name, "batch/v1", spec={"template": {"spec": pod}})


def controller() -> Json:
    flags = [f"--validating-webhook-{flag}=/tls/{file}" for flag, file in (("certificate", "cert"), ("key", "key"))]
    container = {
        "name": "controller",
        "image": f"{IMAGES}/controller:v1.15.1",
        "args": [
            "/nginx-ingress-controller",
            "--controller-class=example.com/checked",
            "--validating-webhook=:8443",
            *flags,
        ],
        "env": [{"name": "POD_NAMESPACE", "value": "dev"}, {"name": "POD_NAME", "value": "controller"}],
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 10254}, "periodSeconds": 1},
    }
    volume = {"name": "tls", "secret": {"secretName": SECRET}}
    spec = {"serviceAccountName": "hook", "containers": [container], "volumes": [volume]}
    made = obj("Pod", "controller", spec=spec)
    made["metadata"]["labels"] = {"app": "hook"}
    return made


def configuration() -> Json:
    rule = {
        "apiGroups": ["networking.k8s.io"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["ingresses"],
    }
    hook = {
        "name": HOOK,
        "clientConfig": {"service": {"namespace": "dev", "name": "hook", "path": "/check"}},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "dev"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    api = "admissionregistration.k8s.io/v1"
    return obj("ValidatingWebhookConfiguration", "hook", api, webhooks=[hook])


@pytest.fixture
def checked(newest: Kubectl) -> Iterator[Kubectl]:
    subject = {"kind": "ServiceAccount", "name": "hook", "namespace": "dev"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = obj("ClusterRoleBinding", "hook", "rbac.authorization.k8s.io/v1", subjects=[subject], roleRef=role)
    service = obj("Service", "hook", spec={"selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": 8443}]})
    secret = ("--namespace=dev", f"--secret-name={SECRET}")
    made = [
        obj("IngressClass", "checked", "networking.k8s.io/v1", spec={"controller": "example.com/checked"}),
        obj("ServiceAccount", "hook"),
        binding,
        service,
        controller(),
        job("create", "--host=hook.dev.svc", *secret),
        job("patch", "--webhook-name=hook", "--patch-mutating=false", *secret),
        configuration(),
    ]
    newest("apply -n dev -f -", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": made})).ok()
    yield newest
    newest("delete validatingwebhookconfiguration/hook clusterrolebinding/hook ingressclass/checked").ok()


def test_ingresses_are_judged_by_a_webhook_whose_certificate_two_jobs_have_made(checked: Kubectl) -> None:
    ingress = "create ingress -n dev --class=checked --rule=a.example.com/*=web:80"
    refused = checked(f"{ingress} early")
    assert (
        f'failed calling webhook "{HOOK}": failed to call webhook: Post "https://hook.dev.svc:443/check' in refused.err
    )
    checked("wait -n dev --for=condition=complete job/create job/patch --timeout=60s", seconds=70).ok()
    checked("wait -n dev --for=condition=ready pod/controller --timeout=60s", seconds=70).ok()
    eventually(lambda: checked(f"{ingress} good").ok())
    taken = checked("create ingress -n dev --class=checked --rule=a.example.com/*=other:80 second")
    assert f'{DENIED}host "a.example.com" and path "/" is already defined in ingress dev/good' in taken.err
    checked("create ingress -n default --class=elsewhere --rule=a.example.com/*=other:80 second").ok()
    checked("delete ingress -n default second").ok()
    table = checked.rows("get jobs -n dev")
    assert [(row["NAME"], row["STATUS"], row["COMPLETIONS"]) for row in table] == [
        ("create", "Complete", "1/1"),
        ("patch", "Complete", "1/1"),
    ]


def test_kubectl_makes_a_job_and_waits_for_it(newest: Kubectl) -> None:
    newest("create job -n dev hello --image=nginx:1.17.1 -- echo hello").ok()
    newest("wait -n dev --for=condition=complete job/hello --timeout=20s").ok()
    assert newest("logs -n dev job/hello").ok().out == "hello\n"
    newest("delete job -n dev hello").ok()
    newest("wait -n dev --for=delete pod -l job-name=hello --timeout=10s").ok()
