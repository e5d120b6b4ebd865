"""Every pod has a ServiceAccount, and its token mounted (admission plugin ServiceAccount)."""

from typing import Any

from fairlead.api.resources import PODS, SERVICE_ACCOUNTS
from fairlead.api.status import forbidden
from fairlead.apiserver.registry import Registry, generated_name

Json = dict[str, Any]

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607


def admit(registry: Registry, pod: Json) -> None:
    """Raises ApiError (403) where the account is not there."""
    spec = pod["spec"]
    if "kubernetes.io/config.mirror" in pod["metadata"].get("annotations", {}):
        return
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    namespace = pod["metadata"]["namespace"]
    entry = registry.find(SERVICE_ACCOUNTS, namespace, account)
    if entry is None:
        # The namespace's own account is made by a controller a moment after the namespace; whoever creates a pod in
        # between need not fail for that, as long as the pod itself would be the same.
        if account != "default":
            why = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
            raise forbidden(PODS, pod["metadata"].get("name", ""), why)
        automount: bool | None = None
    else:
        obj = entry.decode()
        automount = obj.get("automountServiceAccountToken")
        if not spec.get("imagePullSecrets") and obj.get("imagePullSecrets"):
            spec["imagePullSecrets"] = obj["imagePullSecrets"]
    wanted = spec.get("automountServiceAccountToken", True if automount is None else automount)
    if wanted:
        _mount(spec)


def _mount(spec: Json) -> None:
    name = ""
    for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
        mounts = container.get("volumeMounts") or []
        if any(mount.get("mountPath") == MOUNT for mount in mounts):
            continue
        name = name or generated_name("kube-api-access-")
        container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT}]
    if name:
        spec["volumes"] = [*(spec.get("volumes") or ()), _volume(name)]


def _volume(name: str) -> Json:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    root_ca = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": root_ca},
                {"downwardAPI": {"items": [namespace]}},
            ],
            "defaultMode": 420,
        },
    }
