"""Images from archives: what they say, what their layers hold, and that no layer writes outside of its tree."""

import gzip
import os
import stat
from pathlib import Path

import pytest

from fairlead.runtime.images import archive
from fairlead.runtime.images.store import ImageStore
from fairlead.runtime.interface import ImageFault
from tests.unit.runtime.images.layers import Made, docker_archive, image, layer, oci_archive

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="layers keep their owners: needs root")

WEB = image(
    layer(("dir", "etc", ""), ("file", "etc/page", "old"), ("file", "etc/gone", "x")),
    layer(("file", "etc/page", "new"), ("file", "etc/.wh.gone", "")),
    Entrypoint=["/bin/web"],
    Cmd=["-f"],
    Env=["A=1"],
    WorkingDir="/srv",
    User="7:8",
    StopSignal="SIGQUIT",
    Labels={"a": "b"},
)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.mark.parametrize("form", [docker_archive, oci_archive])
@pytest.mark.parametrize("compressed", [False, True])
def test_an_archive_is_loaded_whole(store: ImageStore, tmp_path: Path, form: object, compressed: bool) -> None:
    assert callable(form)
    path = form(tmp_path / "web.tar", WEB, "example.org/web:1")
    if compressed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert archive.load(store, path) == ["example.org/web:1"]
    found = store.resolve("example.org/web:1")
    assert found is not None
    assert (found.entrypoint, found.command, found.env) == (("/bin/web",), ("-f",), ("A=1",))
    assert (found.working_dir, found.user, found.stop_signal) == ("/srv", "7:8", "SIGQUIT")
    lower, upper = found.layers
    assert (lower / "etc/page").read_text() == "old"
    assert (upper / "etc/page").read_text() == "new"
    hidden = (upper / "etc/gone").stat()
    assert stat.S_ISCHR(hidden.st_mode)
    assert hidden.st_rdev == 0
    assert [each.name for each in store.list()] == ["example.org/web:1"]


def test_names_lead_to_what_is_there_and_the_last_takes_it_along(store: ImageStore, tmp_path: Path) -> None:
    archive.load(store, docker_archive(tmp_path / "web.tar", WEB, "web:1"))
    store.tag("web:1", "other")
    assert store.resolve("docker.io/library/other:latest") is not None
    store.remove("web:1")
    assert store.resolve("web:1") is None
    assert store.resolve("other") is not None
    store.remove("other")
    assert list((store.folder / "layers").iterdir()) == []
    assert list((store.folder / "blobs/sha256").iterdir()) == []
    with pytest.raises(ImageFault, match="No such image: other"):
        store.remove("other")
    with pytest.raises(ImageFault, match="No such image: other"):
        store.tag("other", "third")


OUTSIDE = [
    layer(("file", "../escaped", "x")),
    layer(("file", "a/../../escaped", "x")),
    layer(("link", "a", "/"), ("file", "a/escaped", "x")),
    layer(("link", "a", "../../../.."), ("file", "a/b/escaped", "x")),
    layer(("link", "a", "b"), ("link", "b", "/etc"), ("file", "a/escaped", "x")),
    layer(("hard", "escaped", "/../../../../etc/hostname")),
    layer(("file", "..", "x")),
    layer(("link", "a", "a"), ("file", "a/b", "x")),
]


@pytest.mark.parametrize("data", OUTSIDE)
def test_no_layer_writes_outside_of_its_tree(store: ImageStore, tmp_path: Path, data: bytes) -> None:
    """As in a container: a link or `..` leads to somewhere in the layer, or the layer is refused."""
    path = docker_archive(tmp_path / "bad.tar", image(data), "bad:1")
    try:
        archive.load(store, path)
    except ImageFault:
        assert store.resolve("bad:1") is None
    folders = [
        Path("/"),
        Path("/etc"),
        *store.folder.parents,
        store.folder,
        store.folder / "tmp",
        store.folder / "layers",
    ]
    assert not [folder for folder in folders if os.path.lexists(folder / "escaped")]
    assert list((store.folder / "tmp").iterdir()) == []


def test_links_in_a_layer_lead_where_they_would_in_a_container(store: ImageStore, tmp_path: Path) -> None:
    data = layer(
        ("dir", "run", ""),
        ("link", "var/run", "/run"),
        ("file", "var/run/pid", "1"),
        ("hard", "copy", "/run/pid"),
        ("file", "twice", "1"),
        ("dir", "twice", ""),
        ("dir", "hidden", ""),
        ("file", "hidden/.wh..wh..opq", ""),
    )
    archive.load(store, docker_archive(tmp_path / "x.tar", image(data), "x:1"))
    found = store.resolve("x:1")
    assert found is not None
    (tree,) = found.layers
    assert (tree / "run/pid").read_text() == "1"
    assert (tree / "copy").samefile(tree / "run/pid")
    assert (tree / "twice").is_dir()
    assert os.getxattr(tree / "hidden", "trusted.overlay.opaque") == b"y"


def _cut(made: Made) -> Made:
    return Made(made.config, tuple(data[: len(data) // 2] for data in made.layers))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"nothing", "not a tar archive"),
        (b"", "not a tar archive"),
        (layer(("file", "x", "y")), "neither a docker nor an OCI archive"),
        (layer(("file", "manifest.json", "[{}]")), "manifest"),
        (layer(("file", "manifest.json", "{")), "manifest"),
        (layer(("file", "manifest.json", '[{"Config": "none", "Layers": []}]')), "lacks none"),
        (layer(("file", "index.json", "{}")), "index"),
    ],
)
def test_archives_that_are_none(store: ImageStore, tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "bad.tar"
    path.write_bytes(data)
    with pytest.raises(ImageFault, match=text):
        archive.load(store, path)


def test_a_layer_that_is_cut_is_refused_and_leaves_nothing(store: ImageStore, tmp_path: Path) -> None:
    big = image(layer(("file", "x", "y" * 100_000), ("file", "z", os.urandom(50_000).hex())))
    with pytest.raises(ImageFault, match="failed to extract layer"):
        archive.load(store, oci_archive(tmp_path / "bad.tar", _cut(big), "bad:1"))
    assert list((store.folder / "tmp").iterdir()) == []
    assert list((store.folder / "layers").iterdir()) == []
