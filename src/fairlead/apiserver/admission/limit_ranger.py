"""What the LimitRanges of a namespace add to new pods and refuse of them (admission plugin LimitRanger).

A LimitRange may also speak of PersistentVolumeClaims; these are not served, so there is nothing to refuse.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fairlead.api.quantity import add, canonical, parse
from fairlead.api.resources import LIMIT_RANGES, PODS
from fairlead.api.status import forbidden
from fairlead.apiserver.registry import Registry

Json = dict[str, Any]
Amounts = Mapping[str, str]  # quantities by the resource's name

ANNOTATION = "kubernetes.io/limit-ranger"


def limits_of(registry: Registry, namespace: str) -> list[list[Json]]:
    """The items of each LimitRange."""
    shelf = registry.cache.shelf(LIMIT_RANGES.prefix)
    entries = shelf.slice(shelf.span(f"{LIMIT_RANGES.prefix}{namespace}/"))
    return [entry.decode()["spec"].get("limits") or [] for entry in entries]


def admit(limits: list[list[Json]], pod: Json) -> None:
    """Gives containers the defaults, and the pod an annotation that says so."""
    for items in limits:
        told: list[str] = []
        for group, name in (("containers", "container"), ("initContainers", "init container")):
            for container in pod["spec"].get(group) or ():
                told += _defaulted(container, name, [item for item in items if item.get("type") == "Container"])
        if told:
            annotations = pod["metadata"].setdefault("annotations", {})
            annotations[ANNOTATION] = "LimitRanger plugin set: " + "; ".join(told)


def _defaulted(container: Json, name: str, items: list[Json]) -> list[str]:
    resources: Json = container.setdefault("resources", {})
    told = []
    for field, source, word in (("requests", "defaultRequest", "request"), ("limits", "default", "limit")):
        amounts = {key: value for item in items for key, value in (item.get(source) or {}).items()}
        missing = {key: value for key, value in amounts.items() if key not in (resources.get(field) or {})}
        if missing:
            resources[field] = {**(resources.get(field) or {}), **missing}
            told.append(f"{', '.join(sorted(missing))} {word} for {name} {container['name']}")
    return told


def check(limits: list[list[Json]], pod: Json) -> None:
    """Raises ApiError (403) for the first LimitRange that the pod does not keep to."""
    for items in limits:
        problems = [problem for item in items for problem in _problems(item, pod["spec"])]
        if problems:
            unique = list(dict.fromkeys(problems))
            why = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
            raise forbidden(PODS, pod["metadata"].get("name", ""), why)


def _problems(item: Json, spec: Json) -> Iterator[str]:
    kind = item.get("type", "")
    if kind == "Container":
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            resources = container.get("resources") or {}
            yield from _broken(item, kind, resources.get("requests") or {}, resources.get("limits") or {})
    elif kind == "Pod":
        yield from _broken(item, kind, of_pod(spec, "requests"), of_pod(spec, "limits"))


def _broken(item: Json, kind: str, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for field, rule in _RULES.items():
        for name, bound in (item.get(field) or {}).items():
            if problem := rule(name, kind, bound, requests.get(name), limits.get(name)):
                yield problem


def _least(name: str, kind: str, bound: str, request: str | None, limit: str | None) -> str | None:
    text = f"minimum {name} usage per {kind} is {canonical(bound)}"
    if request is None:
        return f"{text}.  No request is specified"
    if parse(request) < parse(bound):
        return f"{text}, but request is {canonical(request)}"
    if limit is not None and parse(limit) < parse(bound):
        return f"{text}, but limit is {canonical(limit)}"
    return None


def _most(name: str, kind: str, bound: str, request: str | None, limit: str | None) -> str | None:
    text = f"maximum {name} usage per {kind} is {canonical(bound)}"
    if limit is None:
        return f"{text}.  No limit is specified"
    if parse(limit) > parse(bound):
        return f"{text}, but limit is {canonical(limit)}"
    if request is not None and parse(request) > parse(bound):
        return f"{text}, but request is {canonical(request)}"
    return None


def _ratio(name: str, kind: str, bound: str, request: str | None, limit: str | None) -> str | None:
    text = f"{name} max limit to request ratio per {kind} is {canonical(bound)}"
    if request is None or not parse(request):
        return f"{text}, but no request is specified or request is 0"
    if limit is None or not parse(limit):
        return f"{text}, but no limit is specified or limit is 0"
    if (ratio := parse(limit) / parse(request)) > parse(bound):
        return f"{text}, but provided ratio is {float(ratio):f}"
    return None


_RULES: dict[str, Callable[[str, str, str, str | None, str | None], str | None]] = {
    "min": _least,
    "max": _most,
    "maxLimitRequestRatio": _ratio,
}


def of_pod(spec: Json, field: str) -> Amounts:
    """What a pod needs at the most: its containers together with its sidecars (init containers that go on running), or
    one of the other init containers with the sidecars that are there by then (KEP-753)."""
    total: dict[str, str] = {}
    for container in spec.get("containers") or ():
        _add(total, (container.get("resources") or {}).get(field) or {})
    sidecars: dict[str, str] = {}
    peak: dict[str, str] = {}
    for container in spec.get("initContainers") or ():
        amounts = (container.get("resources") or {}).get(field) or {}
        if container.get("restartPolicy") == "Always":
            _add(total, amounts)
            _add(sidecars, amounts)
            now = sidecars
        else:
            now = dict(amounts)
            _add(now, sidecars)
        _raise_to(peak, now)
    _raise_to(total, peak)
    return total


def _add(total: dict[str, str], amounts: Amounts) -> None:
    for name, amount in amounts.items():
        total[name] = add(total[name], amount) if name in total else amount


def _raise_to(total: dict[str, str], amounts: Amounts) -> None:
    for name, amount in amounts.items():
        if name not in total or parse(amount) > parse(total[name]):
            total[name] = amount
