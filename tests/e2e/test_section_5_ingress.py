"""Section 5: ingress-nginx's published manifests, the chapter's application, HTTP and HTTPS by host names, by kubectl,
openssl, curl and a browser."""

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import CHAPTER
from tests.e2e.kubectl import Kubectl, installed
from tests.e2e.machine import Machine, Result, eventually

pytestmark = pytest.mark.e2e

HOSTS = "nginx.itheima.com,tomcat.itheima.com"
NODE = "192.168.109.100"
CONTROLLER = f"{CHAPTER}/ingress-controller"
CREATED = """\
namespace/ingress-nginx created
configmap/nginx-configuration created
configmap/tcp-services created
configmap/udp-services created
serviceaccount/nginx-ingress-serviceaccount created
clusterrole.rbac.authorization.k8s.io/nginx-ingress-clusterrole created
role.rbac.authorization.k8s.io/nginx-ingress-role created
rolebinding.rbac.authorization.k8s.io/nginx-ingress-role-nisa-binding created
clusterrolebinding.rbac.authorization.k8s.io/nginx-ingress-clusterrole-nisa-binding created
deployment.apps/nginx-ingress-controller created
limitrange/ingress-nginx created
service/ingress-nginx created
"""
BROWSER = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--ignore-certificate-errors", "--dump-dom",
    f"--host-resolver-rules=MAP *.itheima.com {NODE}",
)  # fmt: skip


# What is the server's doing alone is looked at with one kubectl.
once = pytest.mark.parametrize("walk", sorted(installed())[-1:], indirect=True)


@dataclass(frozen=True, slots=True)
class Walk:
    """A cluster as far as section 5.2, by one kubectl. `http` and `https`: the controller's node ports."""

    machine: Machine
    kubectl: Kubectl
    created: Result
    http: int
    https: int
    address: str  # the ClusterIP of the Service ingress-nginx

    def curl(self, *arguments: str) -> str:
        """From outside of the cluster, as the chapter's reader does."""
        return self.machine.run(["curl", "-sS", "--max-time", "10", *arguments]).ok().out

    def page(self, host: str, path: str = "/") -> str:
        return self.curl("-H", f"Host: {host}", f"{NODE}:{self.http}{path}")

    def subject(self, host: str) -> str:
        """Of the certificate that a client of this name is shown."""
        asked = ["openssl", "s_client", "-connect", f"{NODE}:{self.https}", "-servername", host]
        shown = self.machine.run(asked).out
        found = re.search(r"^subject=(.*)$", shown, re.MULTILINE)
        return found[1] if found else shown

    def browse(self, url: str, profile: Path) -> str:
        return self.machine.run([*BROWSER, f"--user-data-dir={profile}", url], seconds=60).ok().out


@pytest.fixture(scope="module", params=sorted(installed()))
def walk(request: pytest.FixtureRequest, cluster: Machine) -> Iterator[Walk]:
    kubectl = Kubectl(cluster, installed()[request.param])
    created = kubectl(f"apply -f {CONTROLLER}").ok()
    try:
        kubectl("wait --for=condition=Available deploy/nginx-ingress-controller -n ingress-nginx --timeout=60s").ok()
        kubectl("create ns dev").ok()
        kubectl(f"create -f {CHAPTER}/tomcat-nginx.yaml").ok()
        for name in ("nginx", "tomcat"):
            kubectl(f"rollout status deployment/{name}-deployment -n dev --timeout=90s").ok()
        (service,) = kubectl.rows("get svc -n ingress-nginx")
        ports = re.fullmatch(r"80:(3\d{4})/TCP,443:(3\d{4})/TCP", service["PORT(S)"])
        assert ports
        yield Walk(cluster, kubectl, created, int(ports[1]), int(ports[2]), service["CLUSTER-IP"])
    finally:
        kubectl("delete ns dev", seconds=90).ok()
        kubectl(f"delete -f {CONTROLLER} --ignore-not-found", seconds=90).ok()


@pytest.fixture
def http(walk: Walk) -> Iterator[Result]:
    yield walk.kubectl(f"create -f {CHAPTER}/ingress-http.yaml").ok()
    walk.kubectl(f"delete -f {CHAPTER}/ingress-http.yaml").ok()


