"""A machine of our own to run whole clusters in: network, mount and process namespaces with loopback only.

Nothing here can reach the network of the machine that runs the tests, and what a test leaves behind dies with it.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FAIRLEAD = REPOSITORY / ".venv/bin/fairlead"

# Process 1 of the sandbox: reaps what is orphaned to it, and ends with this test run (PR_SET_PDEATHSIG).
_INIT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.system("ip link set lo up && mount -t tmpfs state /var/lib/fairlead && mount -t tmpfs run /run/fairlead")
print("ready", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str
    seconds: float

    def ok(self) -> "Result":
        """Itself, or an AssertionError that shows what the command said."""
        assert self.code == 0, f"exit {self.code}\n{self.out}\n{self.err}"
        return self


@dataclass(frozen=True, slots=True)
class Machine:
    """Where commands run; `pid` is the sandbox's process 1 as seen from outside."""

    pid: int

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        stdin: str | None = None,
        seconds: float = 60,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Runs to its end; a command that takes longer than `seconds` is killed and fails the test."""
        enter = ["nsenter", "--target", str(self.pid), "--net", "--mount", "--pid", "--wdns=/"]
        began = time.monotonic()
        done = subprocess.run(
            [*enter, "--", *(os.fspath(word) for word in argv)],
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**os.environ, **(env or {})},
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    def fairlead(self, *arguments: str, stdin: str | None = None, seconds: float = 60) -> Result:
        return self.run([FAIRLEAD, *arguments], stdin=stdin, seconds=seconds)

    def on_node(self, node: str, *argv: str, stdin: str | None = None, seconds: float = 60) -> Result:
        """A command on a node, as somebody logged in there would type it."""
        return self.fairlead("exec", node, "--", *argv, stdin=stdin, seconds=seconds)


@contextlib.contextmanager
def sandbox() -> Iterator[Machine]:
    """A fresh machine; on leaving, every process in it is killed."""
    for directory in ("/var/lib/fairlead", "/run/fairlead"):
        Path(directory).mkdir(parents=True, exist_ok=True)
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    with subprocess.Popen(
        [*command, sys.executable, "-c", _INIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as unshare:
        try:
            assert unshare.stdout is not None
            assert unshare.stdout.readline() == "ready\n"
            children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text().split()
            yield Machine(pid=int(children[0]))
        finally:
            unshare.kill()


def eventually(check: object, seconds: float = 10.0) -> None:
    """Calls `check` until it raises no AssertionError, for at most `seconds`."""
    assert callable(check)
    deadline = time.monotonic() + seconds
    while True:
        try:
            check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
