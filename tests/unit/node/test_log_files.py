from pathlib import Path

import pytest

from fairlead.api.status import ApiError
from fairlead.http.server import Response, Stream
from fairlead.node.logs.files import answer


class Kept:
    def __init__(self) -> None:
        self.data = b""

    @property
    def buffered(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        self.data += data

    async def drain(self) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    logs = tmp_path / "logs"
    (logs / "dev_web_1/nginx").mkdir(parents=True)
    (logs / "dev_web_1/nginx/0.log").write_text("said\n")
    (tmp_path / "secret").write_text("not yours")
    (logs / "dev_web_1/out").symlink_to(tmp_path / "secret")
    return logs


def page(folder: Path, path: str) -> str:
    found = answer(folder, path)
    assert isinstance(found, Response)
    assert isinstance(found.body, bytes)
    return found.body.decode()


def test_pages_lead_to_a_file(folder: Path) -> None:
    assert '<a href="pods/">' in page(folder, "")
    assert '<a href="dev_web_1/">' in page(folder, "pods/")
    assert '<a href="0.log">0.log</a>' in page(folder, "pods/dev_web_1/nginx/")


async def test_a_file_comes_as_it_is(folder: Path) -> None:
    found = answer(folder, "pods/dev_web_1/nginx/0.log")
    assert isinstance(found, Stream)
    kept = Kept()
    await found.produce(kept)
    assert kept.data == b"said\n"


def test_a_folder_without_its_slash_is_sent_there_so_that_its_links_hold(folder: Path) -> None:
    found = answer(folder, "pods/dev_web_1")
    assert isinstance(found, Response)
    assert (found.status, found.headers) == (301, [("Location", "dev_web_1/")])


@pytest.mark.parametrize("path", ["syslog", "pods/none", "pods/../secret", "pods/dev_web_1/out", "pods/%2e%2e/secret"])
def test_nothing_else_is_shown(folder: Path, path: str) -> None:
    with pytest.raises(ApiError):
        answer(folder, path)
