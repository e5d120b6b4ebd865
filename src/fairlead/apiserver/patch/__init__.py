"""The three kinds of patch. None changes its input."""

from fairlead.apiserver.patch.errors import PatchError

__all__ = ["PatchError"]
