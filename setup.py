"""The programs of the proxy's eBPF mode are compiled when Fairlead is built, and wheels carry the object.

Without clang the mode says that it cannot be, and nftables serves in its place. All else is in pyproject.toml.
"""

import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithPrograms(build_py):
    def run(self) -> None:
        script = Path(__file__).parent / "tools/compile-programs.sh"
        try:
            subprocess.run([str(script)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"the eBPF programs are left out: {error}", file=sys.stderr)
        super().run()


setup(cmdclass={"build_py": BuildWithPrograms})
