"""What is shown of a container's log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.node.logs.lines import Lines, OptionError, Options

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
