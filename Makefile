# Every target does its own set-up on a fresh Debian machine. Run as root.

PYTHON ?= python3
BIN := .venv/bin

# What runs a cluster, then what only tests and benchmarks compare with.
PACKAGES := python3-venv crun nftables iproute2 conntrack curl dnsutils ca-certificates nginx-light libnginx-mod-http-lua openssl util-linux clang \
	tomcat10-common default-jre-headless busybox
TEST_PACKAGES := wrk dnsperf knot musl-dev etcd-server docker-registry ipset iptables ipvsadm kmod chromium libusrsctp-examples
VERSIONED_KUBECTL := .cache/kubectl-1.20/usr/bin/kubectl
PROGRAMS := src/fairlead/proxy/modes/ebpf/sockets.o
IPVS_KERNEL := .cache/uml/bin/linux.uml

.PHONY: setup up down test check bench clean

setup: .cache/setup.stamp $(VERSIONED_KUBECTL) $(IPVS_KERNEL) $(PROGRAMS) .cache/images.stamp

.cache/setup.stamp: Makefile pyproject.toml
	@mkdir -p .cache
	tools/install-packages.sh $(PACKAGES) $(TEST_PACKAGES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# The tutorial's images. They would be made when a first pod asks; so nobody waits for them.
.cache/images.stamp: .cache/setup.stamp
	for name in nginx tomcat ingress-controller; do \
		$(BIN)/fairlead image from-package $$name --tag fairlead.dev/$$name >/dev/null || exit 1; done
	@touch $@

# kubectl 1.20, the one Debian ships, beside whichever newer one the machine has.
$(VERSIONED_KUBECTL):
	tools/install-kubectl.sh .cache/kubectl-1.20

# A kernel with IPVS and SCTP, for tests/vm: User Mode Linux is for x86_64 only, elsewhere those tests are skipped.
$(IPVS_KERNEL):
	test "$$(uname -m)" != x86_64 || tools/fetch-kernel.sh .cache/uml

# The eBPF mode's. Installing compiles them, too: here they follow their source.
$(PROGRAMS): %.o: %.c .cache/setup.stamp tools/compile-programs.sh
	tools/compile-programs.sh

up: setup
	$(BIN)/fairlead demo

down:
	$(BIN)/fairlead down

check: setup
	$(BIN)/ruff format --check src tests bench tools
	$(BIN)/ruff check src tests bench tools
	$(BIN)/mypy
	$(BIN)/lint-imports

# All of it, in namespaces without a way out: format, lint, types, import contracts, tests.
test: check
	tools/in-sandbox.sh $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: setup
	tools/in-sandbox.sh $(BIN)/python -m bench $(ARGS)

clean:
	rm -rf .venv .cache
