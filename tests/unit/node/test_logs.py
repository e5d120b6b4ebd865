"""What is shown of a container's log."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.node.logs.lines import Lines, OptionError, Options
from fairlead.node.logs.reading import read, tail_offset

LOG = (
    b"2023-11-14T22:13:20.000000001Z stdout F one\n"
    b"2023-11-14T22:13:21.5Z stderr P tw\n"
    b"2023-11-14T22:13:22Z stderr F o\n"
    b"torn\n"
    b"2023-11-14T22:13:23Z stdout F \n"
    b"2023-11-14T22:13:24Z stdout F three and more\n"
)


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (Options(), b"one\ntwo\n\nthree and more\n"),
        (Options(since=1_700_000_003), b"\nthree and more\n"),
        (Options(limit_bytes=6), b"one\ntw"),
        (
            Options(timestamps=True),
            (
                b"2023-11-14T22:13:20.000000001Z one\n2023-11-14T22:13:21.5Z two\n"
                b"2023-11-14T22:13:23Z \n2023-11-14T22:13:24Z three and more\n"
            ),
        ),
    ],
    ids=["all", "since", "limit", "timestamps"],
)
@given(cut=st.integers(1, 50))
def test_lines_come_out_the_same_however_the_file_is_read(options: Options, shown: bytes, cut: int) -> None:
    lines = Lines(options)
    assert b"".join(lines.feed(LOG[at : at + cut]) for at in range(0, len(LOG), cut)) == shown


def test_the_query_is_podlogoptions() -> None:
    query = {"follow": "true", "tailLines": "5", "sinceSeconds": "10", "timestamps": "1", "limitBytes": ""}
    assert Options.of_query(query, 100.0) == Options(follow=True, timestamps=True, since=90.0, tail_lines=5)
    assert Options.of_query({"sinceTime": "1970-01-01T00:01:00Z"}, 100.0).since == 60


@pytest.mark.parametrize("query", [{"tailLines": "-1"}, {"tailLines": "x"}, {"sinceTime": "yesterday"}])
def test_senseless_options_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(OptionError):
        Options.of_query(query, 0)


@given(st.binary(max_size=300))
def test_a_damaged_log_never_raises(data: bytes) -> None:
    Lines(Options(timestamps=True, since=1.0)).feed(data)


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 50, 20_000])
def test_the_tail_begins_at_a_line(tmp_path: Path, count: int, end: bytes) -> None:
    lines = [b"line %d" % number + b"." * (number % 70) for number in range(9000)]
    path = tmp_path / "log"
    path.write_bytes(b"\n".join(lines) + end)
    with path.open("rb") as log:
        log.seek(tail_offset(log, count))
        assert log.read() == (b"\n".join(lines[-count:]) + end if count else b"")


async def collect(path: Path, options: Options, ended: asyncio.Future[None]) -> list[bytes]:
    return [piece async for piece in read(path, options, lambda: ended)]


async def test_following_shows_what_is_written_until_the_container_ends(tmp_path: Path) -> None:
    path, ended = tmp_path / "log", asyncio.get_running_loop().create_future()
    path.write_bytes(b"t stdout F one\nt stdout F two\n")
    reading = asyncio.create_task(collect(path, Options(follow=True, tail_lines=1), ended))
    await asyncio.sleep(0.05)
    with path.open("ab") as log:
        log.write(b"t stdout F three\n")
    await asyncio.sleep(0.05)
    with path.open("ab") as log:
        log.write(b"t stdout F four\n")
    ended.set_result(None)
    assert b"".join(await reading) == b"two\nthree\nfour\n"


async def test_a_limit_ends_following(tmp_path: Path) -> None:
    path, never = tmp_path / "log", asyncio.get_running_loop().create_future()
    path.write_bytes(b"t stdout F one\nt stdout F two\n")
    assert await collect(path, Options(follow=True, limit_bytes=5), never) == [b"one\nt"]
