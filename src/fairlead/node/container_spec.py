"""A pod's container in the words of the runtime: command, variables, mounts, identity."""

from collections.abc import Mapping
from pathlib import Path

from fairlead.api.types.core import Capabilities, Container, Pod, PodSecurityContext, SecurityContext, VolumeMount
from fairlead.node import environment
from fairlead.node.expansion import expand, missing
from fairlead.node.sources import SourceError
from fairlead.node.volumes.mounting import Volumes
from fairlead.runtime.interface import ContainerSpec, Mount


def container_spec(
    pod: Pod,
    container: Container,
    attempt: int,
    *,
    hostname: str,
    variables: Mapping[str, str],
    volumes: Volumes,
    logs: Path,
) -> ContainerSpec:
    """`attempt` counts from 0; `logs` is the folder of all pods' logs. Raises SourceError."""
    context = container.security_context or SecurityContext()
    capabilities = context.capabilities or Capabilities()
    user, group, groups = _identity(pod, context)
    metadata = pod.metadata
    folder = logs / f"{metadata.namespace}_{metadata.name}_{metadata.uid}" / container.name
    return ContainerSpec(
        id=f"{metadata.uid[:13]}-{container.name}-{attempt}"[:120],
        sandbox=f"{metadata.uid}-0",
        pod_uid=metadata.uid,
        name=container.name,
        attempt=attempt,
        image=container.image,
        command=tuple(environment.expanded(container.command, variables)),
        args=tuple(environment.expanded(container.args, variables)),
        env=(("HOSTNAME", hostname), *variables.items()),
        working_dir=container.working_dir,
        mounts=_mounts(container, volumes, variables),
        log_path=str(folder / f"{attempt}.log"),
        termination_message_path=container.termination_message_path,
        tty=container.tty,
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        user=user,
        group=group,
        groups=groups,
        privileged=context.privileged,
        capabilities_add=tuple(capabilities.add),
        capabilities_drop=tuple(capabilities.drop),
        read_only_root=context.read_only_root_filesystem,
        no_new_privileges=context.allow_privilege_escalation is False,
        title=metadata.name,
    )


def sub_path(mount: VolumeMount, variables: Mapping[str, str]) -> str:
    """Where in the volume. Raises SourceError for an expression that leads out of it, or to a variable that is not."""
    if not mount.sub_path_expr:
        return mount.sub_path
    if unknown := missing(mount.sub_path_expr, variables):
        raise SourceError(f'failed to expand subPath for volumeMount "{mount.name}": missing value for {unknown}')
    path = expand(mount.sub_path_expr, variables)
    if path.startswith("/"):
        raise SourceError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise SourceError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path


def _mounts(container: Container, volumes: Volumes, variables: Mapping[str, str]) -> tuple[Mount, ...]:
    """Those it asks for, and its names' files. A `subPath` that is not there is made."""
    mounts = []
    for mount in container.volume_mounts:
        source = volumes.paths[mount.name]
        if within := sub_path(mount, variables):
            source = source / within
            if not source.exists():
                source.mkdir(parents=True)
        mounts.append(Mount(str(source), mount.mount_path, mount.read_only))
    taken = {mount.target for mount in mounts}
    for name in ("hosts", "resolv.conf"):
        if f"/etc/{name}" not in taken:
            mounts.append(Mount(str(volumes.root / name), f"/etc/{name}"))
    return tuple(mounts)


def _identity(pod: Pod, context: SecurityContext) -> tuple[int | None, int | None, tuple[int, ...]]:
    """User, group and more groups: the container's, else the pod's; None: the image's."""
    common = pod.spec.security_context or PodSecurityContext()
    user = context.run_as_user if context.run_as_user is not None else common.run_as_user
    group = context.run_as_group if context.run_as_group is not None else common.run_as_group
    shared = () if common.fs_group is None else (common.fs_group,)
    return user, group, (*common.supplemental_groups, *shared)
