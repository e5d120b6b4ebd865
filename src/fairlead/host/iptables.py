"""iptables by its own programs, in whichever variant the machine uses: iptables-save(8), iptables-restore(8)."""

import shutil
import subprocess
from pathlib import Path

LOCK_SECONDS, MOST_SECONDS = 5, 120.0


class IptablesError(Exception):
    """A program that refused, with what it said."""


class Iptables:
    """`namespace`: the network to work in, by path; None: this process's own.

    Where an earlier proxy or kubelet used one variant (legacy, nf_tables), it goes on with that: rules of the other
    would come on top. Else the machine's default is taken, so that `iptables -L` shows them.
    """

    def __init__(self, namespace: Path | None = None) -> None:
        self._enter = [] if namespace is None else ["nsenter", f"--net={namespace}", "--"]
        self._variant = self._used_already()

    def save(self, table: str) -> list[str]:
        """The table's lines. Raises IptablesError."""
        return self._run(f"{self._variant}-save", "-t", table).splitlines()

    def restore(self, text: str) -> None:
        """Each table's lines in one transaction; chains that are not named stay. Raises IptablesError."""
        self._run(f"{self._variant}-restore", "--noflush", "-w", str(LOCK_SECONDS), given=text)

    def _used_already(self) -> str:
        for variant in ("iptables-nft", "iptables-legacy"):
            if shutil.which(f"{variant}-save") is None:
                continue
            try:
                if any(":KUBE-" in line for line in self._run(f"{variant}-save", "-t", "nat").splitlines()):
                    return variant
            except IptablesError:
                continue
        return "iptables"

    def _run(self, *argv: str, given: str = "") -> str:
        try:
            done = subprocess.run(
                [*self._enter, *argv], input=given, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise IptablesError(f"{argv[0]}: {error}") from error
        if done.returncode:
            raise IptablesError(f"{argv[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
        return done.stdout
