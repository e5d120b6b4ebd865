"""Where the API server is and who we are there: a kubeconfig file, or what a pod finds mounted."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.api import yaml

SERVICE_ACCOUNT = "var/run/secrets/kubernetes.io/serviceaccount"


class ConfigError(Exception):
    """A kubeconfig that cannot be used. The message names the file and the field."""


@dataclass(frozen=True, slots=True)
class Config:
    """`ca`: PEM bytes, a path, or None for the system's. `certificate` and `key` are paths."""

    server: str
    ca: bytes | str | None = None
    certificate: str | None = None
    key: str | None = None
    token: str | None = None
    token_file: str | None = None  # read again for each connection: kubelets rotate it
    namespace: str = "default"


def load_kubeconfig(path: str, context: str | None = None) -> Config:
    """One context of a kubeconfig file. Raises ConfigError; OSError where the file cannot be read."""
    file = Path(path)
    try:
        document = yaml.parse(file.read_bytes())
    except yaml.YamlError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: not a kubeconfig")
    name = context or document.get("current-context")
    chosen = _named(document, "contexts", name, "context", path)
    cluster = _named(document, "clusters", chosen.get("cluster"), "cluster", path)
    user = _named(document, "users", chosen.get("user"), "user", path) if chosen.get("user") else {}
    if user.get("exec") or user.get("auth-provider"):
        named = f"users[name={chosen.get('user')}].user.{'exec' if user.get('exec') else 'auth-provider'}"
        raise ConfigError(
            f"{path}: {named}: credential plugins are not run: give a token, a tokenFile or a certificate"
        )
    if "server" not in cluster:
        raise ConfigError(f"{path}: clusters[name={chosen.get('cluster')}].cluster.server is missing")
    return Config(
        server=cluster["server"],
        ca=_data(cluster, "certificate-authority", file),
        certificate=_file(user, "client-certificate", file),
        key=_file(user, "client-key", file),
        token=user.get("token"),
        token_file=str(mounted(user["tokenFile"])) if user.get("tokenFile") else None,
        namespace=chosen.get("namespace") or "default",
    )


def in_cluster() -> Config:
    """The pod's own ServiceAccount."""
    folder = mounted(f"/{SERVICE_ACCOUNT}")
    try:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    except KeyError as error:
        raise ConfigError(f"{error.args[0]} is not set: not in a pod? Give --kubeconfig.") from None
    return Config(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca=str(folder / "ca.crt"),
        token_file=str(folder / "token"),
        namespace=(folder / "namespace").read_text() if (folder / "namespace").exists() else "default",
    )


def mounted(path: str) -> Path:
    """A file of a volume: in its place, or beneath the mount point where this process has no mount namespace."""
    root = os.environ.get("CONTAINER_SANDBOX_MOUNT_POINT")
    beneath = Path(root, path.lstrip("/")) if root and path.startswith("/") else None
    return beneath if beneath is not None and beneath.exists() else Path(path)


def load(kubeconfig: str | None) -> Config:
    """The kubeconfig named, or the pod's own."""
    return load_kubeconfig(kubeconfig) if kubeconfig else in_cluster()


def _named(document: dict[str, Any], plural: str, name: object, singular: str, path: str) -> dict[str, Any]:
    for entry in document.get(plural) or ():
        if entry.get("name") == name:
            found: dict[str, Any] = entry.get(singular) or {}
            return found
    raise ConfigError(f"{path}: {plural} has no entry named {name!r}")


def _data(section: dict[str, Any], key: str, file: Path) -> bytes | str | None:
    if inline := section.get(f"{key}-data"):
        return base64.b64decode(inline)
    value = section.get(key)
    return str(file.parent / mounted(value)) if value else None


def _file(section: dict[str, Any], key: str, file: Path) -> str | None:
    """A path: TLS contexts load client keys from files only, so inline data is written to one that only we can read."""
    value = _data(section, key, file)
    if not isinstance(value, bytes):
        return value
    descriptor = os.memfd_create(f"{file.name}:{key}")
    os.write(descriptor, value)
    return f"/proc/self/fd/{descriptor}"
