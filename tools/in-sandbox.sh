#!/bin/sh
# Runs a command as root in network, mount and PID namespaces of its own, loopback only: nothing that it does to
# networks, mounts or processes is left behind, and no packet can leave this machine.
set -eu

exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private sh -c '
    ip link set lo up
    mkdir -p /run/netns
    mount -t tmpfs tmpfs /run/netns
    exec "$@"' in-sandbox "$@"
