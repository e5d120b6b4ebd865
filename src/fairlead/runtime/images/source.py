"""Where the images of pods come from: registries, or what this machine makes of its Debian packages."""

from dataclasses import dataclass

from fairlead.runtime.images.store import ImageStore
from fairlead.runtime.interface import Image


@dataclass(frozen=True, slots=True)
class ImageSource:
    store: ImageStore

    def pull(self, name: str) -> Image:
        from fairlead.runtime.images import registry

        return registry.pull(self.store, name)

    def made(self, recipe: str) -> Image | None:
        from fairlead.runtime.images import from_package

        return from_package.find(self.store, recipe)

    def make(self, recipe: str) -> Image:
        from fairlead.runtime.images import from_package

        return from_package.make(self.store, recipe)
