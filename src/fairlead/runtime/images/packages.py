"""What dpkg and the dynamic loader of this machine say: versions, files, dependencies, libraries."""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from fairlead.runtime.images import elf

_LOADED_FROM = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")  # where ld.so(8) looks by itself


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Of those that are installed; none where nothing is known of Debian's packages."""
    try:
        done = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${Package}\t${db:Status-Status}\t${Version}\n", *packages],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return {}
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: version for name, status, version in rows if status == "installed"}


def files(packages: Sequence[str]) -> list[str]:
    """What the packages have installed, folders too."""
    if not packages:
        return []
    done = subprocess.run(["dpkg", "-L", *packages], capture_output=True, text=True, check=True)
    return [path for path in done.stdout.splitlines() if path.startswith("/") and path != "/."]


def dependencies(package: str) -> list[str]:
    """Names of the packages that it depends on; of alternatives the first."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Depends}", package], capture_output=True, text=True, check=False
    )
    return _names(done.stdout)


def _names(depends: str) -> list[str]:
    return [name for part in depends.split(",") if (name := re.split(r"[ (|:]", part.strip())[0])]


def own_dependencies(package: str) -> list[str]:
    """Packages of the same source that are installed with it: configuration and modules."""
    stem = package.partition("-")[0]
    names = [name for name in dependencies(package) if name.startswith(stem)]
    own = [name for name in names if name in versions(names)] if names else []
    return own + [other for name in own for other in own_dependencies(name)]


def all_dependencies(package: str) -> list[str]:
    """Everything installed that it needs, but for what is the system's own: an image has no dpkg and no accounts."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package}\t${Priority}\t${Pre-Depends},${Depends}\n"],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    known = {name: depends for name, priority, depends in rows if priority not in ("required", "important")}
    found: list[str] = []
    waiting = [package]
    while waiting:
        needed = [each for each in _names(known[waiting.pop()]) if each in known and each not in found]
        found += needed
        waiting += needed
    return found


def program(name: str) -> str | None:
    for folder in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        if Path(folder, name).exists():
            return f"{folder}/{name}"
    return None


def resolver_library() -> str:
    """What a C library asks a name server with; no program is linked with it."""
    found = sorted(Path("/lib").glob("*-linux-gnu/libnss_dns.so.2"))
    return str(found[0]) if found else "/lib/libnss_dns.so.2"


def libraries(paths: Iterable[str]) -> list[tuple[str, str]]:
    """What the programs and libraries among these files are linked with, and where it is found in an image: a library
    from a place of its own goes to /usr/lib."""
    linked = elf.libraries(path for path in paths if _may_be_elf(Path(path)))
    return [(path, path if path.startswith(_LOADED_FROM) else f"/usr/lib/{Path(path).name}") for path in sorted(linked)]


def _may_be_elf(path: Path) -> bool:
    return (".so" in path.suffixes or os.access(path, os.X_OK)) and path.is_file()
