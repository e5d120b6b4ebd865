"""RFC 3339 times as Kubernetes writes them. Pure: the clock is the caller's."""

from datetime import UTC, datetime
from functools import lru_cache


def render(seconds: float) -> str:
    """metav1.Time: whole seconds, `2024-05-31T00:07:34Z`. `seconds` since the epoch."""
    return _second(int(seconds))


@lru_cache(maxsize=8)
def _second(number: int) -> str:
    """Most times that are written are the present second."""
    return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def render_micro(seconds: float) -> str:
    """metav1.MicroTime: `2024-05-31T00:07:34.123456Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> float:
    """Seconds since the epoch. Raises ValueError for anything but RFC 3339."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.timestamp()
