"""What other programs see of a process of ours."""

import subprocess
import sys

_SHOWN = """
import sys
from fairlead.host import libc
libc.set_command_line(sys.stdin.read())
print(open("/proc/self/cmdline").read().rstrip(chr(0)))
"""


def _shown(text: str) -> str:
    done = subprocess.run([sys.executable, "-c", _SHOWN], input=text, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_ps_shows_what_a_process_says_it_is() -> None:
    assert _shown("kube-proxy-abcde (fairlead proxy)") == "kube-proxy-abcde (fairlead proxy)"


def test_a_command_line_is_cut_where_the_one_it_was_started_with_ends() -> None:
    shown = _shown("long " * 1000)
    assert 10 < len(shown) < 1000
    assert set(shown.split()) <= {"long", "lon", "lo", "l"}
