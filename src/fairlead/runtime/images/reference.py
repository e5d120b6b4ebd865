"""Names of images (distribution/reference): `nginx:1.17.1` is `docker.io/library/nginx:1.17.1`. Pure."""

import re
from dataclasses import dataclass

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
DEFAULT_REGISTRY = "docker.io"


class InvalidReferenceError(ValueError):
    """No name of an image."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`tag` is empty where a digest is given alone."""

    registry: str
    repository: str
    tag: str
    digest: str = ""

    def __str__(self) -> str:
        name = f"{self.registry}/{self.repository}"
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def familiar(self) -> str:
        """As people write it."""
        text = str(self)
        return text.removeprefix(f"{DEFAULT_REGISTRY}/library/").removeprefix(f"{DEFAULT_REGISTRY}/")


def parse(text: str) -> Reference:
    """Raises InvalidReferenceError."""
    name, _, digest = text.partition("@")
    if digest and not _DIGEST.fullmatch(digest):
        raise InvalidReferenceError(f"couldn't parse image reference {text!r}: invalid digest")
    tag = ""
    head, colon, last = name.rpartition(":")
    if colon and "/" not in last:
        name, tag = head, last
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, repository = first, rest
    else:
        registry, repository = DEFAULT_REGISTRY, name if slash else f"library/{name}"
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    if not _REPOSITORY.fullmatch(repository) or (tag and not _TAG.fullmatch(tag)):
        raise InvalidReferenceError(f"couldn't parse image reference {text!r}: invalid reference format")
    return Reference(registry, repository, tag or ("" if digest else "latest"), digest)
