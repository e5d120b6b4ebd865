"""Volumes change as a whole."""

from pathlib import Path

from fairlead.node.volumes.atomic import write
from fairlead.node.volumes.payload import File


def content(volume: Path) -> dict[str, bytes]:
    names = [entry for entry in volume.iterdir() if not entry.name.startswith("..")]
    return {
        str(p.relative_to(volume)): p.read_bytes() for name in names for p in (name, *name.rglob("*")) if p.is_file()
    }


def test_files_stand_behind_one_link_that_is_replaced(tmp_path: Path) -> None:
    assert write(tmp_path, {"a": File(b"1", 0o600), "sub/b": File(b"2", 0o644)})
    assert content(tmp_path) == {"a": b"1", "sub/b": b"2"}
    assert (tmp_path / "a").readlink() == Path("..data/a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    first = (tmp_path / "..data").readlink()
    assert write(tmp_path, {"a": File(b"3", 0o600), "c": File(b"4", 0o644)})
    assert content(tmp_path) == {"a": b"3", "c": b"4"}
    assert not (tmp_path / first).exists()


def test_the_same_files_are_not_written_again(tmp_path: Path) -> None:
    payload = {"a": File(b"1", 0o644)}
    write(tmp_path, payload)
    link = (tmp_path / "..data").readlink()
    assert not write(tmp_path, payload)
    assert (tmp_path / "..data").readlink() == link


def test_a_volume_may_be_empty(tmp_path: Path) -> None:
    assert write(tmp_path / "v", {})
    assert not write(tmp_path / "v", {})
