"""The files that volumes hold."""

import base64
from typing import Any

import msgspec
import pytest

from fairlead.api.types.core import ConfigMap, Secret, Volume
from fairlead.node.downward import Self
from fairlead.node.sources import SourceError, Sources, Token
from fairlead.node.volumes.payload import File, files_of, is_filled
from tests.unit.node.pods import pod

SELF = Self(pod(), ["10.244.1.2"], ["192.168.109.101"], {})
SOURCES = Sources(
    "dev",
    {"page": ConfigMap(data={"index.html": "hi"}, binary_data={"logo": base64.b64encode(b"\0\1").decode()})},
    {"key": Secret(data={"tls.key": base64.b64encode(b"k").decode()})},
    {Token("", 3607): "jwt"},
)


def files(**volume: Any) -> dict[str, tuple[bytes, int]]:
    parsed = msgspec.convert({"name": "v"} | volume, Volume)
    assert is_filled(parsed)
    return {path: (file.data, file.mode) for path, file in files_of(parsed, SELF, SOURCES).items()}


def test_a_config_map_gives_all_its_keys_or_the_chosen_ones() -> None:
    assert files(configMap={"name": "page"}) == {"index.html": (b"hi", 0o644), "logo": (b"\0\1", 0o644)}
    items = [{"key": "index.html", "path": "a/b.html", "mode": 0o600}]
    assert files(configMap={"name": "page", "items": items}) == {"a/b.html": (b"hi", 0o600)}


def test_a_secret_is_decoded_and_has_the_mode_asked_for() -> None:
    assert files(secret={"secretName": "key", "defaultMode": 0o400}) == {"tls.key": (b"k", 0o400)}


def test_a_projection_joins_token_root_certificate_and_namespace() -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "page", "items": [{"key": "index.html", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    found = files(projected={"sources": sources, "defaultMode": 0o644})
    assert {path: data for path, (data, _) in found.items()} == {"token": b"jwt", "ca.crt": b"hi", "namespace": b"dev"}


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"secret": {"secretName": "none"}}, 'secret "none" not found'),
        (
            {"configMap": {"name": "page", "items": [{"key": "x", "path": "x"}]}},
            "references non-existent config key: x",
        ),
        (
            {"secret": {"secretName": "key", "items": [{"key": "x", "path": "x"}]}},
            "references non-existent secret key: x",
        ),
    ],
)
def test_what_is_missing_is_told_unless_it_is_optional(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError) as caught:
        files(**volume)
    assert str(caught.value) == message
    ((kind, body),) = volume.items()
    assert files(**{kind: body | {"optional": True}}) == {}


def test_other_volumes_are_not_filled() -> None:
    assert not is_filled(Volume("v"))
    assert isinstance(File(b"", 0o644), File)
