"""Leases: a node's sign of life, and who answers for an address (coordination.k8s.io/v1)."""

import time

import msgspec

from fairlead.api import time as api_time
from fairlead.api.status import ApiError
from fairlead.api.types.discovery import Lease, LeaseSpec
from fairlead.api.types.meta import ObjectMeta
from fairlead.client.rest import Client

LEASES = "leases.coordination.k8s.io"
LABELS = {"app": "load-balancer-l2"}
SELECTOR = "app=load-balancer-l2"
SPEAKER = "load-balancer-node-"  # and its name: what is a sign of life


class Leases:
    """Of one node. Raises ApiError and OSError."""

    def __init__(self, client: Client, namespace: str, node: str) -> None:
        self._client = client
        self._namespace = namespace
        self._node = node
        self._own: Lease | None = None

    async def beat(self, seconds: float) -> None:
        """A sign of life. `seconds`: it counts for so long."""
        moment = api_time.render_micro(time.time())
        spec = LeaseSpec(holder_identity=self._node, lease_duration_seconds=max(1, round(seconds)), renew_time=moment)
        try:
            self._own = await self._write(self._own or self._new(f"{SPEAKER}{self._node}"), spec)
        except ApiError as error:
            if not (error.is_conflict or error.is_not_found or error.is_already_exists):
                raise
            self._own = await self._read(f"{SPEAKER}{self._node}")
            self._own = await self._write(self._own, spec)

    async def take(self, name: str, known: Lease | None) -> Lease | None:
        """Over what is known of it; None: somebody was first."""
        before = known.spec if known is not None else LeaseSpec()
        moment = api_time.render_micro(time.time())
        spec = LeaseSpec(
            holder_identity=self._node,
            lease_duration_seconds=1,
            acquire_time=moment,
            renew_time=moment,
            lease_transitions=(before.lease_transitions or 0) + (known is not None),
        )
        try:
            return await self._write(known or self._new(name), spec)
        except ApiError as error:
            if error.is_conflict or error.is_already_exists or error.is_not_found:
                return None
            raise

    async def release(self, known: Lease) -> None:
        """Nobody holds it now: the next may take it at once."""
        try:
            await self._write(known, LeaseSpec(holder_identity="", lease_transitions=known.spec.lease_transitions))
        except ApiError as error:
            if not (error.is_conflict or error.is_not_found):
                raise

    async def remove(self, name: str) -> None:
        try:
            await self._client.delete(LEASES, name, self._namespace)
        except ApiError as error:
            if not error.is_not_found:
                raise

    def _new(self, name: str) -> Lease:
        metadata = ObjectMeta(name=name, namespace=self._namespace, labels=dict(LABELS))
        return Lease(api_version="coordination.k8s.io/v1", kind="Lease", metadata=metadata)

    async def _read(self, name: str) -> Lease:
        try:
            return await self._client.get(LEASES, name, self._namespace, type=Lease)
        except ApiError as error:
            if not error.is_not_found:
                raise
        return self._new(name)

    async def _write(self, lease: Lease, spec: LeaseSpec) -> Lease:
        lease = msgspec.structs.replace(lease, spec=spec)
        if lease.metadata.uid:
            return await self._client.update(LEASES, lease)
        return await self._client.create(LEASES, lease, self._namespace)
