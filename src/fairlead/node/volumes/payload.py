"""The files of a volume that is filled from API objects: configMap, secret, downwardAPI, projected. Pure.

Source: Kubernetes' `pkg/volume/{configmap,secret,downwardapi,projected}`.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fairlead.api.types.core import Container, DownwardAPIFile, KeyToPath, Volume, VolumeProjection
from fairlead.node import downward
from fairlead.node.downward import Self
from fairlead.node.sources import SourceError, Sources, Token

DEFAULT_MODE: Final = 0o644
_NOWHERE: Final = Container(name="")  # volumes name the container that they speak of


@dataclass(frozen=True, slots=True)
class File:
    data: bytes
    mode: int


Payload = dict[str, File]  # by path below the volume


def is_filled(volume: Volume) -> bool:
    """Whether `files_of` says what is in it."""
    return any((volume.config_map, volume.secret, volume.downward_api, volume.projected))


def files_of(volume: Volume, self: Self, sources: Sources) -> Payload:
    """Raises SourceError for what is not there and not optional."""
    if (config_map := volume.config_map) is not None:
        files = _config_map(config_map.name, sources, optional=bool(config_map.optional))
        mode = _mode(config_map.default_mode)
        return _select(files, config_map.items, mode, optional=bool(config_map.optional), kind="config")
    if (secret := volume.secret) is not None:
        files = _secret(secret.secret_name, sources, optional=bool(secret.optional))
        mode = _mode(secret.default_mode)
        return _select(files, secret.items, mode, optional=bool(secret.optional), kind="secret")
    if (described := volume.downward_api) is not None:
        return _downward(described.items, self, _mode(described.default_mode))
    payload: Payload = {}
    if volume.projected is not None:
        for part in volume.projected.sources:
            payload |= _projection(part, self, sources, _mode(volume.projected.default_mode))
    return payload


def _projection(part: VolumeProjection, self: Self, sources: Sources, mode: int) -> Payload:
    if part.config_map is not None:
        optional = bool(part.config_map.optional)
        files = _config_map(part.config_map.name, sources, optional=optional)
        return _select(files, part.config_map.items, mode, optional=optional, kind="config")
    if part.secret is not None:
        optional = bool(part.secret.optional)
        files = _secret(part.secret.name, sources, optional=optional)
        return _select(files, part.secret.items, mode, optional=optional, kind="secret")
    if part.downward_api is not None:
        return _downward(part.downward_api.items, self, mode)
    if part.service_account_token is not None:
        token = sources.tokens.get(Token.of(part.service_account_token))
        if token is None:
            raise SourceError(f"failed to fetch token: no token for {self.pod.spec.service_account_name}")
        return {part.service_account_token.path: File(token.encode(), mode)}
    return {}


def _config_map(name: str, sources: Sources, *, optional: bool) -> Mapping[str, bytes]:
    config_map = sources.config_maps.get(name)
    if config_map is None:
        if optional:
            return {}
        raise SourceError(f'configmap "{name}" not found')
    binary = {key: base64.b64decode(value) for key, value in config_map.binary_data.items()}
    return {key: value.encode() for key, value in config_map.data.items()} | binary


def _secret(name: str, sources: Sources, *, optional: bool) -> Mapping[str, bytes]:
    secret = sources.secrets.get(name)
    if secret is None:
        if optional:
            return {}
        raise SourceError(f'secret "{name}" not found')
    return {key: base64.b64decode(value) for key, value in secret.data.items()}


def _select(files: Mapping[str, bytes], items: Sequence[KeyToPath], mode: int, *, optional: bool, kind: str) -> Payload:
    """All keys under their own names, or the listed ones under their paths."""
    if not items:
        return {key: File(data, mode) for key, data in files.items()}
    payload: Payload = {}
    for item in items:
        if item.key in files:
            payload[item.path] = File(files[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise SourceError(f"references non-existent {kind} key: {item.key}")
    return payload


def _downward(items: Sequence[DownwardAPIFile], self: Self, mode: int) -> Payload:
    payload: Payload = {}
    for item in items:
        if item.field_ref is not None:
            text = downward.field(self, item.field_ref.field_path)
        elif item.resource_field_ref is not None:
            text = downward.resource(self, _NOWHERE, item.resource_field_ref)
        else:
            continue
        payload[item.path] = File(text.encode(), mode if item.mode is None else item.mode)
    return payload


def _mode(mode: int | None) -> int:
    return DEFAULT_MODE if mode is None else mode
