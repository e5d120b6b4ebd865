"""The node in the API: registered, its status told, its lease renewed."""

import asyncio
import logging
import time
from typing import Any

import msgspec

from fairlead.api import time as api_time
from fairlead.api.status import ApiError
from fairlead.api.types.core import Node, NodeStatus
from fairlead.client.rest import Client
from fairlead.node.node_status import Health, Identity, Machine, node_object, status_of

log = logging.getLogger(__name__)

LEASES, LEASE_NAMESPACE = "leases.coordination.k8s.io", "kube-node-lease"
LEASE_SECONDS, RENEW_SECONDS = 40, 10.0
STATUS_SECONDS = 300.0
Json = dict[str, Any]


class Registration:
    def __init__(
        self,
        client: Client,
        identity: Identity,
        machine: Machine,
        health: Health,
        taints: tuple[tuple[str, str, str], ...],
        pod_cidrs: tuple[str, ...],
    ) -> None:
        self._client = client
        self._identity = identity
        self._machine = machine
        self._health = health
        self._taints = taints
        self._pod_cidrs = pod_cidrs
        self.node: Node | None = None

    @property
    def name(self) -> str:
        return self._identity.name

    async def register(self) -> Node:
        """Creates the node, or brings the one of an earlier agent up to date. Tries until the server answers."""
        while True:
            try:
                self.node = await self._register()
            except (ApiError, OSError) as error:
                log.debug("cannot register yet: %s", error)
                await asyncio.sleep(0.02)
            else:
                await self._renew()
                return self.node

    async def _register(self) -> Node:
        status = status_of(self._identity, self._machine, self._health, (), NodeStatus(), time.time())
        wanted = msgspec.to_builtins(node_object(self._identity, self._machine, self._pod_cidrs, status))
        if self._taints:
            wanted.setdefault("spec", {})["taints"] = [_taint(*taint) for taint in self._taints]
        try:
            made = await self._client.create("nodes", wanted)
        except ApiError as error:
            if not error.is_already_exists:
                raise
            labels = {"metadata": {"labels": wanted["metadata"]["labels"]}}
            found = await self._client.patch("nodes", self.name, None, labels, type=Node)
            await self._tell(found.status)
            return await self._client.get("nodes", self.name, type=Node)
        return msgspec.convert(made, Node)

    async def run(self) -> None:
        """Renews the lease, and now and then the status, until cancelled."""
        told_at = time.monotonic()
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self._renew()
                if time.monotonic() - told_at > STATUS_SECONDS or await self._is_doubted():
                    node = await self._client.get("nodes", self.name, type=Node)
                    await self._tell(node.status)
                    told_at = time.monotonic()
            except ApiError as error:
                log.warning("node status: %s", error)
                if error.is_not_found:
                    await self.register()
            except OSError as error:
                log.info("node status: %s", error)

    async def _is_doubted(self) -> bool:
        """Whether the control plane believes that we are gone."""
        node = await self._client.get("nodes", self.name, type=Node)
        return any(each.type == "Ready" and each.status == "Unknown" for each in node.status.conditions)

    async def _tell(self, told: NodeStatus) -> None:
        status = status_of(self._identity, self._machine, self._health, (), told, time.time())
        body = {"status": msgspec.to_builtins(status)}
        self.node = await self._client.patch("nodes", self.name, None, body, subresource="status", type=Node)

    async def _renew(self) -> None:
        spec: Json = {
            "holderIdentity": self.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": api_time.render_micro(time.time()),
        }
        try:
            await self._client.patch(LEASES, self.name, LEASE_NAMESPACE, {"spec": spec}, type=dict[str, Any])
        except ApiError as error:
            if not error.is_not_found:
                raise
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.name},
                "spec": spec,
            }
            await self._client.create(LEASES, lease, LEASE_NAMESPACE)


def _taint(key: str, value: str, effect: str) -> Json:
    return {"key": key, "effect": effect} | ({"value": value} if value else {})
