"""Images for a pod's containers: here already, pulled, made here, or refused; told in the kubelet's words."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Protocol

from fairlead.api.types.core import Container
from fairlead.node import backoff
from fairlead.node.backoff import BackOff
from fairlead.runtime.images.recipe import BUILT_FROM
from fairlead.runtime.images.store import ImageStore
from fairlead.runtime.images.substitutes import alias_of, fallback_of
from fairlead.runtime.interface import Image, ImageFault, RegistryUnreachable

Tell = Callable[[str, str, str], None]  # Normal or Warning, reason, message


class Source(Protocol):
    """Where images come from. All of it blocks and may raise ImageFault."""

    def pull(self, name: str) -> Image:
        """From its registry. Raises RegistryUnreachable where nobody there answers."""

    def made(self, recipe: str) -> Image | None:
        """What was made of a recipe as things are now."""

    def make(self, recipe: str) -> Image: ...


class Images:
    """With `aliases`, names that stand for parts of ours are never asked of a registry."""

    def __init__(self, store: ImageStore, source: Source, *, aliases: bool) -> None:
        self._store = store
        self._source = source
        self._aliases = aliases
        self._locks: dict[str, asyncio.Lock] = {}
        self._backoffs: dict[str, tuple[BackOff, float]] = {}  # image → back-off, when it last failed

    async def ensure(self, container: Container, tell: Tell) -> Image:
        """Raises ImageFault: ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName."""
        name, alias = container.image, alias_of(container.image)
        there = await self._there(name, alias)
        if there is not None and (container.image_pull_policy != "Always" or alias):
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
                image = await asyncio.to_thread(self._get, name, alias if self._aliases else None, there)
            except ImageFault as fault:
                if there is not None and (there.labels.get(BUILT_FROM) or isinstance(fault, RegistryUnreachable)):
                    # What `Always` wants to know, nobody can answer: there is no registry that this one came from, or
                    # none in reach. A kubelet gives up here; on a machine without a way out, where `latest` means
                    # `Always`, no image that was loaded under that tag would ever run.
                    why = "" if there.labels.get(BUILT_FROM) else f" ({fault})"
                    text = f'Container image "{name}" already present on machine{_origin(there)}{why}'
                    tell("Normal", "Pulled", text)
                    return there
                known = self._backoffs.get(name)
                self._backoffs[name] = (backoff.following(known[0] if known else None, began), time.time())
                tell("Warning", "Failed", f'Failed to pull image "{name}": {fault}')
                tell("Warning", "Failed", f"Error: {fault.reason}")
                raise
        self._backoffs.pop(name, None)
        took = f"in {(time.time() - began) * 1000:.0f}ms"
        origin = _origin(image)
        verb = "Successfully made" if origin else "Successfully pulled"
        tell("Normal", "Pulled", f'{verb} image "{name}" {took}{origin}')
        return image

    async def _there(self, name: str, alias: str | None) -> Image | None:
        """An alias leads to what is made of this machine's packages as they are now; without aliases, an image that was
        made for one is not the one that is wanted. A fallback, too, follows what it is made of."""
        there = self._store.resolve(name)
        if alias is None:
            if there is not None and there.labels.get(BUILT_FROM) and (fallback := fallback_of(name)):
                with contextlib.suppress(ImageFault):  # its packages are gone; what was made of them serves
                    return await asyncio.to_thread(self._make, name, fallback)
            return there
        if not self._aliases:
            return None if there is not None and there.labels.get(BUILT_FROM) else there
        made = await asyncio.to_thread(self._source.made, alias)
        if made is None:
            return None
        if there is None or there.id != made.id:
            self._store.tag(made.reference, name)
        return self._store.resolve(name)

    def _get(self, name: str, alias: str | None, there: Image | None) -> Image:
        """Runs in a thread of its own. A fallback never takes the place of what somebody loaded under its name."""
        if alias is not None:
            return self._make(name, alias)
        try:
            return self._source.pull(name)
        except RegistryUnreachable as fault:
            fallback = fallback_of(name)
            if fallback is None or (there is not None and not there.labels.get(BUILT_FROM)):
                raise
            try:
                return self._make(name, fallback)
            except ImageFault as another:
                raise ImageFault(fault.reason, f"{fault}; and it cannot be made here: {another}") from fault

    def _make(self, name: str, recipe: str) -> Image:
        self._store.tag(self._source.make(recipe).reference, name)
        found = self._store.resolve(name)
        assert found is not None
        return found

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
