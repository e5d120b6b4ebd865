"""The image of Fairlead's own parts: pods of it are forks of the warm process, so there is nothing to unpack."""

import fairlead

REPOSITORY = "fairlead.dev/fairlead"
IMAGE = f"{REPOSITORY}:{fairlead.__version__}"


def is_part(image: str) -> bool:
    return image.rpartition(":")[0] == REPOSITORY