@pytest.fixture
def https(walk: Walk) -> Iterator[Result]:
    yield walk.kubectl(f"create -f {CHAPTER}/ingress-https.yaml").ok()
    walk.kubectl(f"delete -f {CHAPTER}/ingress-https.yaml").ok()


def test_upstreams_manifests_make_twelve_objects_and_a_controller_that_runs_soon(walk: Walk) -> None:
    assert walk.created.out == CREATED
    assert "rbac.authorization.k8s.io/v1beta1 ClusterRole is deprecated in v1.17+" in walk.created.err
    (pod,) = walk.kubectl.rows("get pod -n ingress-nginx")
    assert re.fullmatch(r"nginx-ingress-controller-[a-z0-9]{8,10}-[a-z0-9]{5}", pod["NAME"])
    assert (pod["READY"], pod["STATUS"], pod["RESTARTS"]) == ("1/1", "Running", "0")
    told = walk.kubectl("get events -n ingress-nginx").ok().out
    assert "(not the upstream image: built from Fairlead with Debian package nginx" in told
    again = walk.kubectl(f"apply -f {CONTROLLER}").ok().out
    # The list of limits is one value to a patch, and the server has added a default to it: kubectl sends it each time.
    assert again == CREATED.replace("created", "unchanged").replace(
        "limitrange/ingress-nginx unchanged", "limitrange/ingress-nginx configured"
    )


def test_the_controller_is_user_101_and_may_only_bind_ports(walk: Walk) -> None:
    looked = "exec -n ingress-nginx deploy/nginx-ingress-controller -- "
    assert "uid=101(www-data) gid=101(www-data)" in walk.kubectl(looked + "id").ok().out
    assert "nginx version: nginx/" in walk.kubectl(looked + "/nginx-ingress-controller --version").ok().out
    status = walk.kubectl(looked + "cat /proc/1/status").ok().out
    assert "CapEff:\t0000000000000000\n" in status
    assert "CapBnd:\t0000000000000400\n" in status  # cap_net_bind_service alone


@once
def test_a_controller_that_is_deleted_while_it_starts_goes_at_once(walk: Walk) -> None:
    """Its manifest gives it five minutes to drain, which it must not need before it has begun."""
    for pause in (0.0, 0.5, 1.0):
        walk.kubectl("delete pod -n ingress-nginx --all --wait=false").ok()
        time.sleep(pause)
        walk.kubectl("delete pod -n ingress-nginx --all --timeout=30s").ok()
    walk.kubectl("rollout status deploy/nginx-ingress-controller -n ingress-nginx --timeout=60s").ok()


@once
def test_roles_and_limits_of_the_manifests_are_enforced(walk: Walk) -> None:
    account = "--as=system:serviceaccount:ingress-nginx:nginx-ingress-serviceaccount"
    for verb, resource, answer in (
        ("list", "secrets", "yes"),
        ("update", "ingresses.networking.k8s.io --subresource=status", "yes"),
        ("update", "ingresses.networking.k8s.io", "no"),
        ("list", "endpointslices.discovery.k8s.io", "no"),
    ):
        assert walk.kubectl(f"auth can-i {verb} {resource} -A {account}").out.strip() == answer, (verb, resource)
    limits = walk.kubectl("describe limits -n ingress-nginx").ok().out
    assert re.search(r"Container +memory +90Mi +- +90Mi +- +-", limits)
    requests = "{.items[0].spec.containers[0].resources.requests}"
    walk.kubectl("rollout restart deploy/nginx-ingress-controller -n ingress-nginx").ok()
    walk.kubectl("rollout status deploy/nginx-ingress-controller -n ingress-nginx --timeout=60s").ok()

    def given() -> None:
        found = walk.kubectl(f"get pods -n ingress-nginx -o jsonpath={requests}").ok().out
        assert '"cpu":"100m"' in found
        assert '"memory":"90Mi"' in found

    eventually(given)
    small = (
        '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"small"},"spec":{"containers":[{"name":"c","image":'
        '"nginx:1.17.1","resources":{"requests":{"cpu":"10m"}}}]}}'
    )
    refused = walk.kubectl("create -n ingress-nginx -f -", stdin=small)
    assert 'pods "small" is forbidden: minimum cpu usage per Container is 100m, but request is 10m' in refused.err


