#!/bin/sh
# Unpacks Debian's User Mode Linux beneath a directory: a kernel that runs as a process, with IPVS and SCTP among its
# modules. Nothing is installed; where that kernel mounts its modules is only made sure to be there.
set -eu

into=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download -qq -o APT::Sandbox::User=root user-mode-linux)
mkdir -p "$into" /lib/modules
dpkg-deb --fsys-tarfile "$work"/user-mode-linux_*.deb |
    tar --extract --directory "$into" --strip-components=2 ./usr/bin/linux.uml ./usr/lib/uml/modules
touch "$into/bin/linux.uml"
