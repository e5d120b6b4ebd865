"""The pools of addresses, as the ConfigMap has them. Pure.

apiVersion: loadbalancer.fairlead.dev/v1alpha1
kind: LoadBalancerConfiguration
defaultClass: fairlead.dev/device
pools:
- name: lan
  addresses: [192.168.109.200-192.168.109.250, "fd00:192:168:109::200/120"]
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fairlead.services.model import Family

API_VERSION, KIND = "loadbalancer.fairlead.dev/v1alpha1", "LoadBalancerConfiguration"
CONFIG_MAP, CONFIG_KEY = "kube-system/load-balancer", "config.yaml"  # where it is
DEVICE, L2 = "fairlead.dev/device", "fairlead.dev/l2"
CLASSES = (DEVICE, L2)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?").fullmatch


class ConfigurationError(Exception):
    """The field, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses from `first` to `last`, as numbers."""

    family: Family
    first: int
    last: int

    def text(self, number: int) -> str:
        return str((ipaddress.IPv4Address if self.family == "IPv4" else ipaddress.IPv6Address)(number))

    def overlaps(self, other: "Range") -> bool:
        return self.family == other.family and self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Pool:
    """`namespaces`: whose Services may have its addresses; none: everybody's. `auto_assign`: also those that do not ask
    for it."""

    name: str
    ranges: tuple[Range, ...]
    class_: str = DEVICE
    namespaces: frozenset[str] = frozenset()
    auto_assign: bool = True

    def allows(self, namespace: str) -> bool:
        return not self.namespaces or namespace in self.namespaces

    def contains(self, address: str) -> bool:
        parsed = ipaddress.ip_address(address)
        family, number = f"IPv{parsed.version}", int(parsed)
        return any(each.family == family and each.first <= number <= each.last for each in self.ranges)


@dataclass(frozen=True, slots=True)
class Configuration:
    """`default_class`: of Services that name none; "": these are not ours."""

    pools: tuple[Pool, ...] = ()
    default_class: str = DEVICE


def parse(text: str) -> Configuration:
    """Raises ConfigurationError."""
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"not YAML: {error}") from error
    if not isinstance(given, dict):
        raise ConfigurationError("not a LoadBalancerConfiguration")
    _known(given, ("apiVersion", "kind", "defaultClass", "pools"), "")
    if (given.get("apiVersion"), given.get("kind")) != (API_VERSION, KIND):
        raise ConfigurationError(f"apiVersion, kind: must be {API_VERSION}, {KIND}")
    default = given.get("defaultClass", DEVICE)
    if default not in (*CLASSES, ""):
        raise ConfigurationError(f"defaultClass: Unsupported value: {default!r}: supported values: {_quoted()}")
    listed = given.get("pools") or []
    if not isinstance(listed, list):
        raise ConfigurationError("pools: must be a list")
    pools = tuple(_pool(each, f"pools[{index}]", default or DEVICE) for index, each in enumerate(listed))
    _check_apart(pools)
    return Configuration(pools, default)


def _pool(given: Any, path: str, default: str) -> Pool:
    if not isinstance(given, dict):
        raise ConfigurationError(f"{path}: must be a pool: name, addresses")
    _known(given, ("name", "addresses", "class", "namespaces", "autoAssign"), f"{path}.")
    name, class_ = given.get("name"), given.get("class", default)
    if not isinstance(name, str) or not _NAME(name):
        raise ConfigurationError(f"{path}.name: Invalid value: {name!r}: must be a DNS label")
    if class_ not in CLASSES:
        raise ConfigurationError(f"{path}.class: Unsupported value: {class_!r}: supported values: {_quoted()}")
    addresses = given.get("addresses")
    if not isinstance(addresses, list) or not addresses:
        raise ConfigurationError(f"{path}.addresses: Required value: ranges (FIRST-LAST), CIDRs or addresses")
    ranges = tuple(_range(str(each), f"{path}.addresses[{index}]") for index, each in enumerate(addresses))
    namespaces = given.get("namespaces") or []
    if not isinstance(namespaces, list):
        raise ConfigurationError(f"{path}.namespaces: must be a list")
    auto = given.get("autoAssign", True)
    if not isinstance(auto, bool):
        raise ConfigurationError(f"{path}.autoAssign: must be true or false")
    return Pool(name, ranges, class_, frozenset(map(str, namespaces)), auto)


def _range(text: str, path: str) -> Range:
    """A CIDR's own address and, in IPv4, its broadcast address are nobody's."""
    try:
        if "-" in text:
            first, last = (ipaddress.ip_address(each.strip()) for each in text.split("-", 1))
            if first.version != last.version or int(first) > int(last):
                why = "the first address must not come after the last"
                raise ConfigurationError(f"{path}: Invalid value: {text!r}: {why}")
            return Range("IPv4" if first.version == 4 else "IPv6", int(first), int(last))
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigurationError(f"{path}: Invalid value: {text!r}: {error}") from error
    first_number, last_number = int(network.network_address), int(network.broadcast_address)
    if network.num_addresses > 2:
        first_number += 1
        last_number -= network.version == 4
    return Range("IPv4" if network.version == 4 else "IPv6", first_number, last_number)


def _check_apart(pools: tuple[Pool, ...]) -> None:
    names = [pool.name for pool in pools]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"pools: Duplicate value: {name!r}")
    every = [(pool.name, each) for pool in pools for each in pool.ranges]
    for index, (name, one) in enumerate(every):
        for other_name, other in every[index + 1 :]:
            if one.overlaps(other):
                where = f"{other.text(other.first)}-{other.text(other.last)}"
                raise ConfigurationError(f"pools: {other_name}: {where} is in pool {name} too")


def _known(given: Mapping[str, Any], names: tuple[str, ...], path: str) -> None:
    for unknown in _unknown(given, names):
        raise ConfigurationError(f"{path}{unknown}: unknown field")


def _unknown(given: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    return (str(name) for name in given if name not in names)


def _quoted() -> str:
    return ", ".join(f'"{each}"' for each in CLASSES)
