"""The command line: a cluster on this machine, and each part by itself."""

from fairlead.cli.main import main

__all__ = ["main"]
