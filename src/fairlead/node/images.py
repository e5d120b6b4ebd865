"""Images for a pod's containers: here already, pulled, or refused; told in the kubelet's words."""

import asyncio
import time
from collections.abc import Callable

from fairlead.api.types.core import Container
from fairlead.node import backoff
from fairlead.node.backoff import BackOff
from fairlead.runtime.images.from_package import BUILT_FROM
from fairlead.runtime.images.store import ImageStore
from fairlead.runtime.interface import Image, ImageFault

Tell = Callable[[str, str, str], None]  # Normal or Warning, reason, message


class Images:
    """`pull` brings one image from its registry into the store; it raises ImageFault."""

    def __init__(self, store: ImageStore, pull: Callable[[str], Image]) -> None:
        self._store = store
        self._pull = pull
        self._locks: dict[str, asyncio.Lock] = {}
        self._backoffs: dict[str, tuple[BackOff, float]] = {}  # image → back-off, when it last failed

    async def ensure(self, container: Container, tell: Tell) -> Image:
        """Raises ImageFault: ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName."""
        name = container.image
        there = self._store.resolve(name)
        if there is not None and container.image_pull_policy != "Always":
            tell("Normal", "Pulled", f'Container image "{name}" already present on machine{_origin(there)}')
            return there
        if container.image_pull_policy == "Never":
            text = f'Container image "{name}" is not present with pull policy of Never'
            tell("Warning", "ErrImageNeverPull", text)
            raise ImageFault("ErrImageNeverPull", text)
        self._refuse_early(name, tell)
        async with self._locks.setdefault(name, asyncio.Lock()):
            tell("Normal", "Pulling", f'Pulling image "{name}"')
            began = time.time()
            try:
                image = await asyncio.to_thread(self._pull, name)
            except ImageFault as fault:
                if there is not None and there.labels.get(BUILT_FROM):
                    # There is no registry that this one came from; what `Always` wants to know, nobody can answer.
                    tell("Normal", "Pulled", f'Container image "{name}" already present on machine{_origin(there)}')
                    return there
                known = self._backoffs.get(name)
                self._backoffs[name] = (backoff.following(known[0] if known else None, began), time.time())
                tell("Warning", "Failed", f'Failed to pull image "{name}": {fault}')
                tell("Warning", "Failed", f"Error: {fault.reason}")
                raise
        self._backoffs.pop(name, None)
        took = time.time() - began
        tell("Normal", "Pulled", f'Successfully pulled image "{name}" in {took * 1000:.0f}ms')
        return image

    def retry_at(self, name: str) -> float:
        known = self._backoffs.get(name)
        return time.time() + 10 if known is None else known[1] + known[0].delay

    def _refuse_early(self, name: str, tell: Tell) -> None:
        known = self._backoffs.get(name)
        if known is None or known[0].until(known[1], time.time()) is None:
            return
        tell("Normal", "BackOff", f'Back-off pulling image "{name}"')
        tell("Warning", "Failed", "Error: ImagePullBackOff")
        raise ImageFault("ImagePullBackOff", f'Back-off pulling image "{name}"')


def _origin(image: Image) -> str:
    origin = image.labels.get(BUILT_FROM)
    return f" (not the upstream image: built from {origin})" if origin else ""
