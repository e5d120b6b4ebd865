"""Connections that the kernel still sends where nothing is any more: UDP has no end of its own."""

import logging

from fairlead.host import process

log = logging.getLogger(__name__)


async def forget_udp(family: str, destination: str | None, port: int, endpoint: str | None = None) -> None:
    """Forgets flows to an address (None: any) and port; with `endpoint`, only those sent there (conntrack(8)).
    `family`: IPv4 or IPv6."""
    argv = ["conntrack", "-D", "-f", family.lower(), "-p", "udp", "--orig-port-dst", str(port)]
    if destination is not None:
        argv += ["--orig-dst", destination]
    if endpoint is not None:
        argv += ["--dst-nat", endpoint]
    try:
        await process.run(argv, seconds=5)
    except (OSError, TimeoutError) as error:
        log.warning("stale UDP flows to %s:%d may remain: %s", destination, port, error)
