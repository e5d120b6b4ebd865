"""Addresses of hosts outside of the cluster: ExternalName Services, and URLs of annotations. nginx looks nothing up."""

import asyncio
import logging
import socket
from collections.abc import Callable

from fairlead.ingress.observing import Observed
from fairlead.ingress.plan.catalog import Catalog

log = logging.getLogger(__name__)

NEW, AGAIN = 0.2, 10.0  # seconds between two looks for new names, and at names that are known


async def resolve(catalog: Catalog, observed: Observed, changed: Callable[[], None]) -> None:
    """Runs until cancelled."""
    loop = asyncio.get_running_loop()
    due: dict[str, float] = {}
    while True:
        names = catalog.names()
        for name in [each for each in due if each not in names]:
            del due[name]
            observed.names.pop(name, None)
        for name in sorted(names):
            if due.get(name, 0) <= loop.time():
                due[name] = loop.time() + AGAIN
                found = await _addresses(name)
                if found is not None and found != observed.names.get(name):
                    observed.names[name] = found
                    catalog.name_changed(name)
                    changed()
        await asyncio.sleep(NEW)


async def _addresses(name: str) -> tuple[str, ...] | None:
    """None while they cannot be asked for: what was known holds on."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            return ()
        log.info("%s is not looked up: %s", name, error)
        return None
    except UnicodeError:
        return ()
    return tuple(sorted({str(each[4][0]) for each in found}))
