"""This very Python, the libraries that Fairlead needs and Fairlead itself, as files of an image.

Of what is compiled already only that comes along (PEP 3147, "sourceless"): half the files, and an image in half the
time. Fairlead's own sources are there.
"""

import importlib.metadata
import py_compile
import re
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import fairlead
from fairlead.runtime.images.recipe import Copy

HOME = "/opt/python"
LIBRARIES = "/opt/fairlead/lib"
SOURCE = "/opt/fairlead/src"
PROGRAM = f"{HOME}/bin/python3"

# Of the standard library: what no server asks for. Of the libraries: those that only pictures for people and pulls of
# images need.
LEFT_OUT = frozenset(
    {"idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "pydoc_data", "venv", "site-packages",
     "dist-packages", "distutils", "unittest", "dbm", "curses", "sqlite3", "msilib"}
)  # fmt: skip
NEVER = ("__pycache__", "test", "tests")
# A file each, of character sets that nobody speaks to us.
ENCODINGS = re.compile(r"(cp\d|mac_|iso|koi|ptcp|big5|gb|hz|euc|shift|johab|tis|palmos|kz|hp_).*\.py")
# Parts that run elsewhere. kube-proxy does too, but the command line lists its flags.
OTHER_PARTS = ("apiserver", "controllers", "scheduler", "node", "dns", "loadbalancer", "store", "runtime")
NOT_NEEDED = frozenset({"rich", "httpx", "pygments", "markdown-it-py", "mdurl", "httpcore", "anyio"})
_TAG = f".{sys.implementation.cache_tag}.pyc"


def interpreter() -> Iterator[Copy]:
    """At places where it finds its library by itself, wherever it is here (site(3), "landmark")."""
    yield str(Path(sys.executable).resolve()), PROGRAM
    library = Path(sysconfig.get_path("stdlib"))
    for path in _files(library, top=True):
        yield from _compiled(path, f"{HOME}/lib/{library.name}/{path.relative_to(library)}")


def libraries() -> Iterator[Copy]:
    for distribution in _distributions():
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and path.suffix != ".pyc" and path.is_file() and _wanted(path):
                yield from _compiled(path, f"{LIBRARIES}/{file}")


def source() -> Iterator[Copy]:
    """What the Ingress controller is made of."""
    folder = Path(fairlead.__file__).parent
    for path in _sources(folder):
        yield str(path), f"{SOURCE}/fairlead/{path.relative_to(folder)}"


def compiled_source() -> Iterator[Copy]:
    """Beside the sources: whoever runs there may not write it, and would compile at every start."""
    folder = Path(fairlead.__file__).parent
    for path in _sources(folder):
        if path.suffix == ".py" and (compiled := _up_to_date(path)) is not None:
            yield str(compiled), f"{SOURCE}/fairlead/{compiled.relative_to(folder)}"


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in _files(folder) if path.relative_to(folder).parts[0] not in OTHER_PARTS)


def _up_to_date(path: Path) -> Path | None:
    """The compiled file of a source, made where it is missing, as an import would; None where that is not possible."""
    compiled = _beside(path)
    try:
        if not compiled.is_file() or compiled.stat().st_mtime < path.stat().st_mtime:
            py_compile.compile(str(path), str(compiled), doraise=True)
    except (OSError, py_compile.PyCompileError):
        return None
    return compiled


def facts() -> Iterator[str]:
    yield sys.version
    yield from sorted(f"{each.name} {each.version}" for each in _distributions())


@cache
def _distributions() -> tuple[importlib.metadata.Distribution, ...]:
    """What Fairlead requires, and what that does."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = ["fairlead"]
    while waiting:
        distribution = importlib.metadata.distribution(waiting.pop())
        for requirement in distribution.requires or ():
            name, _, condition = requirement.partition(";")
            name = re.split(r"[^A-Za-z0-9._-]", name.strip())[0].lower()
            if "extra" in condition or name in found or name in NOT_NEEDED or not _is_there(name):
                continue
            found[name] = importlib.metadata.distribution(name)
            waiting.append(name)
    return tuple(found.values())


def _is_there(name: str) -> bool:
    """What another platform or Python would need is not."""
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _files(folder: Path, *, top: bool = False) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if not path.is_dir():
            if _wanted(path):
                yield path
        elif path.name not in NEVER and not (top and (path.name in LEFT_OUT or path.name.startswith("config-"))):
            yield from _files(path)


def _compiled(path: Path, place: str) -> Iterator[Copy]:
    compiled = _beside(path)
    if path.suffix == ".py" and compiled.is_file():
        yield str(compiled), f"{place}c"
    else:
        yield str(path), place


def _beside(path: Path) -> Path:
    return path.parent / "__pycache__" / f"{path.stem}{_TAG}"


def _wanted(path: Path) -> bool:
    if path.parent.name == "encodings" and ENCODINGS.fullmatch(path.name):
        return False
    if path.parent.name.endswith(".dist-info") and path.name != "METADATA":
        return False
    return path.suffix not in (".a", ".exe", ".h", ".c", ".pyx", ".pxd", ".pyi", ".pyc")
