"""A pod's spec, of pods and templates (pkg/apis/core/validation ValidatePodSpec)."""

from typing import Any

from fairlead.api.field import FieldError, duplicate, forbidden, invalid, not_found, not_supported, required
from fairlead.api.quantity import parse
from fairlead.apiserver.validation import names

Json = dict[str, Any]

RESTART = ("Always", "Never", "OnFailure")
DNS = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
PULL = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
NOT_NEGATIVE = "must be greater than or equal to 0"


def validate_pod_spec(spec: Json, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    volumes = _volumes(spec, path, errors)
    containers = spec.get("containers") or ()
    if not containers:
        errors.append(required(f"{path}.containers"))
    taken: set[str] = set()
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or ()):
            errors += _container(container, f"{path}.{group}[{index}]", taken, volumes, spec)
    if spec["restartPolicy"] not in RESTART:
        errors.append(not_supported(f"{path}.restartPolicy", spec["restartPolicy"], RESTART))
    if spec["dnsPolicy"] not in DNS:
        errors.append(not_supported(f"{path}.dnsPolicy", spec["dnsPolicy"], DNS))
    if spec["dnsPolicy"] == "None" and spec.get("dnsConfig") is None:
        errors.append(required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None"))
    elif spec["dnsPolicy"] == "None" and not spec["dnsConfig"].get("nameservers"):
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        errors.append(required(f"{path}.dnsConfig.nameservers", why))
    if (seconds := spec.get("activeDeadlineSeconds")) is not None and seconds < 1:
        errors.append(invalid(f"{path}.activeDeadlineSeconds", seconds, "must be between 1 and 2147483647, inclusive"))
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        errors.append(
            invalid(f"{path}.terminationGracePeriodSeconds", spec["terminationGracePeriodSeconds"], NOT_NEGATIVE)
        )
    if name := spec.get("nodeName"):
        errors += [invalid(f"{path}.nodeName", name, problem) for problem in names.subdomain(name)]
    if host := spec.get("hostname"):
        errors += [invalid(f"{path}.hostname", host, problem) for problem in names.label(host)]
    if domain := spec.get("subdomain"):
        errors += [invalid(f"{path}.subdomain", domain, problem) for problem in names.label(domain)]
    if account := spec.get("serviceAccountName"):
        errors += [invalid(f"{path}.serviceAccountName", account, problem) for problem in names.subdomain(account)]
    errors += _host_ports(spec, path)
    return errors


def _volumes(spec: Json, path: str, errors: list[FieldError]) -> set[str]:
    taken: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        where = f"{path}.volumes[{index}]"
        name = volume.get("name", "")
        if not name:
            errors.append(required(f"{where}.name"))
        else:
            errors += [invalid(f"{where}.name", name, problem) for problem in names.label(name)]
        if name in taken:
            errors.append(duplicate(f"{where}.name", name))
        taken.add(name)
        sources = [key for key in volume if key != "name"]
        if len(sources) > 1:
            errors.append(forbidden(f"{where}.{sources[1]}", "may not specify more than 1 volume type"))
        for source, field in (("configMap", "name"), ("secret", "secretName"), ("hostPath", "path")):
            if isinstance(volume.get(source), dict) and not volume[source].get(field):
                errors.append(required(f"{where}.{source}.{field}"))
    return taken


def _container(container: Json, path: str, taken: set[str], volumes: set[str], spec: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    name = container.get("name", "")
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        errors += [invalid(f"{path}.name", name, problem) for problem in names.label(name)]
    if name in taken:
        errors.append(duplicate(f"{path}.name", name))
    taken.add(name)
    image = container.get("image", "")
    if not image:
        errors.append(required(f"{path}.image"))
    elif image != image.strip():
        errors.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    if container["imagePullPolicy"] not in PULL:
        errors.append(not_supported(f"{path}.imagePullPolicy", container["imagePullPolicy"], PULL))
    errors += _ports(container, path, spec)
    for index, entry in enumerate(container.get("env") or ()):
        key, where = entry.get("name", ""), f"{path}.env[{index}]"
        if not key:
            errors.append(required(f"{where}.name"))
        else:
            errors += [invalid(f"{where}.name", key, problem) for problem in names.env_name(key)]
        if entry.get("value") and entry.get("valueFrom"):
            errors.append(invalid(f"{where}.valueFrom", "", "may not be specified when `value` is not empty"))
    errors += _mounts(container, path, volumes)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if given := container.get(probe):
            errors += _probe(given, f"{path}.{probe}", probe)
    return errors + _resources(container["resources"], f"{path}.resources")


def _mounts(container: Json, path: str, volumes: set[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    mounted: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{path}.volumeMounts[{index}]"
        if mount.get("name") not in volumes:
            errors.append(not_found(f"{where}.name", mount.get("name", "")))
        if not mount.get("mountPath"):
            errors.append(required(f"{where}.mountPath"))
        elif mount["mountPath"] in mounted:
            errors.append(invalid(f"{where}.mountPath", mount["mountPath"], "must be unique"))
        mounted.add(mount.get("mountPath", ""))
    return errors


def _ports(container: Json, path: str, spec: Json) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[str] = set()
    for index, port in enumerate(container.get("ports") or ()):
        where = f"{path}.ports[{index}]"
        if name := port.get("name"):
            errors += [invalid(f"{where}.name", name, problem) for problem in names.port_name(name)]
            if name in taken:
                errors.append(duplicate(f"{where}.name", name))
            taken.add(name)
        number = port.get("containerPort")
        if not number:
            errors.append(required(f"{where}.containerPort"))
        else:
            errors += [invalid(f"{where}.containerPort", number, problem) for problem in names.port_number(number)]
        if host := port.get("hostPort"):
            errors += [invalid(f"{where}.hostPort", host, problem) for problem in names.port_number(host)]
            if spec.get("hostNetwork") and host != number:
                errors.append(
                    invalid(f"{where}.containerPort", number, "must match `hostPort` when `hostNetwork` is true")
                )
        if port.get("protocol") not in PROTOCOLS:
            errors.append(not_supported(f"{where}.protocol", port.get("protocol", ""), PROTOCOLS))
    return errors


def _host_ports(spec: Json, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[tuple[int, str, str]] = set()
    for index, container in enumerate(spec.get("containers") or ()):
        for position, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = (port["hostPort"], port.get("protocol", ""), port.get("hostIP", ""))
            if key in taken:
                where = f"{path}.containers[{index}].ports[{position}].hostPort"
                errors.append(duplicate(where, f"{key[1]}/{key[2]}/{key[0]}"))
            taken.add(key)
    return errors


def _probe(probe: Json, path: str, kind: str) -> list[FieldError]:
    errors: list[FieldError] = []
    ways = [way for way in ("exec", "httpGet", "tcpSocket", "grpc") if probe.get(way) is not None]
    if not ways:
        errors.append(required(path, "must specify a handler type"))
    elif len(ways) > 1:
        errors.append(forbidden(f"{path}.{ways[1]}", "may not specify more than 1 handler type"))
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(field, 0) < 0:
            errors.append(invalid(f"{path}.{field}", probe[field], NOT_NEGATIVE))
    if kind != "readinessProbe" and probe["successThreshold"] != 1:
        errors.append(invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1"))
    for way in ("httpGet", "tcpSocket"):
        if probe.get(way) is not None:
            port = probe[way].get("port", 0)
            problems = names.port_name(port) if isinstance(port, str) else names.port_number(port)
            errors += [invalid(f"{path}.{way}.port", port, problem) for problem in problems]
    if probe.get("exec") is not None and not probe["exec"].get("command"):
        errors.append(required(f"{path}.exec.command"))
    return errors


def _resources(resources: Json, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            if parse(amount) < 0:
                errors.append(invalid(f"{path}.{field}[{name}]", amount, NOT_NEGATIVE))
    for name, amount in requests.items():
        if name in limits and parse(amount) > parse(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            errors.append(invalid(f"{path}.requests", amount, why))
    return errors
