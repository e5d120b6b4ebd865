#!/bin/sh
# Compiles the eBPF mode's programs beside their source. The object is the same on every machine with the same clang.
set -eu

cd "$(dirname "$0")/../src/fairlead/proxy/modes/ebpf"
exec clang -O2 -mcpu=v2 -target bpfel -Wall -Wextra -Werror -c sockets.c -o sockets.o
