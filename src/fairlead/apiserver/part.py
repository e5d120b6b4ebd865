"""The API server as a part: its options, its start, its end."""

import asyncio
import logging
from dataclasses import dataclass

from fairlead.apiserver.admission.webhooks import Webhooks
from fairlead.apiserver.allocation import Allocators
from fairlead.apiserver.authz import Authorizer
from fairlead.apiserver.bootstrap import ensure
from fairlead.apiserver.call import Api
from fairlead.apiserver.registry import Registry
from fairlead.apiserver.server import ApiServer
from fairlead.apiserver.tokens import Tokens
from fairlead.apiserver.tunnel import Kubelets
from fairlead.http.client import client_tls
from fairlead.http.server import listen, server_tls
from fairlead.store.interface import Store
from fairlead.store.memory import MemoryStore
from fairlead.store.sqlite import SqliteStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """Paths are of PEM files. `store` is `sqlite:PATH` or `memory:`. `kubelet_*`: who we are to the nodes' agents."""

    listen: tuple[str, ...]
    port: int
    advertise: str  # the address in the Endpoints of the Service `kubernetes`
    store: str
    certificate: str
    key: str
    client_ca: str
    service_account_key: str
    kubelet_ca: str
    kubelet_certificate: str
    kubelet_key: str
    service_cidrs: tuple[str, ...] = ("10.96.0.0/12",)  # the first is the default family's
    service_address: str = "10.96.0.1"
    node_ports: tuple[int, int] = (30000, 32767)


async def serve(options: Options) -> None:
    """Listens until cancelled. Raises OSError where the address is taken, StoreFault for a store that is broken."""
    registry = Registry(_store(options.store))
    await registry.open()
    allocators = Allocators(registry.cache, options.service_cidrs, options.node_ports)
    ready = asyncio.Event()
    api = Api(
        registry,
        Authorizer(registry.cache),
        Tokens(options.service_account_key, registry),
        allocators,
        Kubelets(registry, client_tls(options.kubelet_ca, options.kubelet_certificate, options.kubelet_key)),
        Webhooks(registry),
    )
    checks = {
        "ping": lambda: None,
        "etcd": lambda: None,  # the name that monitors know for "the store"; reads never leave this process
        "poststarthook/rbac/bootstrap-roles": lambda: None if ready.is_set() else "not finished",
    }
    # Whoever asks first must already be allowed what its role says.
    await ensure(registry, allocators, options.service_address, options.advertise, options.port)
    ready.set()
    server = await listen(
        ApiServer(api, checks).handle,
        options.listen,
        options.port,
        ssl=server_tls(options.certificate, options.key, options.client_ca),
    )
    log.info(
        "serving on %s, port %d, %d revisions known", ", ".join(options.listen), server.port, registry.cache.revision
    )
    try:
        await registry.compact_regularly()
    finally:
        await server.close()
        await registry.close()


def _store(url: str) -> Store:
    scheme, _, rest = url.partition(":")
    match scheme:
        case "memory":
            return MemoryStore()
        case "sqlite":
            return SqliteStore(rest)
    raise ValueError(f"store {url!r}: known are sqlite:PATH and memory:")
