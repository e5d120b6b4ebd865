"""Defaults of a pod's spec: of pods and of every template (pkg/apis/core/v1/defaults.go)."""

from typing import Any

Json = dict[str, Any]


def default_pod_spec(spec: Json) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    if account := spec.get("serviceAccountName"):
        spec.setdefault("serviceAccount", account)
    elif account := spec.get("serviceAccount"):
        spec["serviceAccountName"] = account
    for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
        _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes", ()):
        _volume(volume)


def _container(container: Json, *, host_network: bool) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = "Always" if _tag(container.get("image", "")) == "latest" else "IfNotPresent"
    for port in container.get("ports", ()):
        port.setdefault("protocol", "TCP")
        if host_network and "containerPort" in port:
            port.setdefault("hostPort", port["containerPort"])
    for entry in container.get("env", ()):
        if reference := entry.get("valueFrom", {}).get("fieldRef"):
            reference.setdefault("apiVersion", "v1")
    requests = container["resources"].get("requests", {})
    for name, amount in container["resources"].get("limits", {}).items():
        requests.setdefault(name, amount)
    if requests:
        container["resources"]["requests"] = requests
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe := container.get(name):
            _probe(probe)
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and (get := hook.get("httpGet")):
            _http_get(get)


def _probe(probe: Json) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(field):
            probe[field] = value
    if get := probe.get("httpGet"):
        _http_get(get)


def _http_get(get: Json) -> None:
    get.setdefault("path", "/")
    get.setdefault("scheme", "HTTP")


def _volume(volume: Json) -> None:
    sources = [key for key in volume if key != "name"]
    if not sources:
        volume["emptyDir"] = {}
    for source in ("configMap", "secret", "downwardAPI", "projected"):
        if isinstance(volume.get(source), dict):
            volume[source].setdefault("defaultMode", 0o644)
    if isinstance(volume.get("hostPath"), dict):
        volume["hostPath"].setdefault("type", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if token := source.get("serviceAccountToken"):
            token.setdefault("expirationSeconds", 3600)
        _field_references(source.get("downwardAPI"))
    _field_references(volume.get("downwardAPI"))


def _field_references(downward: Json | None) -> None:
    for item in (downward or {}).get("items") or ():
        if reference := item.get("fieldRef"):
            reference.setdefault("apiVersion", "v1")


def _tag(image: str) -> str:
    """`nginx` → latest; a digest is no tag."""
    if "@" in image:
        return ""
    return image.rpartition("/")[2].partition(":")[2] or "latest"
