"""A container's environment, command and arguments. Pure.

Source: kubelet `kubelet_pods.go` makeEnvironmentVariables: envFrom, then env, then what Services offer.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Final

from fairlead.api.types.core import Container, EnvFromSource, EnvVar, EnvVarSource, KeySelector
from fairlead.node import downward
from fairlead.node.downward import Self
from fairlead.node.expansion import expand
from fairlead.node.sources import SourceError, Sources

_NAME: Final = re.compile(r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")


def variables(container: Container, self: Self, sources: Sources, services: Mapping[str, str]) -> dict[str, str]:
    """The variables beside those of the image. Raises SourceError for what is not there and not optional."""
    result: dict[str, str] = {}
    for origin in container.env_from:
        result |= _all_of(origin, sources)
    for env in container.env:
        value = _value(env, container, self, sources, {**services, **result})
        if value is not None:
            result[env.name] = value
    return {**services, **result}


def expanded(words: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """Command or arguments with their `$(NAME)` references."""
    return [expand(word, environment) for word in words]


def _value(env: EnvVar, container: Container, self: Self, sources: Sources, known: Mapping[str, str]) -> str | None:
    """None: an optional source that is not there leaves the variable out."""
    if env.value_from is None:
        return expand(env.value, known)
    return _referenced(env.value_from, container, self, sources)


def _referenced(source: EnvVarSource, container: Container, self: Self, sources: Sources) -> str | None:
    if source.field_ref is not None:
        return downward.field(self, source.field_ref.field_path)
    if source.resource_field_ref is not None:
        return downward.resource(self, container, source.resource_field_ref)
    if source.config_map_key_ref is not None:
        return _config_map_key(source.config_map_key_ref, sources)
    if source.secret_key_ref is not None:
        return _secret_key(source.secret_key_ref, sources)
    return ""


def _config_map_key(selector: KeySelector, sources: Sources) -> str | None:
    config_map = sources.config_maps.get(selector.name)
    if config_map is not None and selector.key in config_map.data:
        return config_map.data[selector.key]
    if selector.optional:
        return None
    if config_map is None:
        raise SourceError(f'configmap "{selector.name}" not found')
    raise SourceError(f"couldn't find key {selector.key} in ConfigMap {sources.namespace}/{selector.name}")


def _secret_key(selector: KeySelector, sources: Sources) -> str | None:
    secret = sources.secrets.get(selector.name)
    if secret is not None and selector.key in secret.data:
        return _text(secret.data[selector.key])
    if selector.optional:
        return None
    if secret is None:
        raise SourceError(f'secret "{selector.name}" not found')
    raise SourceError(f"couldn't find key {selector.key} in Secret {sources.namespace}/{selector.name}")


def _all_of(origin: EnvFromSource, sources: Sources) -> dict[str, str]:
    """Every key that can be a variable's name; Kubernetes leaves out the others."""
    data: Mapping[str, str] = {}
    if (reference := origin.config_map_ref) is not None:
        config_map = sources.config_maps.get(reference.name)
        if config_map is None and not reference.optional:
            raise SourceError(f'configmap "{reference.name}" not found')
        data = config_map.data if config_map is not None else {}
    elif (reference := origin.secret_ref) is not None:
        secret = sources.secrets.get(reference.name)
        if secret is None and not reference.optional:
            raise SourceError(f'secret "{reference.name}" not found')
        data = {key: _text(value) for key, value in secret.data.items()} if secret is not None else {}
    return {origin.prefix + key: value for key, value in data.items() if _NAME.match(origin.prefix + key)}


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "surrogateescape")
