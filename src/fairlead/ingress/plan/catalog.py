"""All that is known, and what of it has changed: events name what is dirty, `plan` says what nginx shall be told.

The cost of a change follows its size: an endpoint's is one backend, a Secret's one certificate and its hosts, an
Ingress's its hosts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from fairlead.api.types.core import Secret, Service
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.networking import Ingress
from fairlead.ingress.plan import sites
from fairlead.ingress.plan.backends import backend
from fairlead.ingress.plan.certificates import CertificateError, Pair, pair_of
from fairlead.ingress.plan.claims import EVERY_HOST, Claim, Target, claim
from fairlead.ingress.plan.model import Problem

encode = msgspec.msgpack.Encoder().encode


class Sources(Protocol):
    """Objects of the API by "namespace/name", as the informers keep them."""

    def service(self, key: str) -> Service | None: ...
    def slice_list(self, key: str) -> Iterable[EndpointSlice]: ...
    def secret(self, key: str) -> Secret | None: ...


@dataclass(slots=True)
class Plan:
    """`records`: key → value, None where it goes; in the order in which they are to be written. `problems`: of the
    Ingresses whose hosts were planned."""

    records: dict[str, bytes | None] = field(default_factory=dict)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class _Dirty:
    hosts: set[str] = field(default_factory=set)
    backends: set[str] = field(default_factory=set)
    certificates: set[str] = field(default_factory=set)


class Catalog:
    """`prefix`: the annotations'. `default_backend` and `default_certificate`: the controller's own."""

    def __init__(
        self,
        sources: Sources,
        prefix: str,
        default_backend: Target | None = None,
        default_certificate: str | None = None,
    ) -> None:
        self.claims: dict[str, Claim] = {}
        self._sources = sources
        self._prefix = prefix
        self._default_backend = default_backend
        self._default_certificate = default_certificate
        self._by_host: dict[str, set[str]] = {}
        self._by_secret: dict[str, set[str]] = {}
        self._targets: dict[str, Target] = {}
        self._uses: dict[str, int] = {}  # of a target, by its key
        self._by_service: dict[str, set[str]] = {}
        self._pairs: dict[str, Pair | CertificateError] = {}
        self._problems: dict[str, dict[str, tuple[Problem, ...]]] = {}  # claim → host → problems
        self._dirty = _Dirty(hosts={EVERY_HOST})
        if default_backend is not None:
            self._use(default_backend, 1)
        if default_certificate is not None:
            self._dirty.certificates.add(default_certificate)

    def put(self, key: str, ingress: Ingress | None) -> Claim | None:
        """An Ingress that is ours, as it is now; None: it is gone, or no longer ours."""
        before = self.claims.pop(key, None)
        after = claim(ingress, self._prefix) if ingress is not None else None
        if after is not None:
            self.claims[key] = after
        for each, step in ((after, 1), (before, -1)):
            if each is None:
                continue
            self._dirty.hosts.update(each.rules)
            if each.default is not None:
                self._dirty.hosts.add(EVERY_HOST)
            for target in each.targets():
                self._use(target, step)
        self._index(self._by_host, key, before.rules if before else (), after.rules if after else ())
        self._index(self._by_secret, key, before.secrets() if before else (), after.secrets() if after else ())
        self._dirty.certificates.update(after.secrets() if after else (), before.secrets() if before else ())
        if after is None:
            self._problems.pop(key, None)
        return after

    def service_changed(self, key: str) -> None:
        self._dirty.backends.update(self._by_service.get(key, ()))

    def secret_changed(self, key: str) -> None:
        if key in self._by_secret or key == self._default_certificate:
            self._pairs.pop(key, None)
            self._dirty.certificates.add(key)
            for each in self._by_secret.get(key, ()):
                self._dirty.hosts.update(self.claims[each].rules)

    def pairs(self) -> dict[str, Pair]:
        """The certificates in use, by their Secrets."""
        return {key: pair for key, pair in self._pairs.items() if isinstance(pair, Pair)}

    def plan(self) -> Plan:
        """What has become dirty since the last plan."""
        dirty, self._dirty = self._dirty, _Dirty()
        plan = Plan()
        gone: dict[str, bytes | None] = {}
        for key in sorted(dirty.certificates):
            if key == self._default_certificate:
                found = self._pair(key)
                plan.records["c:default"] = encode(found.pem) if found is not None else None
            used = self._by_secret.get(key)
            pair = self._pair(key) if used else None
            plan.records[f"c:{key}"] = encode(pair.pem) if pair is not None else None
            if not used and key != self._default_certificate:
                self._pairs.pop(key, None)
        for key in sorted(dirty.backends):
            target = self._targets.get(key)
            if target is None:
                gone[f"b:{key}"] = None
                continue
            service = f"{target.namespace}/{target.service}"
            made = backend(self._sources.service(service), target.port, self._sources.slice_list(service))
            plan.records[f"b:{key}"] = encode(made)
        told: set[str] = set()
        for host in sorted(dirty.hosts):
            keys = self._by_host.get(host, set())
            claims = [self.claims[key] for key in keys]
            if host == EVERY_HOST:
                claims += [each for each in self.claims.values() if each.default is not None and each.key not in keys]
            planned = sites.site(host, claims, self._looked_up, self._default_backend)
            plan.records[f"h:{host}"] = encode(planned.site) if planned is not None else None
            for each in claims:
                found_problems = planned.problems.get(each.key, []) if planned is not None else []
                self._problems.setdefault(each.key, {})[host] = tuple(found_problems)
                told.add(each.key)
        plan.records |= gone
        for key in told:
            plan.problems[key] = self.problems(key)
        return plan

    def problems(self, key: str) -> tuple[Problem, ...]:
        by_host = self._problems.get(key, {})
        rules = self.claims[key].rules
        own = [each for host, found in by_host.items() if host in rules or host == EVERY_HOST for each in found]
        return tuple(dict.fromkeys((*self.claims[key].problems, *own)))

    def _pair(self, key: str) -> Pair | None:
        known = self._pairs.get(key)
        if known is None:
            secret = self._sources.secret(key)
            try:
                known = pair_of(secret) if secret is not None else CertificateError("there is no such Secret")
            except CertificateError as error:
                known = error
            self._pairs[key] = known
        return known if isinstance(known, Pair) else None

    def _looked_up(self, key: str) -> Pair | str:
        """The pair of a Secret, or why it cannot be used."""
        return self._pair(key) or str(self._pairs[key])

    def _use(self, target: Target, step: int) -> None:
        key, service = target.key, f"{target.namespace}/{target.service}"
        uses = self._uses.get(key, 0) + step
        if uses:
            self._uses[key] = uses
            if key not in self._targets:
                self._dirty.backends.add(key)
            self._targets[key] = target
            self._by_service.setdefault(service, set()).add(key)
            return
        self._uses.pop(key, None)
        self._targets.pop(key, None)
        self._dirty.backends.add(key)
        keys = self._by_service.get(service, set())
        keys.discard(key)
        if not keys:
            self._by_service.pop(service, None)

    @staticmethod
    def _index(index: dict[str, set[str]], key: str, before: Iterable[str], after: Iterable[str]) -> None:
        kept = set(after)
        for value in set(before) - kept:
            keys = index[value]
            keys.discard(key)
            if not keys:
                del index[value]
        for value in kept:
            index.setdefault(value, set()).add(key)
