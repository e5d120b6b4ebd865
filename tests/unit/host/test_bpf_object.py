"""Objects of BPF programs: the compiled one, and what is none."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.host.bpf_object import MapShape, ObjectError, read
from fairlead.proxy.modes import ebpf
from fairlead.proxy.modes.ebpf.encode import encode
from fairlead.proxy.modes.ebpf.plan import HERE, Aim, Frontend, Member, Slot

FOLDER = Path(ebpf.__file__).parent
OBJECT = FOLDER / "sockets.o"
HOOKS = {f"{name}{number}" for name in ("connect", "sendmsg", "recvmsg", "getpeername") for number in (4, 6)}


def test_every_hook_has_its_program_and_every_map_that_it_names_is_there() -> None:
    object_ = read(OBJECT.read_bytes())
    assert set(object_.programs) == HOOKS
    assert {name for each in object_.programs.values() for _, name in each.maps} == set(object_.maps)
    assert b"GPL" in object_.license


def test_elements_have_the_sizes_that_the_programs_expect() -> None:
    frontend = Frontend("10.97.97.97", 80, "TCP")
    elements = encode(
        [
            (frontend, Aim(1, 1, 0, 0, frontend)),
            (Slot(1, 0), ("10.244.1.2", 80)),
            (Member(1, "fd00::2", 80), HERE),
        ]
    )
    shapes = read(OBJECT.read_bytes()).maps
    for name, key, value in elements:
        assert value is not None
        assert (len(key), len(value)) == (shapes[name].key_size, shapes[name].value_size)


def test_linking_puts_descriptors_where_maps_are_loaded() -> None:
    program = read(OBJECT.read_bytes()).programs["connect4"]
    code = program.linked({name: 1000 + index for index, (_, name) in enumerate(program.maps)})
    for offset, name in program.maps:
        assert code[offset] == 0x18  # BPF_LD | BPF_IMM | BPF_DW
        assert code[offset + 1] >> 4 == 1  # BPF_PSEUDO_MAP_FD
        assert int.from_bytes(code[offset + 4 : offset + 8], "little") >= 1000, name


def test_the_object_is_what_its_source_makes(tmp_path: Path) -> None:
    script = (Path(__file__).parents[3] / "tools/compile-programs.sh").read_text()
    command = next(line for line in script.splitlines() if line.startswith("exec clang")).split()[1:-1]
    subprocess.run([*command, str(tmp_path / "again.o")], cwd=FOLDER, check=True, timeout=30)
    assert (tmp_path / "again.o").read_bytes() == OBJECT.read_bytes()


@given(st.binary(max_size=300))
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ObjectError):
        read(data)


@given(st.integers(0, 12000), st.binary(min_size=1, max_size=40))
def test_a_damaged_object_is_read_or_refused(offset: int, damage: bytes) -> None:
    data = bytearray(OBJECT.read_bytes())
    data[offset : offset + len(damage)] = damage
    try:
        object_ = read(bytes(data))
    except ObjectError:
        return
    assert all(isinstance(each, MapShape) for each in object_.maps.values())
