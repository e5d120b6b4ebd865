"""All that is known, and what of it has changed: events name what is dirty, `plan` says what nginx shall be told.

The cost of a change follows its size: an endpoint's is one backend, a Secret's one certificate and its hosts, an
Ingress's its hosts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from fairlead.api.types.core import ConfigMap, Secret
from fairlead.api.types.discovery import EndpointSlice
from fairlead.api.types.networking import Ingress
from fairlead.api.types.service import Service
from fairlead.ingress.plan import headers, sites
from fairlead.ingress.plan.backends import backend_of
from fairlead.ingress.plan.certificates import CertificateError, Pair, pair_of
from fairlead.ingress.plan.claims import EVERY_HOST, Claim, claim
from fairlead.ingress.plan.index import Index
from fairlead.ingress.plan.model import Problem
from fairlead.ingress.plan.secrets import PREFIXES, SecretError, name_of, value_of
from fairlead.ingress.plan.targets import Target

encode = msgspec.msgpack.Encoder().encode


class Sources(Protocol):
    """Objects of the API by "namespace/name", as the informers keep them; `addresses` of a name, as last looked up."""

    def service(self, key: str) -> Service | None: ...
    def slice_list(self, key: str) -> Iterable[EndpointSlice]: ...
    def secret(self, key: str) -> Secret | None: ...
    def config_map(self, key: str) -> ConfigMap | None: ...
    def addresses(self, name: str) -> tuple[str, ...]: ...


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
    secrets: set[str] = field(default_factory=set)  # as records
    config_maps: set[str] = field(default_factory=set)


class Catalog:
    """`prefix`: the annotations'. `default_certificate`: the Secret of the controller's own."""

    def __init__(
        self,
        sources: Sources,
        prefix: str,
        own: sites.Controller = sites.Controller(),  # noqa: B008  # frozen
        default_certificate: str | None = None,
    ) -> None:
        self.claims: dict[str, Claim] = {}
        self.own = own
        self._sources = sources
        self._prefix = prefix
        self._default_certificate = default_certificate
        self._by_host, self._by_secret, self._by_config_map = Index(), Index(), Index()
        self._targets: dict[str, Target] = {}
        self._named: dict[str, str] = {}  # target → name outside of the cluster
        self._by_target, self._by_service = Index(), Index()  # target → claims, service → targets
        self._pairs: dict[str, Pair | CertificateError] = {}
        self._faults: dict[str, str] = {}  # of records made of Secrets and ConfigMaps
        self._problems: dict[str, dict[str, tuple[Problem, ...]]] = {}  # claim → host → problems
        self._own_config_maps: tuple[str, ...] = ()
        self._dirty = _Dirty(hosts={EVERY_HOST})
        self._retarget("", (), _targets_of(own))
        if default_certificate is not None:
            self._dirty.secrets.add(f"c:{default_certificate}")

    def put(self, key: str, ingress: Ingress | None) -> Claim | None:
        """An Ingress that is ours, as it is now; None: it is gone, or no longer ours."""
        before = self.claims.pop(key, None)
        after = claim(ingress, self._prefix, self.own.defaults) if ingress is not None else None
        if after is not None:
            self.claims[key] = after
        hosts = [set(each.hosts()) if each is not None else set() for each in (before, after)]
        secrets = [set(each.secrets()) if each is not None else set() for each in (before, after)]
        config_maps = [set(each.parsed.config_maps) if each is not None else set() for each in (before, after)]
        targets = [tuple(each.targets()) if each is not None else () for each in (before, after)]
        self._dirty.hosts.update(*hosts)
        self._dirty.secrets.update(*secrets)
        self._dirty.config_maps.update(*config_maps)
        self._by_host.move(key, *hosts)
        self._by_secret.move(key, *secrets)
        self._by_config_map.move(key, *config_maps)
        self._retarget(key, *targets)
        # A host by another name shows what its first name does.
        for host in hosts[0] | hosts[1]:
            for other in self._by_host.get(host):
                self._dirty.hosts.update(self.claims[other].parsed.options.aliases)
        if after is None:
            self._problems.pop(key, None)
        return after

    def set_own(self, own: sites.Controller, config_maps: Iterable[str] = ()) -> None:
        """Other settings. The Ingresses are to be put again where the defaults are others."""
        self._retarget("", _targets_of(self.own), _targets_of(own))
        self._by_config_map.move("", self._own_config_maps, config_maps)
        self._dirty.config_maps.update(self._own_config_maps, config_maps)
        self.own, self._own_config_maps = own, tuple(config_maps)

    def service_changed(self, key: str) -> None:
        self._dirty.backends.update(self._by_service.get(key))

    def name_changed(self, name: str) -> None:
        """Its addresses have been looked up anew."""
        self._dirty.backends.update(key for key, each in self._named.items() if each == name)

    def secret_changed(self, key: str) -> None:
        self._pairs.pop(key, None)
        for record in (f"{prefix}{key}" for prefix in PREFIXES):
            users = self._by_secret.get(record)
            if users or (record.startswith("c:") and key == self._default_certificate):
                self._dirty.secrets.add(record)
                for each in users:
                    self._dirty.hosts.update(self.claims[each].hosts())

    def config_map_changed(self, key: str) -> None:
        if self._by_config_map.get(key):
            self._dirty.config_maps.add(key)

    def names(self) -> set[str]:
        """Names outside of the cluster whose addresses are needed."""
        return set(self._named.values())

    def passthrough(self, host: str) -> Target | None:
        """Where TLS for a host goes unopened; None: it is opened here."""
        for name in (host, f"*.{host.partition('.')[2]}"):
            for key in sorted(self._by_host.get(name)):
                made = self.claims[key]
                paths = made.rules.get(name, ())
                if made.parsed.options.passthrough and paths:
                    return paths[0].target
        return None

    def pairs(self) -> dict[str, Pair]:
        """The certificates in use, by their Secrets."""
        return {key: pair for key, pair in self._pairs.items() if isinstance(pair, Pair)}

    def plan(self) -> Plan:
        """What has become dirty since the last plan."""
        dirty, self._dirty = self._dirty, _Dirty()
        plan = Plan()
        gone: dict[str, bytes | None] = {}
        told: set[str] = set()
        for record in sorted(dirty.secrets):
            plan.records[record] = self._secret_record(record)
            if record == f"c:{self._default_certificate}":
                plan.records["c:default"] = plan.records[record]
            told |= self._by_secret.get(record)
        for key in sorted(dirty.config_maps):
            plan.records[f"m:{key}"] = self._headers_record(key)
            told |= self._by_config_map.get(key)
        for key in sorted(dirty.backends):
            target = self._targets.get(key)
            self._name(key, target)
            if target is None:
                gone[f"b:{key}"] = None
            else:
                plan.records[f"b:{key}"] = encode(backend_of(target, self._sources))
        for host in sorted(dirty.hosts):
            claims = [self.claims[key] for key in self._by_host.get(host)]
            planned = sites.site(host, claims, self._looked_up, self.own)
            plan.records[f"h:{host}"] = encode(planned.site) if planned is not None else None
            for each in claims:
                found = planned.problems.get(each.key, ()) if planned is not None else ()
                self._problems.setdefault(each.key, {})[host] = tuple(found)
                told.add(each.key)
        plan.records |= gone
        for key in told - {""}:
            plan.problems[key] = self.problems(key)
        return plan

    def problems(self, key: str) -> tuple[Problem, ...]:
        made = self.claims[key]
        hosts = set(made.hosts())
        found = [each for host, each in self._problems.get(key, {}).items() if host in hosts]
        faults = [
            Problem("BadReference", f"{'ConfigMap' if each.startswith('m:') else 'Secret'} {name_of(each)}: {text}")
            for each in (*made.parsed.secrets, *(f"m:{each}" for each in made.parsed.config_maps))
            if (text := self._faults.get(each))
        ]
        return tuple(dict.fromkeys((*made.problems, *(each for group in found for each in group), *faults)))

    def _name(self, key: str, target: Target | None) -> None:
        """The name outside of the cluster that a backend leads to, where it does."""
        service = self._sources.service(target.service_key) if target is not None and not target.host else None
        if target is not None and target.host:
            self._named[key] = target.host
        elif service is not None and service.spec.type == "ExternalName":
            self._named[key] = service.spec.external_name
        else:
            self._named.pop(key, None)

    def _secret_record(self, record: str) -> bytes | None:
        self._faults.pop(record, None)
        key = name_of(record)
        if not self._by_secret.get(record) and key != self._default_certificate:
            self._pairs.pop(key, None)
            return None
        if record.startswith("c:"):
            pair = self._pair(key)
            if not isinstance(pair, Pair):
                self._faults[record] = str(pair)
                return None
            return encode(pair.pem)
        try:
            return value_of(record, self._sources.secret(key))
        except SecretError as error:
            self._faults[record] = str(error)
            return None

    def _headers_record(self, key: str) -> bytes | None:
        self._faults.pop(f"m:{key}", None)
        if not self._by_config_map.get(key):
            return None
        try:
            return encode(headers.of_config_map(self._sources.config_map(key)))
        except headers.HeaderError as error:
            self._faults[f"m:{key}"] = str(error)
            return None

    def _pair(self, key: str) -> Pair | CertificateError:
        known = self._pairs.get(key)
        if known is None:
            secret = self._sources.secret(key)
            try:
                known = pair_of(secret) if secret is not None else CertificateError("there is no such Secret")
            except CertificateError as error:
                known = error
            self._pairs[key] = known
        return known

    def _looked_up(self, key: str) -> Pair | str:
        """The pair of a Secret, or why it cannot be used."""
        found = self._pair(key)
        return found if isinstance(found, Pair) else str(found)

    def _retarget(self, claim_key: str, before: Iterable[Target], after: Iterable[Target]) -> None:
        """Backends are kept as long as somebody leads to them."""
        old, new = ({each.key: each for each in targets} for targets in (before, after))
        self._by_target.move(claim_key, old.keys(), new.keys())
        for key, target in (old | new).items():
            if self._by_target.get(key):
                if key not in self._targets:
                    self._targets[key] = target
                    self._by_service.move(key, (), (target.service_key,))
                    self._dirty.backends.add(key)
            elif self._targets.pop(key, None) is not None:
                self._by_service.move(key, (target.service_key,), ())
                self._dirty.backends.add(key)


def _targets_of(own: sites.Controller) -> tuple[Target, ...]:
    return (*((own.backend,) if own.backend is not None else ()), *own.targets)
