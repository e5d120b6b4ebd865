"""These tests are of the ipvs mode: tests/vm runs them in a virtual machine where this machine's kernel has no IPVS."""

from pathlib import Path

if not Path("/proc/net/ip_vs").exists():
    collect_ignore_glob = ["test_*.py"]
