"""The release of Kubernetes whose surface is served."""

import platform
import sys
from typing import Any

import fairlead

GIT_VERSION = f"v1.32.0+fairlead.{fairlead.__version__}"


def info() -> dict[str, Any]:
    """`/version`."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": "1",
        "minor": "32",
        "gitVersion": GIT_VERSION,
        "gitCommit": "70d3cc986aa8221cd1dfb1121852688902d3bf53",  # of that release: upstream's tests want one
        "gitTreeState": "clean",
        "buildDate": "2024-12-11T00:00:00Z",
        "goVersion": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "compiler": "cpython",
        "platform": f"linux/{machine}",
    }
