import asyncio
import os
from pathlib import Path

from fairlead.runtime import exits

INIT = 1  # no child of ours


def tell(folder: Path, code: str, *, at: float) -> None:
    path = folder / str(INIT)
    path.write_text(code)
    os.utime(path, (at, at))


def test_what_was_told_of_an_earlier_process_with_the_same_number_is_not_believed(tmp_path: Path) -> None:
    tell(tmp_path, "7", at=1000.0)
    assert exits.exit_code(tmp_path, INIT, since=1001.0) is None
    tell(tmp_path, "0", at=1002.0)
    assert exits.exit_code(tmp_path, INIT, since=1001.0) == 0


def test_who_reaps_may_be_late(tmp_path: Path) -> None:
    async def ask() -> int:
        asyncio.get_running_loop().call_later(0.3, lambda: tell(tmp_path, "3", at=2000.0))
        return await exits.told(tmp_path, INIT, since=1001.0)

    assert asyncio.run(ask()) == 3


def test_a_child_of_ours_needs_nobody_to_tell(tmp_path: Path) -> None:
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert exits.exit_code(tmp_path, pid, since=0.0) == 5
