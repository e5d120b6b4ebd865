"""busybox, which people debug Services with: `kubectl run -it --rm --image=busybox …`."""

from fairlead.runtime.images.recipe import Recipe

# Debian's program has more of them. These are upstream's that somebody in a pod may call; all of them lie in /bin.
APPLETS = (
    "[", "[[", "arp", "arping", "ash", "awk", "base64", "basename", "bc", "bunzip2", "bzip2", "cal", "cat", "chgrp",
    "chmod", "chown", "chroot", "clear", "cmp", "cp", "cpio", "cut", "date", "dc", "dd", "df", "diff", "dirname",
    "dmesg", "dnsdomainname", "dos2unix", "du", "echo", "egrep", "env", "expand", "expr", "factor", "fallocate",
    "false", "fgrep", "find", "fold", "free", "ftpget", "ftpput", "getopt", "grep", "groups", "gunzip", "gzip", "head",
    "hexdump", "hostid", "hostname", "httpd", "id", "ifconfig", "ionice", "ip", "ipcalc", "kill", "killall", "less",
    "link", "ln", "logger", "logname", "ls", "md5sum", "microcom", "mkdir", "mkfifo", "mknod", "mktemp", "more",
    "mount", "mv", "nameif", "nc", "netstat", "nl", "nproc", "nsenter", "nslookup", "od", "paste",
    "patch", "pidof", "ping", "ping6", "printf", "ps", "pwd", "readlink", "realpath",
    "renice", "reset", "rev", "rm", "rmdir", "route", "sed", "seq", "setsid", "sh", "sha1sum", "sha256sum",
    "sha512sum", "shred", "shuf", "sleep", "sort", "stat", "strings", "stty", "sync", "sysctl", "tac", "tail",
    "tar", "taskset", "tee", "telnet", "test", "tftp", "time", "timeout", "top", "touch", "tr", "traceroute",
    "traceroute6", "true", "truncate", "tty", "umount", "uname", "unexpand", "uniq", "unix2dos", "unlink", "unzip",
    "uptime", "usleep", "uudecode", "uuencode", "vi", "watch", "wc", "wget", "which", "whoami", "xargs", "xxd", "xz",
    "yes", "zcat",
)  # fmt: skip

BUSYBOX = Recipe(
    packages=("busybox-static", "busybox"),
    command=("sh",),
    links={f"/bin/{name}": "/bin/busybox" for name in APPLETS},
    folders=("/home",),
)
