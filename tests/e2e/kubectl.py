"""The kubectls to test with, unmodified, and their tables as rows."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.machine import REPOSITORY, Machine, Result

_DEBIAN = REPOSITORY / ".cache/kubectl-1.20/usr/bin/kubectl"
_ELSEWHERE = ("/usr/local/bin", "/usr/bin", "/usr/lib/google-cloud-sdk/bin")
_TESTED = re.compile(r"kubectl(\.1\.33)?$")  # the default one, or the newest beside it


def installed() -> dict[str, Path]:
    """Name to binary: Debian's 1.20, the one on PATH, and the oldest and newest of those kept beside it."""
    found = {"1.20": _DEBIAN} if _DEBIAN.exists() else {}
    for directory in _ELSEWHERE:
        for path in sorted(Path(directory).glob("kubectl*")):
            target = path.resolve()
            if _TESTED.fullmatch(path.name) and target not in found.values():
                found.setdefault(path.name.removeprefix("kubectl.").replace("kubectl", "default"), target)
    if len(found) > 2:  # a dispatcher to one of those beside it
        found.pop("default", None)
    return found


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl on the node `master`, in the directory of the chapter's manifests."""

    machine: Machine
    binary: Path

    def __call__(self, command: str, *, stdin: str | None = None, seconds: float = 60) -> Result:
        """`get pods -n dev`; words are split at blanks, as a shell would without quoting."""
        return self.argv(*command.split(), stdin=stdin, seconds=seconds)

    def argv(self, *arguments: str, stdin: str | None = None, seconds: float = 60) -> Result:
        return self.machine.on_node("master", str(self.binary), *arguments, stdin=stdin, seconds=seconds)

    def rows(self, command: str) -> list[dict[str, str]]:
        """The table that `command` prints, a dict a row, by column title."""
        return rows(self(command).ok().out)


def the_newest(machine: Machine) -> Kubectl:
    name = max(installed(), key=lambda each: tuple(int(n) for n in each.split(".")) if each[0].isdigit() else (99,))
    return Kubectl(machine, installed()[name])


def rows(table: str) -> list[dict[str, str]]:
    """Cut at the columns of the header: a title begins where its cells do."""
    header, *lines = table.splitlines()
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S(?:\S| (?=\S))*", header)]
    spans = list(zip(starts, [*starts[1:], None], strict=True))
    titles = [header[a:b].strip() for a, b in spans]
    return [{t: line[a:b].strip() for t, (a, b) in zip(titles, spans, strict=True)} for line in lines if line.strip()]
