"""The lock of an election in a ConfigMap's annotation, as client-go had it before Leases: for roles that allow no more.

Source: client-go 0.17, tools/leaderelection/resourcelock/configmaplock.go.
"""

import json
from typing import Any

from fairlead.api.status import ApiError
from fairlead.api.types.core import ConfigMap
from fairlead.api.types.discovery import Lease, LeaseSpec
from fairlead.api.types.meta import ObjectMeta
from fairlead.client.rest import Client

ANNOTATION = "control-plane.alpha.kubernetes.io/leader"


class ConfigMapLock:
    def __init__(self, client: Client, name: str, namespace: str) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace

    async def read(self) -> Lease:
        try:
            found = await self._client.get("configmaps", self._name, self._namespace, type=ConfigMap)
        except ApiError as error:
            if not error.is_not_found:
                raise
            return Lease(metadata=ObjectMeta(name=self._name, namespace=self._namespace))
        return Lease(metadata=found.metadata, spec=_decoded(found.metadata.annotations.get(ANNOTATION, "")))

    async def write(self, lease: Lease) -> None:
        metadata = lease.metadata
        metadata.annotations = metadata.annotations | {ANNOTATION: _encoded(lease.spec)}
        config_map = ConfigMap(api_version="v1", kind="ConfigMap", metadata=metadata)
        if metadata.uid:
            await self._client.update("configmaps", config_map)
        else:
            await self._client.create("configmaps", config_map, self._namespace)


def _encoded(spec: LeaseSpec) -> str:
    return json.dumps(
        {
            "holderIdentity": spec.holder_identity or "",
            "leaseDurationSeconds": spec.lease_duration_seconds or 0,
            "acquireTime": spec.acquire_time,
            "renewTime": spec.renew_time,
            "leaderTransitions": spec.lease_transitions or 0,
        }
    )


def _decoded(text: str) -> LeaseSpec:
    """A text that is not ours to read is a free lock, as for client-go."""
    try:
        record: dict[str, Any] = json.loads(text)
    except ValueError:
        return LeaseSpec()
    return LeaseSpec(
        holder_identity=record.get("holderIdentity") or None,
        lease_duration_seconds=record.get("leaseDurationSeconds"),
        acquire_time=record.get("acquireTime"),
        renew_time=record.get("renewTime"),
        lease_transitions=record.get("leaderTransitions"),
    )
