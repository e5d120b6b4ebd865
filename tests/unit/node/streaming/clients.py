"""What a client sends and understands, written from the specification and not from our code."""

import struct
import zlib
from dataclasses import dataclass, field

from fairlead.node.streaming.dictionary import DICTIONARY


@dataclass
class SpdyClient:
    """moby/spdystream's side: builds frames, takes answers apart."""

    deflate: "zlib._Compress" = field(default_factory=lambda: zlib.compressobj(zdict=DICTIONARY))
    inflate: "zlib._Decompress" = field(default_factory=lambda: zlib.decompressobj(zdict=DICTIONARY))
    next_stream: int = 1

    def open(self, headers: dict[str, str], *, finish: bool = False) -> tuple[int, bytes]:
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        payload = struct.pack(">IIH", stream, 0, 0) + self.header_block(headers)
        return stream, self.control(1, payload, flags=1 if finish else 0)

    def header_block(self, headers: dict[str, str]) -> bytes:
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            block += struct.pack(">I", len(name)) + name.encode() + struct.pack(">I", len(value)) + value.encode()
        return self.deflate.compress(block) + self.deflate.flush(zlib.Z_SYNC_FLUSH)

    @staticmethod
    def control(kind: int, payload: bytes, flags: int = 0) -> bytes:
        return struct.pack(">HHI", 0x8003, kind, flags << 24 | len(payload)) + payload

    @staticmethod
    def data(stream: int, data: bytes, *, finish: bool = False) -> bytes:
        return struct.pack(">II", stream, (1 << 24 if finish else 0) | len(data)) + data

    def parse(self, data: bytes) -> list[tuple[object, ...]]:
        """("data", stream, bytes, fin), ("reply", stream, headers), (kind, payload) for other control frames."""
        frames: list[tuple[object, ...]] = []
        while data:
            first, second = struct.unpack_from(">II", data)
            flags, length = second >> 24, second & 0xFFFFFF
            payload, data = data[8 : 8 + length], data[8 + length :]
            assert len(payload) == length
            if not first & 0x80000000:
                frames.append(("data", first, payload, bool(flags & 1)))
            elif first & 0xFFFF == 2:
                block = self.inflate.decompress(payload[4:])
                frames.append(("reply", struct.unpack_from(">I", payload)[0], struct.unpack_from(">I", block)[0]))
            else:
                frames.append((first & 0xFFFF, payload))
        return frames
