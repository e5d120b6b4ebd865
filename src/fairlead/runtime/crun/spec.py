"""A container as the OCI runtime specification wants it (config.json). Pure."""

from typing import Any

from fairlead.runtime.interface import ContainerSpec, Image

Json = dict[str, Any]

# docker's and containerd's default set.
CAPABILITIES = (
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
)  # fmt: skip
ALL_CAPABILITIES = (
    *CAPABILITIES, "CAP_AUDIT_CONTROL", "CAP_AUDIT_READ", "CAP_BLOCK_SUSPEND", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
    "CAP_DAC_READ_SEARCH", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_LEASE", "CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE", "CAP_NET_ADMIN", "CAP_NET_BROADCAST", "CAP_PERFMON", "CAP_SYSLOG", "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT", "CAP_SYS_MODULE", "CAP_SYS_NICE", "CAP_SYS_PACCT", "CAP_SYS_PTRACE", "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_WAKE_ALARM",
)  # fmt: skip
MASKED = (
    "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
)  # fmt: skip
READ_ONLY = ("/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class UserError(ValueError):
    """A user that the image does not have. The text is containerd's."""


def config(spec: ContainerSpec, image: Image, namespaces: dict[str, str], passwd: str, groups: str) -> Json:
    """`namespaces`: kind → path of the sandbox's. `passwd` and `groups`: what the image's /etc/passwd and /etc/group
    say. Raises UserError."""
    uid, gid, more = user_of(spec, image, passwd, groups)
    capabilities = list(capabilities_of(spec))
    shared = [{"type": kind, "path": path} for kind, path in namespaces.items()]
    document: Json = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": spec.tty,
            "user": {"uid": uid, "gid": gid, "additionalGids": [*more, *spec.groups]},
            "args": command_of(spec, image),
            "env": environment(spec, image),
            "cwd": spec.working_dir or image.working_dir or "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 20000, "soft": 20000}],
            "noNewPrivileges": spec.no_new_privileges,
        },
        "root": {"path": "rootfs", "readonly": spec.read_only_root},
        "mounts": [*_system_mounts(privileged=spec.privileged), *_own_mounts(spec)],
        "linux": {
            "namespaces": [{"type": "pid"}, {"type": "mount"}, *shared],
            "maskedPaths": [] if spec.privileged else list(MASKED),
            "readonlyPaths": [] if spec.privileged else list(READ_ONLY),
            "rootfsPropagation": "private",
        },
    }
    if uid and "effective" in document["process"]["capabilities"]:
        # execve(2) of another user than root drops them; said here, so that nobody believes in them
        document["process"]["capabilities"] |= {"effective": [], "permitted": []}
    return document


def command_of(spec: ContainerSpec, image: Image) -> list[str]:
    """A pod's command replaces the image's entrypoint, and then the image's own arguments do not apply."""
    if spec.command:
        return [*spec.command, *spec.args]
    return [*image.entrypoint, *(spec.args or image.command)]


def environment(spec: ContainerSpec, image: Image) -> list[str]:
    """The image's, then the pod's; a terminal has a TERM."""
    found = dict(entry.partition("=")[::2] for entry in (PATH, *image.env))
    if spec.tty:
        found.setdefault("TERM", "xterm")
    found |= dict(spec.env)
    return [f"{key}={value}" for key, value in found.items()]


def capabilities_of(spec: ContainerSpec) -> tuple[str, ...]:
    if spec.privileged:
        return ALL_CAPABILITIES
    added = {_named(name) for name in spec.capabilities_add}
    dropped = {_named(name) for name in spec.capabilities_drop}
    base: tuple[str, ...] = () if "CAP_ALL" in dropped else CAPABILITIES
    if "CAP_ALL" in added:
        base = ALL_CAPABILITIES
    kept = [name for name in base if name not in dropped]
    return (*kept, *(name for name in sorted(added - {"CAP_ALL"}) if name not in kept))


def _named(name: str) -> str:
    return name.upper() if name.upper().startswith("CAP_") else f"CAP_{name.upper()}"


def user_of(spec: ContainerSpec, image: Image, passwd: str, groups: str) -> tuple[int, int, list[int]]:
    """(uid, gid, more groups): the pod's numbers, else the image's user, a name or a number."""
    entries = [line.split(":") for line in passwd.splitlines() if line.count(":") >= 6]
    name, _, group = image.user.partition(":")
    if spec.user is not None:
        found = next((e for e in entries if e[2] == str(spec.user)), None)
        gid = spec.group if spec.group is not None else int(found[3]) if found else 0
        return spec.user, gid, _memberships(found[0] if found else "", groups)
    if not name:
        return 0, spec.group or 0, _memberships("root", groups)
    found = next((e for e in entries if name in (e[0], e[2])), None)
    if found is None and not name.isdigit():
        raise UserError(f"unable to find user {name}: no matching entries in passwd file")
    uid = int(found[2]) if found else int(name)
    gid = int(found[3]) if found else 0
    if group:
        lines = [line.split(":") for line in groups.splitlines() if line.count(":") >= 3]
        match = next((e for e in lines if group in (e[0], e[2])), None)
        if match is None and not group.isdigit():
            raise UserError(f"unable to find group {group}: no matching entries in group file")
        gid = int(match[2]) if match else int(group)
    return uid, spec.group if spec.group is not None else gid, _memberships(found[0] if found else "", groups)


def _memberships(name: str, groups: str) -> list[int]:
    found = []
    for line in groups.splitlines():
        parts = line.split(":")
        if name and len(parts) >= 4 and name in parts[3].split(","):
            found.append(int(parts[2]))
    return found


def _system_mounts(*, privileged: bool) -> list[Json]:
    hidden = ["nosuid", "noexec", "nodev"]
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": hidden},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        },
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*hidden, "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": hidden},
        {
            "destination": "/sys",
            "type": "sysfs",
            "source": "sysfs",
            "options": [*hidden, "rw" if privileged else "ro"],
        },
    ]


def _own_mounts(spec: ContainerSpec) -> list[Json]:
    return [
        {
            "destination": mount.target,
            "type": "bind",
            "source": mount.source,
            "options": ["rbind", "rprivate", "ro" if mount.read_only else "rw"],
        }
        for mount in sorted(spec.mounts, key=lambda each: each.target.count("/"))
    ]
