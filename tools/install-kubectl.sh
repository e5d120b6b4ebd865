#!/bin/sh
# Unpacks Debian's kubectl beneath a directory, and installs it too where the machine has none at all.
# Never with apt where one is there: Debian's package and others both own /usr/bin/kubectl.
set -eu

into=$1
mkdir -p "$into"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download -qq -o APT::Sandbox::User=root kubernetes-client)
dpkg --extract "$work"/kubernetes-client_*.deb "$into"
touch "$into/usr/bin/kubectl"
command -v kubectl >/dev/null || ln -s "$(realpath "$into")/usr/bin/kubectl" /usr/local/bin/kubectl
