"""Which Service has which address. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from fairlead.loadbalancer.asking import Asked
from fairlead.loadbalancer.configuration import Pool, Range
from fairlead.services.model import Family, family_of


class NoAddressError(Exception):
    """Why a Service has no address now: pending until something changes."""


@dataclass(slots=True)
class Addresses:
    """Services are keyed "namespace/name"."""

    _users: dict[str, dict[str, Asked]] = field(default_factory=dict)  # address → who has it
    _of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _next: dict[Range, int] = field(default_factory=dict)  # where to look first

    def of(self, key: str) -> tuple[str, ...]:
        return self._of.get(key, ())

    def holder(self, address: str) -> str | None:
        """One of those who have it."""
        return next(iter(self._users.get(address, ())), None)

    def assign(self, key: str, asked: Asked, pools: Sequence[Pool], known: Iterable[str] = ()) -> tuple[str, ...]:
        """What it has already, or what its status shows (`known`), as long as that is still right; else what is free.
        Raises NoAddressError, and then it has nothing."""
        before = self.of(key) or tuple(known)
        self.release(key)
        usable = [pool for pool in pools if pool.allows(asked.namespace) and asked.pool in ("", pool.name)]
        if asked.pool and not usable:
            raise NoAddressError(self._why_no_pool(asked, pools))
        wanted = {family_of(each): each for each in asked.addresses}
        families: Sequence[Family] = tuple(wanted) or asked.families
        found: list[str] = []
        problems: list[str] = []
        for family in families:
            try:
                if family in wanted:
                    self._check(wanted[family], asked, usable, pools)
                    found.append(wanted[family])
                else:
                    kept = [each for each in before if family_of(each) == family]
                    found.append(self._keep(kept, asked, usable) or self._find(family, asked, usable))
            except NoAddressError as error:
                problems.append(str(error))
        if problems and (not found or wanted or asked.all_families):
            raise NoAddressError("; ".join(problems))
        self._of[key] = tuple(found)
        for each in found:
            self._users.setdefault(each, {})[key] = asked
        return tuple(found)

    def release(self, key: str) -> tuple[str, ...]:
        """What it had."""
        before = self._of.pop(key, ())
        for each in before:
            self._users[each].pop(key)
            if not self._users[each]:
                del self._users[each]
        return before

    def _keep(self, known: Iterable[str], asked: Asked, usable: Iterable[Pool]) -> str | None:
        for each in known:
            if any(pool.contains(each) for pool in usable) and self._conflict(each, asked) is None:
                return each
        return None

    def _check(self, address: str, asked: Asked, usable: Iterable[Pool], pools: Iterable[Pool]) -> None:
        if not any(pool.contains(address) for pool in usable):
            for pool in pools:
                if pool.contains(address):
                    raise NoAddressError(f"address {address} is in pool {pool.name}, which this Service cannot use")
            raise NoAddressError(f"address {address} is in no pool")
        if (conflict := self._conflict(address, asked)) is not None:
            raise NoAddressError(f"address {address} is taken: {conflict}")

    def _conflict(self, address: str, asked: Asked) -> str | None:
        """Why the two cannot share it."""
        for other, theirs in self._users.get(address, {}).items():
            if not asked.sharing or asked.sharing != theirs.sharing:
                return f"Service {other} has it"
            if both := asked.ports & theirs.ports:
                protocol, port = min(both)
                return f"Service {other} has port {port}/{protocol} of it"
        return None

    def _find(self, family: Family, asked: Asked, usable: Iterable[Pool]) -> str:
        candidates = [pool for pool in usable if pool.auto_assign or asked.pool]
        if asked.sharing and (shared := self._shared(family, asked, candidates)):
            return shared
        for pool in candidates:
            for each in pool.ranges:
                if each.family == family and (free := self._free(each)) is not None:
                    return free
        names = ", ".join(pool.name for pool in candidates if any(each.family == family for each in pool.ranges))
        if names:
            raise NoAddressError(f"no {family} address is free in pool {names}")
        raise NoAddressError(f"no pool has {family} addresses for Services of namespace {asked.namespace}")

    def _shared(self, family: Family, asked: Asked, candidates: Sequence[Pool]) -> str | None:
        """An address that others of the same sharing have."""
        for address, users in self._users.items():
            if family_of(address) != family or not any(each.sharing == asked.sharing for each in users.values()):
                continue
            if any(pool.contains(address) for pool in candidates) and self._conflict(address, asked) is None:
                return address
        return None

    def _free(self, within: Range) -> str | None:
        """In order, from the one after the last that was given, so that an address rests before it comes again."""
        start = self._next.get(within, within.first)
        for number in _around(within, start, len(self._users)):
            text = within.text(number)
            if text not in self._users:
                self._next[within] = number + 1
                return text
        return None

    @staticmethod
    def _why_no_pool(asked: Asked, pools: Iterable[Pool]) -> str:
        if any(pool.name == asked.pool for pool in pools):
            return f"pool {asked.pool} is not for namespace {asked.namespace}"
        return f"there is no pool {asked.pool}"


def _around(within: Range, start: int, taken: int) -> Iterator[int]:
    """All numbers of it from `start` on, then those before; no more of them than could be taken, and one."""
    size = within.last - within.first + 1
    for step in range(min(size, taken + 1)):
        yield within.first + (start - within.first + step) % size
