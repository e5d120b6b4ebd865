"""An image from Debian packages of this machine: their files, the libraries of their programs, a shell, a few tools.

It serves machines without a registry. It is not the upstream image of that name, and says so: in a label, and from
there in the events of every pod that runs it. What is made is kept under a name with a hash of all that it depends on,
so it is made once, and again when something has changed.
"""

import hashlib
import json
import os
import re
import tarfile
import tempfile
import time
from collections.abc import Callable

from fairlead.runtime.images import packages, reference
from fairlead.runtime.images.archive import manifest_of
from fairlead.runtime.images.recipe import BUILT_FROM, Recipe
from fairlead.runtime.images.recipes import RECIPES
from fairlead.runtime.images.store import LAYER, ImageStore, Layer
from fairlead.runtime.images.tree import Tree
from fairlead.runtime.interface import Image, ImageFault

MADE = "fairlead.dev/made"  # the repositories of what is made here
MOST_KEPT = 64 << 20  # bytes of an archive that is kept beside what was unpacked of it

# What somebody who opens a shell in a container expects to find.
TOOLS = (
    "sh", "bash", "cat", "ls", "echo", "cp", "mv", "rm", "mkdir", "chmod", "ln", "touch", "head", "tail", "wc", "sort",
    "grep", "sed", "id", "env", "date", "sleep", "true", "false", "hostname", "uname", "pwd", "test", "printf", "tee",
    "kill", "ps", "curl", "nc", "ip", "find", "expr", "seq", "basename", "dirname", "stat", "cut", "tr", "tty", "stty",
    "tar", "gzip", "printenv", "getent", "awk", "xargs", "which", "uniq", "base64", "md5sum", "sha256sum", "readlink",
    "realpath", "mktemp", "timeout", "rmdir", "chown", "whoami", "nproc", "df", "du", "dd", "od", "less", "wget",
)  # fmt: skip
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(os.uname().machine, os.uname().machine)


def build(store: ImageStore, package: str, tag: str) -> Image:
    """Raises ImageFault where the package is not installed."""
    made = make(store, package)
    store.tag(made.reference, tag)
    found = store.resolve(tag)
    assert found is not None
    return found


def find(store: ImageStore, package: str) -> Image | None:
    """What was made of the packages as they are now. Raises ImageFault where they are not installed."""
    return store.resolve(_name(package, *_inventory(package)))


def make(store: ImageStore, package: str) -> Image:
    """As `find`, made where it is not there yet; whoever wants the same at the same time waits."""
    recipe, installed = _inventory(package)
    name = _name(package, recipe, installed)
    with store.locked(name):
        return store.resolve(name) or _made(store, package, recipe, installed, name)


def _inventory(package: str) -> tuple[Recipe, dict[str, str]]:
    """The recipe, and the packages that it takes with their versions, its own first."""
    recipe = RECIPES.get(package) or Recipe((package,), ("/bin/sh",), whole=True)
    known = packages.versions([*recipe.packages, *recipe.also, *recipe.perhaps])
    main = next((name for name in recipe.packages if name in known), None)
    missing = [name for name in recipe.also if name not in known]
    if main is None or missing:
        wanted = [" or ".join(recipe.packages)] if main is None else []
        names = ", ".join([*wanted, *missing])
        install = " ".join([*(recipe.packages[:1] if main is None else ()), *missing])
        raise ImageFault("ErrImagePull", f"no Debian package {names} is installed here: apt-get install {install}")
    others = [*recipe.also, *(name for name in recipe.perhaps if name in known)]
    return recipe, {main: known[main], **{name: known[name] for name in others}}


def _name(package: str, recipe: Recipe, installed: dict[str, str]) -> str:
    facts = [repr(recipe), *(f"{name} {version}" for name, version in installed.items()), *recipe.facts()]
    facts += [f"{source} {place} {_fingerprint(source)}" for source, place in recipe.own()]
    return f"{_repository(package)}:{_digest(facts)}"