def test_hosts_lead_to_their_pods_over_http(walk: Walk, http: Result, tmp_path: Path) -> None:
    assert http.out == "ingress.extensions/ingress-http created\n"
    assert "Warning: extensions/v1beta1 Ingress is deprecated in v1.14+" in http.err
    (row,) = walk.kubectl.rows("get ing ingress-http -n dev")
    assert (row["NAME"], row["CLASS"], row["HOSTS"], row["PORTS"]) == ("ingress-http", "<none>", HOSTS, "80")
    old = walk.kubectl("get ingresses.v1beta1.extensions ingress-http -n dev").ok().out
    assert re.match(r"NAME +HOSTS +ADDRESS +PORTS +AGE\n", old)  # the chapter's own header

    pods = walk.kubectl.rows("get pods -n dev -o wide")
    described = walk.kubectl("describe ing ingress-http -n dev").ok().out
    for name, port in (("nginx", 80), ("tomcat", 8080)):
        addresses = sorted(f"{pod['IP']}:{port}" for pod in pods if pod["NAME"].startswith(name))
        rule = re.search(rf"  {name}\.itheima\.com +\n +/ +{name}-service:{port} \((.*)\)\n", described)
        assert rule
        assert sorted(rule[1].split(",")) == addresses

    def reached() -> None:
        assert "<title>Welcome to nginx!</title>" in walk.page("nginx.itheima.com")
        assert "successfully installed Tomcat" in walk.page("tomcat.itheima.com")

    eventually(reached, 30)
    assert "404 Not Found" in walk.page("other.itheima.com")
    if shutil.which("chromium"):
        url = f"http://tomcat.itheima.com:{walk.http}/"
        assert "<h1>Apache Tomcat</h1>" in walk.browse(url, tmp_path / "profile")


def _certificate(walk: Walk, folder: Path, name: str) -> str:
    """The options of `create secret tls` for a new one, made by the chapter's command."""
    command = ["openssl", "req", "-x509", "-sha256", "-nodes", "-days", "365", "-newkey", "rsa:2048"]
    key, crt = folder / f"{name}.key", folder / f"{name}.crt"
    subject = f"/C=CN/ST=BJ/L=BJ/O=nginx/CN={name}"
    walk.machine.run([*command, "-keyout", key, "-out", crt, "-subj", subject]).ok()
    return f"--key {key} --cert {crt}"


def test_https_is_by_the_secrets_certificate_and_http_leads_there(walk: Walk, https: Result, tmp_path: Path) -> None:
    assert https.out == "ingress.extensions/ingress-https created\n"

    def addressed() -> None:
        (row,) = walk.kubectl.rows("get ing ingress-https -n dev")
        assert (row["HOSTS"], row["ADDRESS"], row["PORTS"]) == (HOSTS, walk.address, "80, 443")

    eventually(addressed, 50)  # as the chapter waits for it
    # The chapter makes its Secret in the namespace default, where the Ingress does not look for it.
    options = _certificate(walk, tmp_path, "itheima.com")
    assert walk.kubectl(f"create secret tls tls-secret {options}").ok().out == "secret/tls-secret created\n"
    walk.kubectl("delete secret tls-secret").ok()
    assert "itheima" not in walk.subject("nginx.itheima.com")
    assert walk.kubectl(f"create secret tls tls-secret -n dev {options}").ok().out == "secret/tls-secret created\n"
    try:
        eventually(lambda: _same(walk.subject("nginx.itheima.com").endswith("CN = itheima.com"), True))
        resolve = f"nginx.itheima.com:{walk.https}:{NODE}"
        page = walk.curl("-k", "--resolve", resolve, f"https://nginx.itheima.com:{walk.https}/")
        assert "<title>Welcome to nginx!</title>" in page
        redirected = walk.curl(
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{redirect_url}",
            "-H",
            "Host: nginx.itheima.com",
            f"{NODE}:{walk.http}/a?b=c",
        )
        assert redirected == "308 https://nginx.itheima.com/a?b=c"
        if shutil.which("chromium"):
            url = f"https://nginx.itheima.com:{walk.https}/"
            assert "<h1>Welcome to nginx!</h1>" in walk.browse(url, tmp_path / "profile")
        described = walk.kubectl("describe ing ingress-https -n dev").ok().out
        assert f"TLS:\n  tls-secret terminates {HOSTS}\n" in described
        for reason in ("CREATE", "UPDATE"):
            assert re.search(rf"Normal +{reason} +\S+ .*nginx-ingress-controller +Ingress dev/ingress-https", described)
        another = _certificate(walk, tmp_path, "second.itheima.com")
        manifest = walk.kubectl(f"create secret tls tls-secret -n dev {another} --dry-run=client -o yaml").ok().out
        walk.kubectl("replace -f -", stdin=manifest).ok()
        began = time.monotonic()
        eventually(lambda: _same(walk.subject("nginx.itheima.com").endswith("CN = second.itheima.com"), True))
        assert time.monotonic() - began < 5
    finally:
        walk.kubectl("delete secret tls-secret -n dev").ok()


