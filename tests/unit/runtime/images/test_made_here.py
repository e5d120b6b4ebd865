"""Images that this machine makes of its Debian packages: what is in them, that they are made once, what is linked."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.runtime.images import elf, from_package, packages, python
from fairlead.runtime.images.recipe import BUILT_FROM
from fairlead.runtime.images.recipes import RECIPES
from fairlead.runtime.images.store import ImageStore
from fairlead.runtime.images.substitutes import alias_of, fallback_of
from fairlead.runtime.interface import Image, ImageFault
from tests.unit.runtime.images.layers import docker_archive, image, layer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="layers keep their owners: needs root")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    return ImageStore(tmp_path_factory.mktemp("images"))


def _inside(image: Image, path: str) -> Path:
    """Of the uppermost layer that has it; links lead to the image's own files."""
    for tree in reversed(image.layers):
        found = tree / path.lstrip("/")
        if found.is_symlink():
            return _inside(image, os.path.normpath(Path(path).parent / found.readlink()))
        if found.exists():
            return found
    raise AssertionError(f"no {path}")


def _run(root: Path, *argv: str) -> str:
    """In the tree alone, with a /proc, by which $ORIGIN is found."""
    (root / "proc").mkdir(exist_ok=True)
    script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, str(root), *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_made_once_is_found_again(store: ImageStore) -> None:
    made = from_package.build(store, "nginx", "nginx:1.17.1")
    assert made.command == ("nginx", "-g", "daemon off;")
    assert "Debian package nginx" in made.labels[BUILT_FROM]
    assert "<title>Welcome to nginx!</title>" in _inside(made, "/usr/share/nginx/html/index.html").read_text()
    assert _inside(made, "/usr/sbin/nginx").stat().st_mode & 0o111
    found = from_package.find(store, "nginx")
    assert found is not None
    assert found.id == made.id
    assert from_package.make(store, "nginx").id == made.id


def test_the_controllers_image_has_all_that_it_runs(store: ImageStore) -> None:
    made = from_package.make(store, "ingress-controller")
    assert made.command == ("/nginx-ingress-controller",)
    assert "Fairlead with Debian package nginx" in made.labels[BUILT_FROM]
    start = _inside(made, "/nginx-ingress-controller")
    assert stat.S_IMODE(start.stat().st_mode) == 0o755
    assert _inside(made, f"{python.SOURCE}/fairlead/__main__.py").read_bytes()
    # cap_net_bind_service, as whoever it runs (capability.h, VFS_CAP_REVISION_2)
    capability = os.getxattr(_inside(made, "/usr/sbin/nginx"), "security.capability")
    assert capability[:8] == bytes.fromhex("0100000200040000")
    for path in (
        "usr/local/lib/libmimalloc.so",
        "usr/lib/nginx/modules/ngx_http_lua_module.so",
        "usr/share/lua/5.1/resty/core.lua",
        "wait-shutdown",
    ):
        assert _inside(made, path).is_file()
    base, own = made.layers
    assert _run(base, python.PROGRAM, "-c", "import ssl, json, asyncio, ctypes; print('there')") == "there\n"
    paths = {"PYTHONPATH": f"{own}{python.SOURCE}:{base}{python.LIBRARIES}"}
    code = "import fairlead.ingress.part, fairlead.cli.main, sys; print(sys.modules['msgspec'].__file__)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, env=paths, check=False)
    assert done.stdout.startswith(f"{base}{python.LIBRARIES}"), done.stderr


def test_a_package_without_a_recipe_comes_with_all_that_it_depends_on() -> None:
    needed = packages.all_dependencies("bind9-dnsutils")
    assert {"bind9-libs", "libuv1"} <= {*needed}
    assert not {"dpkg", "adduser", "passwd"} & {*needed}
    assert len(needed) == len({*needed})


@pytest.mark.skipif("tomcat10-common" not in packages.versions(["tomcat10-common"]), reason="needs tomcat10-common")
def test_tomcats_image_is_laid_out_as_upstreams(store: ImageStore) -> None:
    made = from_package.build(store, "tomcat", "tomcat:8.5-jre10-slim")
    assert made.working_dir == "/usr/local/tomcat"
    assert "successfully installed Tomcat" in _inside(made, "/usr/local/tomcat/webapps/ROOT/index.html").read_text()
    assert "Runtime Environment" in _run(made.layers[0], "/usr/local/bin/java", "--version")


def test_another_fact_is_another_image(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = from_package.find(store, "nginx")
    monkeypatch.setattr(packages, "versions", lambda names: {"nginx-light": "9.9"})
    assert before is not None
    assert from_package.find(store, "nginx") is None


def test_what_is_not_installed_is_told_by_name(store: ImageStore) -> None:
    with pytest.raises(ImageFault, match="no Debian package no-such is installed here: apt-get install no-such"):
        from_package.make(store, "no-such")


def test_libraries_are_those_that_ldd_finds() -> None:
    programs = [found for name in ("bash", "curl", "nginx", "ip", "python3") if (found := packages.program(name))]
    modules = [str(path) for path in Path("/usr/lib/nginx/modules").glob("*.so")]
    here = [*programs, *modules, *(source for source, _ in python.interpreter() if source.endswith(".so"))]
    done = subprocess.run(["ldd", *sorted({os.path.realpath(path) for path in here})], capture_output=True, check=False)
    theirs = {os.path.realpath(path) for path in re.findall(rb"(?:=> )?(/\S+) \(0x", done.stdout)}
    assert {os.path.realpath(path).encode() for path in elf.libraries(here)} == theirs


def test_whatever_is_no_program_has_no_libraries(tmp_path: Path) -> None:
    for data in (b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + b"\0" * 60):
        (tmp_path / "x").write_bytes(data)
        assert elf.read(tmp_path / "x") is None
    assert elf.read(tmp_path / "none") is None


def test_names_of_images() -> None:
    for name in (
        "quay.io/kubernetes-ingress-controller/nginx-ingress-controller:0.30.0",
        "registry.k8s.io/ingress-nginx/controller:v1.12.1@sha256:" + "a" * 64,
        "k8s.gcr.io/ingress-nginx/controller",
    ):
        assert alias_of(name) == "ingress-controller"
        assert fallback_of(name) is None
    for name in ("registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.6.9", "jettech/kube-webhook-certgen:v1.5.0"):
        assert alias_of(name) == "webhook-certificate"
    assert fallback_of("busybox") == fallback_of("gcr.io/google-containers/busybox") == "busybox"
    assert fallback_of("tomcat:8.5-jre10-slim") == fallback_of("docker.io/library/tomcat") == "tomcat"
    for name in ("example.org/nginx:1", "someone/tomcat", "UPPER", ""):
        assert alias_of(name) is fallback_of(name) is None
    assert {"ingress-controller", "webhook-certificate", fallback_of("nginx")} <= RECIPES.keys()


def test_attributes_of_files_in_layers_are_kept(tmp_path: Path) -> None:
    from fairlead.runtime.images import archive

    capability = "\x01\x00\x00\x02\x00\x04" + "\x00" * 14
    data = layer(("file", "bin/web", "x"), attributes={"bin/web": {"security.capability": capability}})
    images = ImageStore(tmp_path / "images")
    archive.load(images, docker_archive(tmp_path / "x.tar", image(data), "x:1"))
    found = images.resolve("x:1")
    assert found is not None
    assert os.getxattr(found.layers[0] / "bin/web", "security.capability") == capability.encode()
