"""The iptables mode: one endpoint's change, a full load and a look, beside iptables' own program doing the same and
beside what kube-proxy restores for one change (its shared chains whole, and the Service's own)."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from bench.proxy import ENDPOINTS, NODE, service
from bench.result import Result
from fairlead.host import namespaces
from fairlead.host.iptables import Change, Iptables, as_text
from fairlead.host.iptables_nft import IptablesNft, open_tables
from fairlead.proxy.modes.iptables import IptablesMode
from fairlead.proxy.modes.iptables.skeleton import SHARED

CHANGES = 20


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        for count in (1_000, 5_000):
            yield from _in_a_network(Path(folder) / f"n{count}", lambda at, n=count: _changes(at, n))  # type: ignore[misc]
        yield from _in_a_network(Path(folder) / "load", _load_of_10_000)
        yield from _in_a_network(Path(folder) / "legacy", _legacy)


def _in_a_network(folder: Path, work: Callable[[Path], Iterator[Result]]) -> Iterator[Result]:
    namespaces.create(folder, ["net"])
    try:
        yield from work(folder / "net")
    finally:
        namespaces.remove(folder)


def _changes(network: Path, count: int) -> Iterator[Result]:
    mode = IptablesMode(open_tables(namespace=network), NODE)
    everything = dict(service(number, 0) for number in range(count))
    load = _seconds(lambda: mode.apply(everything))
    change = _change_after_change(mode, count, CHANGES, 0)

    program = Iptables("iptables-nft", namespace=network)
    peer = IptablesMode(program, NODE)
    peer._applied, peer._rules, peer._started = dict(mode._applied), dict(mode._rules), True
    peer._endpoints = mode._endpoints
    by_program = _change_after_change(peer, count, 3, CHANGES)
    sync = _partial_sync(program)
    partly = _seconds(lambda: program.restore(sync))
    name = f"iptables, {count} Services × {ENDPOINTS}: one endpoint changes"
    yield Result(name, change * 1e3, "ms", "iptables-nft-restore of it", by_program * 1e3, "< 30" * (count == 5_000))
    yield Result("  the same", change * 1e3, "ms", "kube-proxy's partial sync", partly * 1e3)
    dry = IptablesMode(_Nowhere(None, namespace=network), NODE)
    dry.apply(everything)
    yield Result("  of it the plan", _change_after_change(dry, count, CHANGES, 0) * 1e3, "ms")
    again = IptablesMode(open_tables(namespace=network), NODE)
    take_over = _seconds(lambda: again.apply(everything))
    keys = list(everything)[:10]
    looks = [_seconds(lambda: again.audit(keys, fixed=False)) for _ in range(CHANGES)]
    whole = None
    if count == 1_000:  # with more, the program takes minutes
        again.clean_up()
        whole = _seconds(lambda: IptablesMode(program, NODE).apply(everything))
    yield Result("  full load", load, "s", "iptables-nft-restore", whole)
    yield Result("  taking over what is there", take_over, "s", "a full load", load)
    yield Result("  a look at ten Services", median(looks) * 1e3, "ms")
    yield Result("  whether anybody has changed anything", _seconds(again.generation) * 1e6, "µs")


def _load_of_10_000(network: Path) -> Iterator[Result]:
    mode = IptablesMode(open_tables(namespace=network), NODE)
    everything = dict(service(number, 0) for number in range(10_000))
    yield Result("iptables, 10000 Services × 5: full load", _seconds(lambda: mode.apply(everything)), "s")


def _legacy(network: Path) -> Iterator[Result]:
    mode = IptablesMode(Iptables("iptables-legacy", namespace=network), NODE)
    load = _seconds(lambda: mode.apply(dict(service(number, 0) for number in range(5_000))))
    name = "iptables-legacy, 5000 Services × 5: one endpoint changes"
    yield Result(name, _change_after_change(mode, 5_000, 5, 0) * 1e3, "ms")
    yield Result("  full load", load, "s")


def _change_after_change(mode: IptablesMode, count: int, changes: int, generation: int) -> float:
    """The median of their seconds."""
    delays = []
    for number in range(changes):
        key, ports = service(number * (count // changes), generation + number + 1)
        delays.append(_seconds(lambda: mode.apply({key: ports})))  # noqa: B023  # called at once
    return median(delays)


def _partial_sync(program: Iptables) -> str:
    """What kube-proxy restores when one endpoint has changed: all rules of shared chains, and a Service's chains."""
    text = ""
    for table in ("filter", "nat"):
        shared: dict[str, tuple[str, ...]] = dict.fromkeys(SHARED[table], ())
        own: dict[str, tuple[str, ...]] = {}
        for line in program.save(table):
            chain, _, rule = line[3:].partition(" ")
            if line.startswith("-A ") and chain in shared:
                shared[chain] += (rule,)
            elif line.startswith("-A KUBE-S") and (len(own) < ENDPOINTS + 1 or chain in own):
                own[chain] = (*own.get(chain, ()), rule)
        text += "\n".join((f"*{table}", *as_text(Change(filled=own, shared=shared)), "COMMIT", ""))
    return text


class _Nowhere(IptablesNft):
    """Tables that no change comes to."""

    def change(self, changes: dict[str, Change]) -> None:
        pass


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
