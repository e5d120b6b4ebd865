"""Every command of the README does what it says there: a cluster with the tutorial's application, the tour, the end."""

import re
from collections.abc import Iterator

import pytest

from tests.e2e.machine import REPOSITORY, Machine, Result, sandbox

pytestmark = pytest.mark.e2e

README = (REPOSITORY / "README.md").read_text()
NODE = "192.168.109.101"


@pytest.fixture(scope="module")
def demonstrated() -> Iterator[Machine]:
    """What `make up` does once everything is installed."""
    with sandbox() as machine:
        yield machine


def _commands(heading: str) -> list[str]:
    """The lines of the code block beneath a heading, without their comments."""
    (block,) = re.findall(rf"^## {heading}[^\n]*\n\n```\n(.*?)```", README, re.MULTILINE | re.DOTALL)
    return [line.split("  #")[0].strip() for line in block.splitlines() if line.strip()]


def _in_shell(machine: Machine, commands: list[str]) -> Result:
    return machine.run(["sh", "-ec", "\n".join(commands)], env={"PWD": str(REPOSITORY)})


def test_make_up_and_make_test_are_what_the_readme_says() -> None:
    assert _commands("Two commands") == ["make up", "make test"]
    makefile = (REPOSITORY / "Makefile").read_text()
    assert re.search(r"^up: setup\n\t\$\(BIN\)/fairlead demo$", makefile, re.MULTILINE)
    assert "make test" in (REPOSITORY / ".ci/run").read_text()


def test_the_tour(demonstrated: Machine) -> None:
    machine = demonstrated
    shown = machine.fairlead("demo", seconds=120).ok().out
    for text in ("10.97.97.97", f"{NODE}:30002", "service-headliness.dev.svc.cluster.local", "Try next"):
        assert text.lower() in shown.lower()

    commands = _commands("A tour")
    first, last = commands[0], commands.index("exit")
    assert first == ".venv/bin/fairlead shell master"
    inside = commands[1:last]
    shell = machine.run(
        [str(REPOSITORY / ".venv/bin/fairlead"), "shell", "master"], stdin="set -e\n" + "\n".join(inside) + "\n"
    ).ok()
    assert shell.out.count("pc-deployment-") >= 3
    assert "flags: qr aa rd" in shell.out
    assert "service-headliness.dev.svc.cluster.local. 30 IN A 10.244." in re.sub(r"\s+", " ", shell.out)

    rest = commands[last + 1 :]
    assert rest[-1] == "make down"
    told = _in_shell(
        machine, [f"cd {REPOSITORY}", *rest[:-1], "kubectl get nodes", "curl -sS http://" + NODE + ":30002"]
    )
    assert "table ip kube-proxy" in told.ok().out
    assert "together" in told.out
    assert "Welcome to nginx!" in told.out  # by the Ingress, over HTTPS
    assert told.out.count(" Ready ") == 3
    _in_shell(machine, [f"cd {REPOSITORY}", rest[-1]]).ok()
    assert machine.fairlead("status").code == 1


def test_help_teaches(demonstrated: Machine) -> None:
    """Each command and option has a text."""
    commands = re.findall(
        r"^  ([a-z-]+) ", demonstrated.fairlead("--help").ok().out.partition("Commands:")[2], re.MULTILINE
    )
    assert {"up", "down", "status", "exec", "shell", "kubeconfig", "image", "demo"} <= set(commands)
    for command in commands:
        text = demonstrated.fairlead(command, "--help").ok().out
        assert re.search(r"Usage: fairlead .*\n\n  [A-Z]", text), command
    completion = demonstrated.run(["sh", "-c", f"_FAIRLEAD_COMPLETE=bash_source {REPOSITORY}/.venv/bin/fairlead"])
    assert "complete" in completion.ok().out
