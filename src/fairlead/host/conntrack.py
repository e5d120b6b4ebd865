"""Connections that the kernel still sends where nothing is any more: UDP has no end of its own."""

import logging
import re

from fairlead.host import process

log = logging.getLogger(__name__)


async def forget_udp(family: str, destination: str | None, port: int, endpoint: str | None = None) -> int:
    """Forgets flows to an address (None: any) and port; with `endpoint`, only those sent there (conntrack(8)).
    `family`: IPv4 or IPv6. Returns how many there were."""
    argv = ["conntrack", "-D", "-f", family.lower(), "-p", "udp", "--orig-port-dst", str(port)]
    if destination is not None:
        argv += ["--orig-dst", destination]
    if endpoint is not None:
        argv += ["--dst-nat", endpoint]
    try:
        done = await process.run(argv, seconds=5)
    except (OSError, TimeoutError) as error:
        log.warning("stale UDP flows to %s:%d may remain: %s", destination, port, error)
        return 0
    told = re.search(rb"(\d+) flow entries have been deleted", done.output)
    return int(told[1]) if told is not None else 0
