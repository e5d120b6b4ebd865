"""busybox, which people debug Services with: `kubectl run -it --rm --image=busybox …`."""

import os
from collections.abc import Iterable

from fairlead.runtime.images.recipe import Copy, Recipe

# Debian's program has more of them. These are upstream's that somebody in a pod may call; all of them lie in /bin.
APPLETS = (
    "[", "[[", "arp", "arping", "ash", "awk", "base64", "basename", "bc", "bunzip2", "bzip2", "cal", "cat", "chgrp",
    "chmod", "chown", "chroot", "clear", "cmp", "cp", "cpio", "cut", "date", "dc", "dd", "df", "diff", "dirname",
    "dmesg", "dnsdomainname", "dos2unix", "du", "echo", "egrep", "env", "expand", "expr", "factor", "fallocate",
    "false", "fgrep", "find", "fold", "free", "ftpget", "ftpput", "getopt", "grep", "groups", "gunzip", "gzip", "head",
    "hexdump", "hostid", "hostname", "httpd", "id", "ifconfig", "ionice", "ip", "ipcalc", "kill", "killall", "less",
    "link", "ln", "logger", "logname", "ls", "md5sum", "microcom", "mkdir", "mkfifo", "mknod", "mktemp", "more",
    "mount", "mv", "nameif", "nc", "netstat", "nl", "nproc", "nsenter", "od", "paste",
    "patch", "pidof", "ping", "ping6", "printf", "ps", "pwd", "readlink", "realpath",
    "renice", "reset", "rev", "rm", "rmdir", "route", "sed", "seq", "setsid", "sh", "sha1sum", "sha256sum",
    "sha512sum", "shred", "shuf", "sleep", "sort", "stat", "strings", "stty", "sync", "sysctl", "tac", "tail",
    "tar", "taskset", "tee", "telnet", "test", "tftp", "time", "timeout", "top", "touch", "tr", "traceroute",
    "traceroute6", "true", "truncate", "tty", "umount", "uname", "unexpand", "uniq", "unix2dos", "unlink", "unzip",
    "uptime", "usleep", "uudecode", "uuencode", "vi", "watch", "wc", "which", "whoami", "xargs", "xxd", "xz",
    "yes", "zcat",
)  # fmt: skip

# Kubernetes' documentation asks for busybox:1.28 since later applets take no name with a dot through the search list:
# `nslookup kubernetes.default` finds nothing. Until 1.28 it asked the C library, and told it so.
NSLOOKUP = """\
#!/bin/sh
case "$#$1" in
1-* | 0) exec busybox nslookup "$@" ;;
1*) ;;
*) exec busybox nslookup "$@" ;;
esac
told() {
    number=0
    while read -r address; do
        number=$((number + 1))
        set -- $(getent hosts "$address")
        echo "Address $number: $address${2:+ $2}"
    done
}
server=$(sed -n 's/^nameserver[[:space:]]*//p' /etc/resolv.conf | sed q)
echo "Server:    $server"
echo "$server" | told
echo
found=$(getent ahosts "$1" | sed -n 's/[[:space:]]*STREAM.*//p')
if [ -z "$found" ]; then
    echo "nslookup: can't resolve '$1'" >&2
    exit 1
fi
echo "Name:      $1"
echo "$found" | told
"""

# Debian's applet has no --timeout, and crashes at -T.
WGET = """\
#!/bin/sh
seconds='' next=''
for word; do
    shift
    if [ -n "$next" ]; then
        seconds=$word next=''
        continue
    fi
    case $word in
    -T | --timeout) next=1 ;;
    -T*) seconds=${word#-T} ;;
    --timeout=*) seconds=${word#*=} ;;
    *) set -- "$@" "$word" ;;
    esac
done
[ -n "$seconds" ] || exec busybox wget "$@"
timeout "$seconds" busybox wget "$@"
code=$?
[ $code != 143 ] || echo "wget: download timed out" >&2
[ $code = 0 ]
"""


def getent() -> Iterable[Copy]:
    """Of Debian's C library, which has it everywhere."""
    return [(path, "") for path in ("/usr/bin/getent",) if os.path.exists(path)]  # noqa: PTH110


BUSYBOX = Recipe(
    packages=("busybox-static", "busybox"),
    command=("sh",),
    links={f"/bin/{name}": "/bin/busybox" for name in APPLETS},
    programs={"/bin/nslookup": NSLOOKUP, "/bin/wget": WGET},
    folders=("/home",),
    copies=getent,
)
