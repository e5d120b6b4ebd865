"""From CRI log lines to what `kubectl logs` prints. Pure.

Source: the CRI log format (`2016-10-06T00:17:09.669794202Z stdout F text`; P marks a line that goes on) and kubelet
`kuberuntime/logs/logs.go`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.api import time as api_time


class OptionError(ValueError):
    """A query that cannot be served; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Options:
    """PodLogOptions. `since`: in seconds since the epoch."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: float | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None

    @classmethod
    def of_query(cls, query: Mapping[str, str], now: float) -> "Options":
        """Raises OptionError."""
        since = None
        if seconds := _number(query, "sinceSeconds"):
            since = now - seconds
        elif text := query.get("sinceTime"):
            try:
                since = api_time.parse(text)
            except ValueError as error:
                raise OptionError(f"invalid sinceTime: {error}") from error
        return cls(
            follow=_flag(query, "follow"),
            previous=_flag(query, "previous"),
            timestamps=_flag(query, "timestamps"),
            since=since,
            tail_lines=_number(query, "tailLines"),
            limit_bytes=_number(query, "limitBytes"),
        )


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("1", "true", "t")


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    try:
        value = int(text)
    except ValueError as error:
        raise OptionError(f"invalid {name}: {text}") from error
    if value < 0:
        raise OptionError(f"{name} must be greater than or equal to 0")
    return value


class Lines:
    """Feed the bytes of a log file in order, in any pieces; get what is to be shown of them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._rest = b""
        self._left = options.limit_bytes
        self._continued = False  # the line shown last was a part of one

    @property
    def full(self) -> bool:
        """limitBytes is reached: nothing more will come."""
        return self._left == 0

    def feed(self, data: bytes) -> bytes:
        *lines, self._rest = (self._rest + data).split(b"\n")
        shown = b"".join(self._show(line) for line in lines)
        if self._left is not None:
            shown = shown[: self._left]
            self._left -= len(shown)
        return shown

    def _show(self, line: bytes) -> bytes:
        parts = line.split(b" ", 3)
        if len(parts) < 4:
            return b""  # not a line of a log: a crash tore it
        stamp, _, tags, text = parts
        if self._options.since is not None and _before(stamp, self._options.since):
            return b""
        prefix = stamp + b" " if self._options.timestamps and not self._continued else b""
        self._continued = tags.startswith(b"P")
        return prefix + text if self._continued else prefix + text + b"\n"


def _before(stamp: bytes, since: float) -> bool:
    try:
        return api_time.parse(stamp.decode()) < since
    except ValueError:
        return False
