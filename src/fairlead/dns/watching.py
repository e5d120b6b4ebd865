"""The API's objects into the index: lists, watches, and what each change is to the workers."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, TypeVar

import msgspec

from fairlead.client.informer import Informer
from fairlead.client.rest import Client
from fairlead.dns.config.settings import Settings
from fairlead.dns.entries import Named, ServiceEntry, SliceEntry, WatchedPod, WatchedService, WatchedSlice
from fairlead.dns.feed import Known, Mark
from fairlead.dns.zone import Tag

log = logging.getLogger(__name__)

N = TypeVar("N", bound=Named)


class Name(msgspec.Struct, gc=False, frozen=True):
    name: str
    namespace: str
    resource_version: str


class Kept(msgspec.Struct, gc=False, frozen=True):
    """What is left of an object: its name, the revision by which a new list is compared, and what DNS has of it."""

    metadata: Name
    entry: ServiceEntry | SliceEntry | None


class Watching:
    """`changed` is called for each thing that is another one now, with its mark and the tags of what it may change."""

    def __init__(self, client: Client, known: Known, node: str, changed: Callable[[Mark, set[Tag]], None]) -> None:
        """`node`: whose pods `autopath` serves."""
        self._client = client
        self._known = known
        self._zone = known.zone
        self._node = node
        self._changed = changed
        self._pods: asyncio.Task[None] | None = None
        self._pods_of: str | None = None
        self._pod_informer: Informer[WatchedPod] | None = None
        self._namespaces = Informer(client, "namespaces", Kept, decode=_kept(Named, lambda _: None))
        self._services = Informer(client, "services", Kept, decode=_kept(WatchedService, ServiceEntry.from_api))
        self._slices = Informer(
            client, "endpointslices.discovery.k8s.io", Kept, decode=_kept(WatchedSlice, SliceEntry.from_api)
        )
        self._namespaces.add_handler(self._on_namespace)
        self._services.add_handler(self._on_service)
        self._slices.add_handler(self._on_slice)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for informer in (self._namespaces, self._services, self._slices):
                tasks.create_task(informer.run())

    async def synced(self) -> None:
        """Returns once the first lists are in the index, pods too where the settings need them."""
        for informer in (self._namespaces, self._services, self._slices):
            await informer.synced()
        if self._pod_informer is not None:
            await self._pod_informer.synced()

    def stale_seconds(self) -> float:
        """For how long some of the watches has been broken."""
        lost = [each.lost_since for each in (self._namespaces, self._services, self._slices)]
        times = [since for since in lost if since is not None]
        return time.monotonic() - min(times) if times else 0.0

    def follow_pods(self, settings: Settings) -> None:
        """All of them, this node's, or none, as the settings need it."""
        wanted = "" if settings.verifies_pods else f"spec.nodeName={self._node}" if settings.completes else None
        if wanted == self._pods_of:
            return
        if self._pods is not None:
            self._pods.cancel()
        for pod in list(self._known.pods):
            self._put_pod(pod, ())
        self._pods_of, self._pods, self._pod_informer = wanted, None, None
        if wanted is not None:
            informer = Informer(self._client, "pods", WatchedPod, field_selector=wanted)
            informer.add_handler(self._on_pod)
            self._pod_informer = informer
            self._pods = asyncio.get_running_loop().create_task(informer.run())

    # Changes.

    def _on_namespace(self, key: str, _: Kept | None, new: Kept | None) -> None:
        tags = self._zone.put_namespace(key, exists=new is not None)
        self._changed(("namespace", (key,)), tags)

    def _on_service(self, key: str, _: Kept | None, new: Kept | None) -> None:
        name = _split(key)
        entry = new.entry if new is not None else None
        assert not isinstance(entry, SliceEntry)
        if entry != self._zone.services.get(name):
            self._changed(("service", name), self._zone.put_service(name, entry))

    def _on_slice(self, key: str, _: Kept | None, new: Kept | None) -> None:
        name = _split(key)
        entry = new.entry if new is not None else None
        assert not isinstance(entry, ServiceEntry)
        if entry == self._known.slices.get(name):
            return
        if entry is None:
            self._known.slices.pop(name, None)
        else:
            self._known.slices[name] = entry
        self._changed(("slice", name), self._zone.put_slice(name, entry))

    def _on_pod(self, key: str, _: WatchedPod | None, new: WatchedPod | None) -> None:
        addresses: tuple[bytes, ...] = ()
        gone = new is None or new.spec.host_network or new.status.phase in ("Succeeded", "Failed")
        with _tolerant(key):
            found = [each.get("ip", "") for each in new.status.pod_ips] if new is not None and not gone else []
            addresses = tuple(ip_address(each).packed for each in found if each)
        if addresses != self._known.pods.get(_split(key), ()):
            self._put_pod(_split(key), addresses)

    def _put_pod(self, pod: tuple[str, str], addresses: tuple[bytes, ...]) -> None:
        if addresses:
            self._known.pods[pod] = addresses
        else:
            self._known.pods.pop(pod, None)
        self._changed(("pod", pod), self._zone.put_pod(pod, addresses))


def _kept(kind: type[N], entry_of: Callable[[N], ServiceEntry | SliceEntry | None]) -> Callable[[Any], Kept]:
    """From an object's JSON to the little that is kept of it, before the next one is read."""
    decode = msgspec.json.Decoder(kind).decode

    def kept(raw: Any) -> Kept:
        obj = decode(raw)
        metadata = obj.metadata
        entry: ServiceEntry | SliceEntry | None = None
        with _tolerant(f"{metadata.namespace}/{metadata.name}"):
            entry = entry_of(obj)
        name = Name(metadata.name, sys.intern(metadata.namespace), metadata.resource_version)
        return Kept(name, entry)

    return kept


@contextmanager
def _tolerant(key: str) -> Iterator[None]:
    """One malformed object (an address that is none) must not take the others' answers away."""
    try:
        yield
    except ValueError as error:
        log.warning("%s left out of DNS: %s", key, error)


def _split(key: str) -> tuple[str, str]:
    namespace, _, name = key.partition("/")
    return namespace, name
