"""Images from a registry: Debian's docker-registry, on this sandbox's loopback."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.runtime.images import registry
from fairlead.runtime.images.store import ImageStore
from fairlead.runtime.interface import ImageFault
from tests.docker_registry import Registry, serving
from tests.unit.runtime.images.layers import digest, image, layer

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(shutil.which("docker-registry") is None, reason="needs Debian's package docker-registry"),
]

WEB = image(layer(("file", "page", "old")), layer(("file", "page", "new")), Cmd=["web"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def test_an_image_is_pulled_by_tag_and_by_digest(served: Registry, store: ImageStore) -> None:
    served.push("team/web", "1", WEB)
    pulled = registry.pull(store, f"{served.host}/team/web:1")
    assert pulled.id == digest(WEB.config)
    assert (pulled.layers[-1] / "page").read_text() == "new"
    by_digest = f"{served.host}/team/web@{digest(WEB.manifest)}"
    assert registry.pull(store, by_digest).id == pulled.id
    assert {each.name for each in store.list()} == {f"{served.host}/team/web:1", by_digest}


def test_an_index_gives_this_machines_image(served: Registry, store: ImageStore) -> None:
    other = image(layer(("file", "page", "other")))
    served.push_index("many", "1", {"s390x": other, registry.ARCHITECTURE: WEB})
    assert registry.pull(store, f"{served.host}/many:1").id == digest(WEB.config)
    served.push_index("foreign", "1", {"s390x": other})
    with pytest.raises(ImageFault, match="no match for platform in manifest"):
        registry.pull(store, f"{served.host}/foreign:1")


@pytest.mark.parametrize("name", ["none:1", "team/web:none", "team/web@sha256:" + "0" * 64])
def test_what_is_not_there(served: Registry, store: ImageStore, name: str) -> None:
    with pytest.raises(ImageFault, match="not found"):
        registry.pull(store, f"{served.host}/{name}")
    assert store.list() == []


def test_a_registry_that_is_not_there(store: ImageStore) -> None:
    with pytest.raises(ImageFault, match="failed to resolve reference"):
        registry.pull(store, "127.0.0.1:1/web:1")


def test_a_layer_that_was_changed_on_its_way_is_refused(served: Registry, store: ImageStore) -> None:
    made = image(layer(("file", "secret", "first")))
    served.push("changed", "1", made)
    name = hashlib.sha256(made.layers[0]).hexdigest()
    (blob,) = (served.folder / "data").rglob(f"{name}/data")
    blob.write_bytes(image(layer(("file", "secret", "other"))).layers[0])
    with pytest.raises(ImageFault, match="unexpected digest"):
        registry.pull(store, f"{served.host}/changed:1")
    assert store.list() == []
    assert list((store.folder / "layers").iterdir()) == []
