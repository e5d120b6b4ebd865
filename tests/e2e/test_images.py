"""Pods whose images come from a registry, from an archive, or do not come."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from tests.docker_registry import configured, serving
from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import Machine, eventually
from tests.unit.runtime.images.layers import Made, docker_archive

pytestmark = pytest.mark.e2e

PORT = 5000
WEB = "localhost:5000/team/web:1"


def _the_chapters(machine: Machine) -> Made:
    """The image that the cluster has already, as one that somebody else has built."""
    folder = Path(f"/proc/{machine.pid}/root/var/lib/fairlead/images")

    def blob(digest: str) -> bytes:
        return (folder / "blobs" / digest.replace(":", "/")).read_bytes()

    manifest = json.loads(
        blob(json.loads((folder / "index.json").read_text())["docker.io/library/nginx:1.17.1"]["digest"])
    )
    config = json.loads(blob(manifest["config"]["digest"]))
    config["config"]["Labels"] = {"built-by": "somebody else"}
    layers = tuple(gzip.compress(blob(layer["digest"]), 1) for layer in manifest["layers"])
    return Made(json.dumps(config).encode(), layers)


@pytest.mark.skipif(shutil.which("docker-registry") is None, reason="needs Debian's package docker-registry")
def test_a_node_pulls_from_a_registry_when_a_pod_asks(newest: Kubectl, tmp_path: Path) -> None:
    with serving(tmp_path) as registry:
        registry.push("team/web", "1", _the_chapters(newest.machine))
    config = configured(tmp_path, f"127.0.0.1:{PORT}")
    serve = f"docker-registry serve {config} > {tmp_path}/log 2>&1 & echo $!"
    pid = newest.machine.on_node("node1", "sh", "-c", serve).ok().out.strip()
    try:
        overrides = json.dumps({"spec": {"nodeName": "node1"}})
        newest.argv("run", "web", "-n", "dev", f"--image={WEB}", f"--overrides={overrides}").ok()
        newest("wait --for=condition=Ready pod/web -n dev --timeout=20s").ok()
        told = newest("get events -n dev --field-selector involvedObject.name=web").ok().out
        assert f'Pulling image "{WEB}"' in told
        assert f'Successfully pulled image "{WEB}" in ' in told
        newest("delete pod web -n dev").ok()
        newest.argv("run", "web", "-n", "dev", f"--image={WEB}", f"--overrides={overrides}").ok()
        newest("wait --for=condition=Ready pod/web -n dev --timeout=20s").ok()
        told = newest("get events -n dev --field-selector involvedObject.name=web").ok().out
        assert f'Container image "{WEB}" already present on machine' in told
        missing = WEB.replace(":1", ":2")
        newest.argv("run", "none", "-n", "dev", f"--image={missing}", f"--overrides={overrides}").ok()

        def refused() -> None:
            told = newest("get events -n dev --field-selector involvedObject.name=none").ok().out
            assert f'Failed to pull image "{missing}"' in told
            assert "not found" in told
            assert "Error: ErrImagePull" in told
            assert "Error: ImagePullBackOff" in told

        eventually(refused, 20)
    finally:
        newest.machine.run(["kill", pid])
        newest.machine.fairlead("image", "rm", WEB)


def test_an_image_that_was_loaded_runs(newest: Kubectl, tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "web.tar", _the_chapters(newest.machine), "loaded/web:1")
    assert newest.machine.fairlead("image", "load", str(path)).ok().out == "Loaded image: loaded/web:1\n"
    assert "loaded/web:1" in newest.machine.fairlead("image", "ls").ok().out
    newest("run web -n dev --image=loaded/web:1 --image-pull-policy=Never").ok()
    newest("wait --for=condition=Ready pod/web -n dev --timeout=20s").ok()
    newest.machine.fairlead("image", "rm", "loaded/web:1").ok()
    # A pod that runs keeps its files; a new one finds no image.
    newest("exec web -n dev -- nginx -v").ok()
    newest("run other -n dev --image=loaded/web:1 --image-pull-policy=Never").ok()

    def never() -> None:
        assert newest.rows("get pod other -n dev")[0]["STATUS"] == "ErrImageNeverPull"

    eventually(never)


def test_somebody_looks_around_with_busybox(newest: Kubectl) -> None:
    """Where no registry can be reached; as the documentation of Services does."""
    look = "nslookup kubernetes.default && nslookup no.such; wget -T 5 -qO- kube-dns.kube-system:9153/metrics"
    newest.argv("run", "look", "--restart=Never", "--image=busybox:1.28", "--", "sh", "-c", look).ok()
    newest("wait --for=jsonpath={.status.phase}=Succeeded pod/look --timeout=20s").ok()
    seen = newest("logs look").ok().out
    newest("delete pod look").ok()
    assert "Server:    10.96.0.10\nAddress 1: 10.96.0.10 kube-dns.kube-system.svc.cluster.local\n" in seen
    assert "Name:      kubernetes.default\nAddress 1: 10.96.0.1 kubernetes.default.svc.cluster.local\n" in seen
    assert "nslookup: can't resolve 'no.such'" in seen
    assert "coredns_dns_requests_total" in seen
