"""ConfigMaps and Secrets."""

import base64
import binascii
import json
from typing import Any

from fairlead.api.field import FieldError, invalid, required, too_long
from fairlead.apiserver.validation import names

Json = dict[str, Any]

MOST_BYTES = 1 << 20
DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"

# type → the keys that must be there
_KEYS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    DOCKER_CONFIG: (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}


def validate_config_map(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for key in data:
        errors += _key(f"data[{key}]", key)
        if key in binary:
            errors.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    for key in binary:
        errors += _key(f"binaryData[{key}]", key)
    size = sum(len(value.encode()) for value in data.values()) + sum(len(value) * 3 // 4 for value in binary.values())
    if size > MOST_BYTES:
        errors.append(too_long("", MOST_BYTES))
    return errors


def validate_secret(obj: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    data: Json = obj.get("data") or {}
    for key in data:
        errors += _key(f"data[{key}]", key)
    if sum(len(value) * 3 // 4 for value in data.values()) > MOST_BYTES:
        errors.append(too_long("data", MOST_BYTES))
    for key in _KEYS.get(obj["type"], ()):
        if key not in data:
            errors.append(required(f"data[{key}]"))
        elif "docker" in key and not _is_json(data[key]):
            errors.append(invalid(f"data[{key}]", "<secret contents redacted>", "invalid character"))
    if obj["type"] == "kubernetes.io/service-account-token":
        name = obj["metadata"].get("annotations", {}).get("kubernetes.io/service-account.name")
        if not name:
            errors.append(required("metadata.annotations[kubernetes.io/service-account.name]"))
    if obj["type"] == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        errors += [required("data[username]"), required("data[password]")]
    return errors


def _key(path: str, key: str) -> list[FieldError]:
    return [invalid(path, key, problem) for problem in names.config_key(key)]


def _is_json(encoded: str) -> bool:
    try:
        json.loads(base64.b64decode(encoded))
    except (binascii.Error, ValueError):
        return False
    return True
