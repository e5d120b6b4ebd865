"""Batches for nginx: they come back as they were, and damage is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.ingress.nginx.frames import FrameError, Record, batches, decode, encode
from fairlead.ingress.nginx.snapshot import Snapshot

RECORDS = st.lists(
    st.tuples(st.text(min_size=1, max_size=20), st.one_of(st.none(), st.binary(max_size=60))), max_size=8
)


@given(st.lists(RECORDS, max_size=4))
def test_frames_come_back(groups: list[list[Record]]) -> None:
    assert list(decode(b"".join(encode(each) for each in groups))) == groups


@given(RECORDS, st.data())
def test_a_flipped_bit_is_seen(records: list[Record], data: st.DataObject) -> None:
    frame = bytearray(encode(records))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FrameError):
        list(decode(bytes(frame)))


def test_a_long_batch_is_cut() -> None:
    records: list[Record] = [(str(number), b"x" * (1 << 20)) for number in range(10)]
    cut = list(batches(records))
    assert [record for batch in cut for record in batch] == records
    assert len(cut) > 1


def test_a_snapshot_holds_what_was_said_last_even_where_its_end_is_torn(tmp_path: "object") -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    file = tmp_path / "snapshot"
    first = Snapshot(file)
    first.open()
    first.append([("a", b"1"), ("b", b"2")])
    first.append([("a", b"3"), ("b", None)])
    first.close()
    with file.open("ab") as end:
        end.write(encode([("c", b"4")])[:-1])
    again = Snapshot(file)
    again.open()
    assert again.known == {"a": hash(b"3")}
    again.close()
