"""`runAsNonRoot`: a container that would be root is not started (kubelet, verifyRunAsNonRoot). Pure."""

from fairlead.api.types.core import Container, Pod, PodSecurityContext, SecurityContext


class RootForbiddenError(ValueError):
    """The text is the kubelet's."""


def check(pod: Pod, container: Container, image_user: str) -> None:
    """`image_user`: what the image says, `USER` or `UID:GID`; empty is root. Raises RootForbiddenError."""
    common, own = pod.spec.security_context or PodSecurityContext(), container.security_context or SecurityContext()
    demanded = own.run_as_non_root if own.run_as_non_root is not None else common.run_as_non_root
    if not demanded:
        return
    metadata = pod.metadata
    where = f'(pod: "{metadata.name}_{metadata.namespace}({metadata.uid})", container: {container.name})'
    user = own.run_as_user if own.run_as_user is not None else common.run_as_user
    if user is not None:
        if user == 0:
            raise RootForbiddenError(f"container's runAsUser breaks non-root policy {where}")
        return
    name = image_user.partition(":")[0]
    if not name or name == "0":
        raise RootForbiddenError(f"container has runAsNonRoot and image will run as root {where}")
    if not name.isdigit():
        why = f"image has non-numeric user ({name}), cannot verify user is non-root"
        raise RootForbiddenError(f"container has runAsNonRoot and {why} {where}")