def _same(found: object, wanted: object) -> None:
    assert found == wanted


def test_kubectl_makes_an_ingress_that_is_seen_in_every_version(walk: Walk) -> None:
    rules = "--rule=shop.example.com/cart*=nginx-service:80 --rule=shop.example.com/=tomcat-service:8080,tls=shop"
    made = walk.kubectl(f"create ingress shop -n dev {rules}").ok()
    assert made.out == "ingress.networking.k8s.io/shop created\n"
    for version, backend in (
        ("v1.networking.k8s.io", "{.spec.rules[0].http.paths[*].backend.service.port.number}"),
        ("v1beta1.networking.k8s.io", "{.spec.rules[0].http.paths[*].backend.servicePort}"),
        ("v1beta1.extensions", "{.spec.rules[0].http.paths[*].backend.servicePort}"),
    ):
        found = walk.kubectl(f"get ingresses.{version} shop -n dev -o jsonpath={backend}").ok().out
        assert found == "80 8080"
    annotated = walk.kubectl("annotate ingresses.v1beta1.extensions shop -n dev a=b").ok().out
    assert annotated == "ingress.extensions/shop annotated\n"
    types = walk.kubectl("get ing shop -n dev -o jsonpath={.spec.rules[0].http.paths[*].pathType}").ok().out
    assert types == "Prefix Exact"
    assert walk.kubectl("delete ing shop -n dev").ok().out == 'ingress.networking.k8s.io "shop" deleted\n'


def test_an_applied_manifest_of_v1beta1_is_merged_three_ways(walk: Walk) -> None:
    manifest = (CHAPTER / "ingress-http.yaml").read_text()
    assert "ingress-http created" in walk.kubectl("apply -f -", stdin=manifest).ok().out
    walk.kubectl("label ing ingress-http -n dev kept=yes").ok()
    changed = manifest.replace("path: /\n", "path: /app\n").replace("servicePort: 8080", "servicePort: http")
    assert "ingress-http configured" in walk.kubectl("apply -f -", stdin=changed).ok().out
    # Rules are one value to a patch, and the server has added path types to them: kubectl sends them each time, which
    # changes nothing.
    revision = "get ing ingress-http -n dev -o jsonpath={.metadata.resourceVersion}"
    before = walk.kubectl(revision).ok().out
    assert "ingress-http configured" in walk.kubectl("apply -f -", stdin=changed).ok().out
    assert walk.kubectl(revision).ok().out == before
    query = "{.metadata.labels.kept} {.spec.rules[*].http.paths[*].path} {.spec.rules[1].http.paths[0].backend.service}"
    found = walk.kubectl.argv("get", "ing", "ingress-http", "-n", "dev", "-o", f"jsonpath={query}").ok().out
    assert found == 'yes /app /app {"name":"tomcat-service","port":{"name":"http"}}'
    invalid = walk.kubectl("apply -f -", stdin=manifest.replace("path: /\n", "path: app\n"))
    assert 'spec.rules[0].http.paths[0].path: Invalid value: "app": must be an absolute path' in invalid.err
    walk.kubectl("delete ing ingress-http -n dev").ok()