def _repository(package: str) -> str:
    """A package may be called `g++`, a repository may not."""
    return f"{MADE}/{re.sub('[^a-z0-9.]+', '-', package).strip('-')}"


def _fingerprint(path: str) -> str:
    found = os.stat(path)  # noqa: PTH116  # of hundreds of files
    return f"{found.st_size} {found.st_mtime_ns}"


def _digest(facts: list[str]) -> str:
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _made(store: ImageStore, package: str, recipe: Recipe, installed: dict[str, str], name: str) -> Image:
    origin = recipe.origin + ", ".join(f"Debian package {each} {version}" for each, version in installed.items())
    below = _digest([repr(recipe), *installed, *installed.values(), *recipe.facts()])
    layers = [_remembered(store, f"{_repository(package)}/base:{below}", lambda tar: _fill(tar, recipe, [*installed]))]
    if own := [*recipe.own(), *recipe.beside()]:
        layers.append(_layer(store, lambda tar: _copy(Tree(tar), own)))
    config: dict[str, object] = {
        "Env": [PATH, *recipe.env],
        "Entrypoint": list(recipe.entrypoint),
        "Cmd": list(recipe.command),
        "WorkingDir": recipe.working_dir,
        "Labels": {BUILT_FROM: f"{origin} of this machine"},
        "ExposedPorts": {port: {} for port in recipe.ports},
        "StopSignal": recipe.stop_signal,
    }
    return _add(store, name, layers, config)


Fill = Callable[[tarfile.TarFile], None]


def _remembered(store: ImageStore, name: str, fill: Fill) -> Layer:
    """A layer that outlives the images upon it: it has a name, as an image of nothing else."""
    if store.resolve(name) is None:
        _add(store, name, [_layer(store, fill)], {})
    return store.layers(name)[0]


def _layer(store: ImageStore, fill: Fill) -> Layer:
    with tempfile.TemporaryFile(dir=store.folder / "tmp") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            fill(tar)
        size = file.tell()
        file.seek(0)
        return store.add_layer(file, keep=size <= MOST_KEPT)


def _add(store: ImageStore, name: str, layers: list[Layer], config: dict[str, object]) -> Image:
    described = {
        "architecture": ARCHITECTURE,
        "os": "linux",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, _, diff_id in layers]},
        "history": [{"created_by": "fairlead image from-package"} for _ in layers],
    }
    encoded = json.dumps(described).encode()
    listed = [{"mediaType": LAYER, "digest": digest, "size": size} for digest, size, _ in layers]
    return store.add(reference.parse(name), manifest_of(store, encoded, listed), encoded)


def _fill(tar: tarfile.TarFile, recipe: Recipe, installed: list[str]) -> None:
    tree = Tree(tar, recipe.bound_ports)
    tree.base(recipe.user)
    for path, text in recipe.files.items():
        tree.text(path, text)
    for path, text in recipe.programs.items():
        tree.text(path, text, 0o755)
    for path, target in recipe.links.items():
        tree.link(path, target)
    for folder in recipe.folders:
        tree.folder(folder)
    main, *also = installed
    needed = packages.all_dependencies(main) if recipe.whole else packages.own_dependencies(main)
    listed = packages.files([main, *needed, *also])
    wanted = [path for path in listed if not path.startswith(recipe.left_out)]
    wanted += [found for tool in TOOLS if (found := packages.program(tool))]
    for path in wanted:
        tree.copy(path)
    copies = [*recipe.copies()]
    _copy(tree, copies)
    linked = packages.libraries([*wanted, *(source for source, _ in copies)])
    _copy(tree, [(packages.resolver_library(), ""), *linked])


def _copy(tree: Tree, copies: list[tuple[str, str]]) -> None:
    for source, place in copies:
        tree.copy(source, "" if place == source else place)
