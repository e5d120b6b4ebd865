"""What every namespace has: the ServiceAccount `default` and the ConfigMap with the cluster's authority."""

from typing import Any

from fairlead.api.status import ApiError
from fairlead.api.types.core import ConfigMap, Namespace, ServiceAccount
from fairlead.client.workqueue import WorkQueue, run
from fairlead.controllers.context import Context

Json = dict[str, Any]

ROOT_CA = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class NamespaceDefaultsController:
    """Made again whenever they are deleted; the authority's certificate is put right when it is changed."""

    def __init__(self, context: Context, root_ca: str) -> None:
        self._client = context.client
        self._root_ca = root_ca
        self._queue = WorkQueue()
        self._namespaces = context.namespaces
        self._accounts = context.informer("serviceaccounts", ServiceAccount)
        self._configs = context.informer("configmaps", ConfigMap)
        self._namespaces.add_handler(lambda key, _old, new: self._queue.add(key) if new else None)
        self._accounts.add_handler(lambda key, _old, new: None if new else self._look(key, "default"))
        self._configs.add_handler(lambda key, _old, _new: self._look(key, ROOT_CA))

    async def run(self) -> None:
        await run(self._queue, 4, self._reconcile, "namespace defaults")

    def _look(self, key: str, name: str) -> None:
        namespace, _, found = key.partition("/")
        if found == name:
            self._queue.add(namespace)

    async def _reconcile(self, key: str) -> None:
        namespace = self._namespaces.get(key)
        if namespace is None or not is_active(namespace):
            return
        if self._configs.get(f"{key}/{ROOT_CA}") is None:
            await self._create("configmaps", self._root_ca_map(), key)
        elif self._configs.items[f"{key}/{ROOT_CA}"].data != {"ca.crt": self._root_ca}:
            body = {"data": {"ca.crt": self._root_ca}}
            await self._client.patch("configmaps", ROOT_CA, key, body, type=ConfigMap)
        if self._accounts.get(f"{key}/default") is None:
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            await self._create("serviceaccounts", account, key)

    def _root_ca_map(self) -> Json:
        metadata = {"name": ROOT_CA, "annotations": {"kubernetes.io/description": DESCRIPTION}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": self._root_ca}}

    async def _create(self, resource: str, obj: Json, namespace: str) -> None:
        try:
            await self._client.create(resource, obj, namespace)
        except ApiError as error:
            if not (error.is_already_exists or error.is_not_found or error.code == 403):
                raise


def is_active(namespace: Namespace) -> bool:
    return namespace.metadata.deletion_timestamp is None
