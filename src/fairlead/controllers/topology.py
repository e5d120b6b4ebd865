"""Topology aware routing (KEP-2433): which zone each endpoint is meant for, so that every zone has endpoints by its
share of the cluster's processors. Pure.

Source: staging/src/k8s.io/endpointslice/topologycache, the page "Topology Aware Routing".
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from fairlead.api import quantity
from fairlead.api.types.core import Node
from fairlead.api.types.service import Service
from fairlead.controllers.pods import condition

ZONE = "topology.kubernetes.io/zone"
# The older name counts first.
MODES = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")
EXCLUDED = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
OVERLOAD = Fraction(12, 10)  # what an endpoint may get of its share at most

ENABLED = "Topology Aware Hints has been enabled"
DISABLED = "Topology Aware Hints has been disabled"
NODES = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
NO_ZONE = "One or more endpoints do not have a zone specified"
FEW = "Insufficient number of endpoints"
UNEVEN = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"


@dataclass(frozen=True, slots=True)
class Place:
    """What of a node matters here; `counts`: it is ready, and no node of the control plane."""

    zone: str
    processors: int  # thousandths
    counts: bool

    @classmethod
    def of(cls, node: Node) -> "Place":
        labels = node.metadata.labels
        ready = condition(node.status.conditions, "Ready")
        counts = ready is not None and ready.status == "True" and not any(each in labels for each in EXCLUDED)
        return cls(labels.get(ZONE, ""), quantity.millis(str(node.status.allocatable.get("cpu", 0))), counts)


def is_wanted(service: Service) -> bool:
    given = next((service.metadata.annotations[each] for each in MODES if each in service.metadata.annotations), "")
    return given in ("Auto", "auto")


def processors(places: Iterable[Place]) -> Mapping[str, int]:
    """By zone; empty where that says nothing."""
    counted = [each for each in places if each.counts]
    if not all(each.zone and each.processors for each in counted):
        return {}
    found: Counter[str] = Counter()
    for each in counted:
        found[each.zone] += each.processors
    return found if len(found) > 1 else {}


def allocate(
    zones: Mapping[str, str | None], known: Mapping[str, str], by_zone: Mapping[str, int]
) -> dict[str, str] | str:
    """Endpoint → the zone that it is meant for; or why there can be no such hints.

    `zones`: where the ready endpoints are; `known`: what they are meant for now, which stays as long as it can.
    """
    count, total = len(zones), sum(by_zone.values())
    if not by_zone:
        return NODES
    told = f"({count} endpoints, {len(by_zone)} zones)"
    if len(by_zone) > count:
        return f"{FEW} {told}"
    shares = {zone: Fraction(each * count, total) for zone, each in by_zone.items()}
    least = {zone: math.ceil(share / OVERLOAD) for zone, share in shares.items()}
    spare = count - sum(least.values())
    if spare < 0:
        return f"{UNEVEN} {told}"
    if not all(zones.values()):
        return NO_ZONE
    kept = {each: known[each] for each in zones if known.get(each) in by_zone}
    counted = Counter(kept.values())
    if len(kept) == count and all(least[zone] <= counted[zone] <= least[zone] + spare for zone in by_zone):
        return kept
    own = {each: zone for each, zone in sorted(zones.items()) if zone}
    return _evened_out(own, {zone: max(share, Fraction(least[zone])) for zone, share in shares.items()})


def _evened_out(own: dict[str, str], wanted: Mapping[str, Fraction]) -> dict[str, str]:
    """Endpoints are meant for their own zones; those that a zone has too many of, for zones that have too few."""
    counted = Counter(own.values())
    missing = {zone: share - counted[zone] for zone, share in wanted.items()}
    while True:
        giving, receiving = min(missing, key=lambda zone: missing[zone]), max(missing, key=lambda zone: missing[zone])
        most, least = max(-missing[giving], missing[receiving]), min(-missing[giving], missing[receiving])
        if most < 1 or least < Fraction(1, 2):
            return own
        given = next(each for each, zone in own.items() if zone == giving)
        own[given] = receiving
        missing[giving] += 1
        missing[receiving] -= 1
