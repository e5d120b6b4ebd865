"""Frames as the RFCs have them, and what is asked in others'."""

import socket
import struct

import pytest

from fairlead.loadbalancer.frames import Question, announcements, answer, question, solicited_group

MAC, ASKER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
ARP_REQUEST = (
    b"\xff" * 6
    + ASKER
    + bytes.fromhex("0806 0001 0800 06 04 0001")
    + (ASKER + bytes((192, 0, 2, 1)) + bytes(6) + bytes((192, 0, 2, 200)))
)


def solicitation(sender: str, target: str) -> bytes:
    message = struct.pack("!BBHI", 135, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, target) + b"\x01\x01" + ASKER
    addresses = (socket.inet_pton(socket.AF_INET6, each) for each in (sender, solicited_group(target)))
    header = struct.pack("!IHBB16s16s", 6 << 28, len(message), 58, 255, *addresses)
    return b"\x33\x33\xff\0\0\0" + ASKER + b"\x86\xdd" + header + message


def test_questions_are_read_and_answered_to_who_asked() -> None:
    asked = question(ARP_REQUEST)
    assert asked == Question("192.0.2.200", "192.0.2.1", ASKER)
    assert answer(asked, MAC) == ASKER + MAC + bytes.fromhex("0806 0001 0800 06 04 0002") + (
        MAC + bytes((192, 0, 2, 200)) + ASKER + bytes((192, 0, 2, 1))
    )
    assert question(solicitation("fe80::2", "fd00::200")) == Question("fd00::200", "fe80::2", ASKER)


@pytest.mark.parametrize(
    "frame", [b"", b"\0" * 13, ARP_REQUEST[:30], answer(Question("192.0.2.9", "192.0.2.1", ASKER), MAC)]
)
def test_other_frames_ask_nothing(frame: bytes) -> None:
    assert question(frame) is None


@pytest.mark.parametrize("asker", ["fe80::2", "::"])
def test_advertisements_have_a_checksum_that_is_right(asker: str) -> None:
    frame = answer(Question("fd00::200", asker, ASKER), MAC)
    header, message = frame[14:54], frame[54:]
    data = header[8:40] + struct.pack("!II", len(message), 58) + message
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
    assert frame[:6] == (ASKER if asker != "::" else bytes.fromhex("333300000001"))


def test_an_announcement_is_to_everybody_in_both_forms_of_arp() -> None:
    found = announcements("192.0.2.200", MAC)
    assert [frame[:6] for frame in found] == [b"\xff" * 6] * 2
    assert [frame[20:22] for frame in found] == [b"\0\1", b"\0\2"]
    assert solicited_group("fd00::1:2345") == "ff02::1:ff01:2345"
