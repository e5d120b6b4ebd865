"""Where a container's image comes from, and what the pod's events say of it."""

from pathlib import Path

import pytest

from fairlead.api.types.core import Container
from fairlead.node.images import Images
from fairlead.runtime.images import archive
from fairlead.runtime.images.recipe import BUILT_FROM
from fairlead.runtime.images.store import ImageStore
from fairlead.runtime.interface import Image, ImageFault, RegistryUnreachable
from tests.unit.runtime.images.layers import docker_archive, image, layer

CONTROLLER = "quay.io/kubernetes-ingress-controller/nginx-ingress-controller:0.30.0"
UPSTREAM = layer(("file", "from", "upstream"))


class Source:
    """A registry that has some images or cannot be reached, and recipes that always succeed."""

    def __init__(self, store: ImageStore, folder: Path, registry: tuple[str, ...] | None = ()) -> None:
        self.store, self.folder, self.registry = store, folder, registry
        self.version = 1
        self.asked: list[str] = []

    def pull(self, name: str) -> Image:
        self.asked.append(name)
        if self.registry is None:
            raise RegistryUnreachable("ErrImagePull", "no route to host")
        if name not in self.registry:
            raise ImageFault("ErrImagePull", f"{name}: not found")
        return self._load(name, image(UPSTREAM))

    def made(self, recipe: str) -> Image | None:
        return self.store.resolve(f"fairlead.dev/made/{recipe}:{self.version}")

    def make(self, recipe: str) -> Image:
        made = image(layer(("file", "version", str(self.version))), Labels={BUILT_FROM: f"{recipe} here"})
        return self.made(recipe) or self._load(f"fairlead.dev/made/{recipe}:{self.version}", made)

    def _load(self, name: str, made: object) -> Image:
        archive.load(self.store, docker_archive(self.folder / "x.tar", made, name))  # type: ignore[arg-type]
        found = self.store.resolve(name)
        assert found is not None
        return found


class Told(list[tuple[str, str, str]]):
    def __call__(self, kind: str, reason: str, message: str) -> None:
        self.append((kind, reason, message))

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason, _ in self]


def _parts(tmp_path: Path, registry: tuple[str, ...] | None, *, aliases: bool = True) -> tuple[Images, Source, Told]:
    store = ImageStore(tmp_path / "images")
    source = Source(store, tmp_path, registry)
    return Images(store, source, aliases=aliases), source, Told()


def _container(name: str, policy: str = "IfNotPresent") -> Container:
    return Container(name="c", image=name, image_pull_policy=policy)


@pytest.mark.parametrize("policy", ["IfNotPresent", "Always"])
async def test_an_alias_is_made_here_and_no_registry_is_asked(tmp_path: Path, policy: str) -> None:
    images, source, told = _parts(tmp_path, (CONTROLLER,))
    found = await images.ensure(_container(CONTROLLER, policy), told)
    assert found.labels[BUILT_FROM] == "ingress-controller here"
    assert told.reasons == ["Pulling", "Pulled"]
    assert "(not the upstream image: built from ingress-controller here)" in told[1][2]
    again = Told()
    assert (await images.ensure(_container(CONTROLLER, policy), again)).id == found.id
    assert again.reasons == ["Pulled"]
    assert "already present on machine (not the upstream image" in again[0][2]
    assert source.asked == []


async def test_an_alias_follows_what_it_is_made_of(tmp_path: Path) -> None:
    images, source, told = _parts(tmp_path, ())
    before = await images.ensure(_container(CONTROLLER), told)
    source.version = 2
    after = await images.ensure(_container(CONTROLLER), told)
    assert after.id != before.id
    resolved = source.store.resolve(CONTROLLER)
    assert resolved is not None
    assert resolved.id == after.id


async def test_without_aliases_the_registrys_image_is_wanted_even_where_ours_is_there(tmp_path: Path) -> None:
    images, source, told = _parts(tmp_path, (CONTROLLER,))
    ours = await images.ensure(_container(CONTROLLER), told)
    images = Images(source.store, source, aliases=False)
    theirs = await images.ensure(_container(CONTROLLER), told)
    assert theirs.id != ours.id
    assert source.asked == [CONTROLLER]
    source.registry = None
    assert (await images.ensure(_container(CONTROLLER), told)).id == theirs.id
    images = Images(source.store, source, aliases=True)
    assert (await images.ensure(_container(CONTROLLER), told)).id == ours.id


async def test_without_aliases_and_without_a_registry_there_is_none(tmp_path: Path) -> None:
    images, _, told = _parts(tmp_path, None, aliases=False)
    with pytest.raises(ImageFault, match="no route to host"):
        await images.ensure(_container(CONTROLLER), told)
    assert told.reasons == ["Pulling", "Failed", "Failed"]


async def test_where_no_registry_answers_nginx_and_tomcat_are_made_here(tmp_path: Path) -> None:
    images, source, told = _parts(tmp_path, None)
    found = await images.ensure(_container("tomcat:8.5-jre10-slim"), told)
    assert found.labels[BUILT_FROM] == "tomcat here"
    assert told[-1][2].startswith('Successfully made image "tomcat:8.5-jre10-slim" in ')
    assert source.asked == ["tomcat:8.5-jre10-slim"]
    with pytest.raises(ImageFault, match="no route to host"):
        await images.ensure(_container("redis:7"), told)


async def test_a_registry_that_answers_has_the_last_word(tmp_path: Path) -> None:
    images, _, told = _parts(tmp_path, ("nginx:1.17.1",))
    found = await images.ensure(_container("nginx:1.17.1"), told)
    assert BUILT_FROM not in found.labels
    assert told[-1][2].startswith('Successfully pulled image "nginx:1.17.1" in ')
    with pytest.raises(ImageFault, match="not found"):
        await images.ensure(_container("nginx:typo"), told)


async def test_never_means_never(tmp_path: Path) -> None:
    images, source, told = _parts(tmp_path, (CONTROLLER,))
    for name in (CONTROLLER, "nginx:1"):
        with pytest.raises(ImageFault) as fault:
            await images.ensure(_container(name, "Never"), told)
        assert fault.value.reason == "ErrImageNeverPull"
    assert source.asked == []


@pytest.mark.parametrize("name", ["registry.k8s.io/serve_hostname:latest", "nginx:latest"])
async def test_what_was_loaded_runs_though_it_is_always_to_be_asked_for_and_nobody_answers(
    tmp_path: Path, name: str
) -> None:
    images, source, told = _parts(tmp_path, (name,))
    loaded = source.pull(name)
    source.registry = None
    assert (await images.ensure(_container(name, "Always"), told)).id == loaded.id
    assert told.reasons == ["Pulling", "Pulled"]
    assert told[1][2] == f'Container image "{name}" already present on machine (no route to host)'
    source.registry = ()
    with pytest.raises(ImageFault, match="not found"):
        await images.ensure(_container(name, "Always"), told)


async def test_a_fallback_follows_what_it_is_made_of(tmp_path: Path) -> None:
    images, source, told = _parts(tmp_path, None)
    before = await images.ensure(_container("busybox:1.28"), told)
    source.version = 2
    after = await images.ensure(_container("busybox:1.28", "Never"), told)
    assert after.id != before.id
