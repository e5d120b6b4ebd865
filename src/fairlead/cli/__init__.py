"""The command line. `main` takes the arguments without the program's name and returns the exit code."""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. G fills this in."""
    raise SystemExit(f"not built yet: {arguments}")
