"""Gives Services of the type LoadBalancer their addresses, and shows them in status and events
(k8s.io/cloud-provider, controllers/service)."""

import logging
from collections.abc import Iterator
from typing import Any

from fairlead.api.status import ApiError
from fairlead.client.events import Recorder, reference
from fairlead.client.informer import Informer
from fairlead.client.rest import Client
from fairlead.client.workqueue import WorkQueue
from fairlead.loadbalancer.addresses import Addresses, NoAddressError
from fairlead.loadbalancer.asking import FINALIZER, AskingError, Service, asked, balanced
from fairlead.loadbalancer.configuration import Configuration
from fairlead.loadbalancer.serving import Serving

log = logging.getLogger(__name__)

Json = dict[str, Any]


class Controller:
    """Of the Services of one class. `reconcile` is called by the workers of `queue`."""

    def __init__(
        self, client: Client, recorder: Recorder, services: Informer[Service], class_: str, serving: Serving
    ) -> None:
        self.queue = WorkQueue()
        self.configuration = Configuration()
        self.configured = False  # until then nobody loses an address
        self.has_nodes = True  # that a load balancer may send to
        self._client = client
        self._recorder = recorder
        self._services = services
        self._class = class_
        self._serving = serving
        self._addresses = Addresses()
        self._ahead: dict[str, Service] = {}  # what our own writes returned, until the watch has it
        self._told: dict[str, str] = {}  # why a Service is pending
        self._changed: set[str] = set()  # whose load balancer is to be ensured again, in words

    def start(self) -> None:
        """Everything is listed: who shows an address in its status keeps it, in the order of age."""
        wanted = [each for each in self._services.items.values() if self._is_ours(each) and each.is_wanted]
        for service in sorted(wanted, key=lambda each: (each.metadata.creation_timestamp or "", each.key)):
            if service.addresses:
                self._assign(service)
                if addresses := self._addresses.of(service.key):
                    self._serving.serve(service.key, balanced(service, addresses))
        self._services.add_handler(self._on_service)

    def configure(self, configuration: Configuration) -> None:
        """Others may have an address now, or none any more."""
        self.configuration, self.configured = configuration, True
        for key, service in self._services.items.items():
            if service.is_wanted or service.has_finalizer:
                self.queue.add(key)

    def _is_ours(self, service: Service) -> bool:
        return (service.spec.load_balancer_class or self.configuration.default_class) == self._class

    def _assign(self, service: Service) -> str:
        """Why it has no address; "" if it has."""
        pools = [pool for pool in self.configuration.pools if pool.class_ == self._class]
        try:
            self._addresses.assign(service.key, asked(service), pools, service.addresses)
        except (AskingError, NoAddressError) as error:
            self._addresses.release(service.key)
            return str(error)
        return ""

    # Events.

    def _on_service(self, key: str, before: Service | None, after: Service | None) -> None:
        if after is None:
            self._ahead.pop(key, None)
            self._told.pop(key, None)
            self._changed.discard(key)
            self.queue.add(key)
            return
        if before is not None and before.spec == after.spec and before.metadata.uid == after.metadata.uid:
            if before.metadata.annotations != after.metadata.annotations:
                self._changed.add(key)
        elif before is not None and (self._is_ours(before) or self._is_ours(after)):
            self._tell_change(before, after)
        if after.is_wanted or after.has_finalizer or self._addresses.of(key):
            self.queue.add(key)

    def _tell_change(self, before: Service, after: Service) -> None:
        if "LoadBalancer" not in (before.spec.type, after.spec.type):
            return
        self._changed.add(after.key)
        for reason, message in changes(before, after):
            self._event(after, "Normal", reason, message)

    def _event(self, service: Service, type_: str, reason: str, message: str) -> None:
        self._recorder.event(reference(service, "Service", "v1"), type_, reason, message)

    def nodes_changed(self) -> None:
        """Which nodes there are, not how they are."""
        for key, service in self._services.items.items():
            if not self._addresses.of(key):
                continue
            if self.has_nodes:
                self._event(service, "Normal", "UpdatedLoadBalancer", "Updated load balancer with new hosts")
            else:
                self._unavailable(service)

    def _unavailable(self, service: Service) -> None:
        self._event(service, "Warning", "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer")

    # One Service.

    async def reconcile(self, key: str) -> None:
        service = self._current(key)
        if service is None:
            await self._let_go(key)
        elif service.is_wanted and self._is_ours(service):
            await self._ensure(service)
        elif self._addresses.of(key) or (service.has_finalizer and self._is_ours(service)):
            await self._clean_up(service)

    def _current(self, key: str) -> Service | None:
        """As we know it: the watch may be behind what we wrote ourselves."""
        seen, ahead = self._services.get(key), self._ahead.get(key)
        if seen is None or ahead is None or ahead.metadata.uid != seen.metadata.uid:
            self._ahead.pop(key, None)
            return seen
        versions = [each.metadata.resource_version for each in (seen, ahead)]
        if all(each.isdigit() for each in versions) and int(versions[0]) < int(versions[1]):
            return ahead
        self._ahead.pop(key, None)
        return seen

    async def _ensure(self, service: Service) -> None:
        key, before = service.key, self._addresses.of(service.key)
        if not self.configured:
            return
        if why := self._assign(service):
            await self._refuse(service, before, why)
            return
        self._told.pop(key, None)
        addresses = self._addresses.of(key)
        if before and before != addresses:
            self._retry_pending()
        news = not service.has_finalizer or service.addresses != addresses or key in self._changed
        self._changed.discard(key)
        if news:
            self._event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
            if not self.has_nodes:
                self._unavailable(service)
        if not service.has_finalizer:
            service = await self._set_finalizers(service, (*service.metadata.finalizers, FINALIZER))
        self._serving.serve(key, balanced(service, addresses))
        if service.addresses != addresses or not _has_modes(service):
            await self._show(service, addresses)
        if news:
            self._event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")

    async def _refuse(self, service: Service, before: tuple[str, ...], why: str) -> None:
        """It is pending, and comes again when an address is free or the pools are others."""
        if before:
            await self._serving.let_go(service.key)
            self._retry_pending()
        if self._told.get(service.key) != why or service.key in self._changed:
            message = f"Error syncing load balancer: failed to ensure load balancer: {why}"
            self._event(service, "Warning", "SyncLoadBalancerFailed", message)
        self._told[service.key] = why
        self._changed.discard(service.key)
        if service.addresses:
            await self._show(service, ())

    async def _clean_up(self, service: Service) -> None:
        """Not ours any more: its type or its end. The finalizer goes when nothing answers for it."""
        key = service.key
        self._event(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
        await self._let_go(key)
        if service.addresses and service.metadata.deletion_timestamp is None:
            service = await self._show(service, ())
        if service.has_finalizer:
            kept = tuple(each for each in service.metadata.finalizers if each != FINALIZER)
            try:
                await self._set_finalizers(service, kept)
            except ApiError as error:
                if not error.is_not_found:
                    raise
        self._changed.discard(key)
        self._event(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")

    async def _let_go(self, key: str) -> None:
        await self._serving.let_go(key)
        if self._addresses.release(key):
            self._retry_pending()

    def _retry_pending(self) -> None:
        for key in self._told:
            self.queue.add(key)

    async def _set_finalizers(self, service: Service, finalizers: tuple[str, ...]) -> Service:
        metadata = {"finalizers": list(finalizers), "resourceVersion": service.metadata.resource_version}
        return await self._patch(service, {"metadata": metadata}, "")

    async def _show(self, service: Service, addresses: tuple[str, ...]) -> Service:
        """`VIP`: the address is still the packet's destination when it comes to a node (KEP-1860)."""
        ingress = [{"ip": each, "ipMode": "VIP"} for each in addresses]
        return await self._patch(service, {"status": {"loadBalancer": {"ingress": ingress or None}}}, "status")

    async def _patch(self, service: Service, body: Json, subresource: str) -> Service:
        metadata = service.metadata
        written = await self._client.patch(
            "services", metadata.name, metadata.namespace, body, subresource=subresource, type=Service
        )
        self._ahead[service.key] = written
        return written


def _has_modes(service: Service) -> bool:
    ingress = service.status.load_balancer.ingress if service.status is not None else ()
    return all(each.ip_mode is not None for each in ingress)


def changes(before: Service, after: Service) -> Iterator[tuple[str, str]]:
    """What a change is about: (reason, message) of events."""
    one, other = before.spec, after.spec
    if one.type != other.type:
        yield "Type", f"{one.type} -> {other.type}"
        return
    if one.load_balancer_source_ranges != other.load_balancer_source_ranges:
        ranges = [f"[{' '.join(each.load_balancer_source_ranges)}]" for each in (one, other)]
        yield "LoadBalancerSourceRanges", " -> ".join(ranges)
    if one.load_balancer_ip != other.load_balancer_ip:
        yield "LoadbalancerIP", f"{one.load_balancer_ip} -> {other.load_balancer_ip}"
    if len(one.external_ips) != len(other.external_ips):
        yield "ExternalIP", f"Count: {len(one.external_ips)} -> {len(other.external_ips)}"
    for was, is_ in zip(one.external_ips, other.external_ips, strict=False):
        if was != is_:
            yield "ExternalIP", f"Added: {is_}"
            break
    if one.external_traffic_policy != other.external_traffic_policy:
        yield "ExternalTrafficPolicy", f"{one.external_traffic_policy} -> {other.external_traffic_policy}"
    if one.health_check_node_port != other.health_check_node_port:
        yield "HealthCheckNodePort", f"{one.health_check_node_port} -> {other.health_check_node_port}"
    if len(one.ip_families) != len(other.ip_families):
        yield "IPFamilies", f"Count: {len(one.ip_families)} -> {len(other.ip_families)}"
