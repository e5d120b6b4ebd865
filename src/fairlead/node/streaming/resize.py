"""The resize channel of a terminal."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resized:
    """The client's terminal, in characters."""

    width: int
    height: int


class ResizeReader:
    """`{"Width":80,"Height":24}` objects, one behind the other, cut anywhere."""

    def __init__(self) -> None:
        self._text = ""
        self._decoder = json.JSONDecoder()

    def receive(self, data: bytes) -> list[Resized]:
        self._text = (self._text + data.decode("utf-8", "replace"))[-4096:].lstrip()
        events: list[Resized] = []
        while self._text:
            try:
                size, end = self._decoder.raw_decode(self._text)
            except json.JSONDecodeError:
                break  # the rest of it is still to come
            self._text = self._text[end:].lstrip()
            if isinstance(size, dict):
                width, height = size.get("Width"), size.get("Height")
                if isinstance(width, int) and isinstance(height, int) and 0 < width < 1 << 16 and 0 < height < 1 << 16:
                    events.append(Resized(width, height))
        return events
