"""One stored object: its bytes as they are kept, sent and joined, and what is read of it without decoding the rest."""

from collections.abc import Mapping
from typing import Any

import msgspec

Json = dict[str, Any]

_OPENING = b'{"metadata":{'
_DECODE = msgspec.json.Decoder().decode


def encode(obj: Json) -> bytes:
    """The canonical bytes: everything behind `{"metadata":{`, without resourceVersion, which is the key's revision."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    rest = {key: value for key, value in obj.items() if key != "metadata"}
    return msgspec.json.encode({"metadata": metadata, **rest})[len(_OPENING) :]


def render(revision: int, value: bytes) -> bytes:
    """The object as JSON."""
    return b'{"metadata":{"resourceVersion":"%d",%b' % (revision, value)


class Entry:
    """An object at a revision. Immutable: what is decoded is the caller's own copy."""

    __slots__ = ("_labels", "body", "key", "revision")

    def __init__(self, key: str, revision: int, value: bytes) -> None:
        self.key = key
        self.revision = revision
        self.body = render(revision, value)  # as JSON, ready to be sent and joined
        self._labels: Mapping[str, str] | None = None

    @property
    def value(self) -> bytes:
        """The bytes as they are kept: the body behind its resourceVersion."""
        return self.body[self.body.index(b",") + 1 :]

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def namespace(self) -> str | None:
        parts = self.key.split("/")
        return parts[3] if len(parts) == 5 else None

    @property
    def labels(self) -> Mapping[str, str]:
        if self._labels is None:
            self._labels = msgspec.json.decode(self.body, type=_Labelled).metadata.labels
        return self._labels

    def decode(self) -> Json:
        obj: Json = _DECODE(self.body)
        return obj


class _Labels(msgspec.Struct):
    labels: dict[str, str] = {}


class _Labelled(msgspec.Struct):
    metadata: _Labels
