"""What a patch that cannot be applied raises."""


class PatchError(ValueError):
    """The patch itself is wrong, or does not fit the object."""
