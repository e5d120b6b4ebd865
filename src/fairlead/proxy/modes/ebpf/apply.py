"""The mode: what sockets of the node and its pods dial is in the programs' maps, all else is the mode behind it."""

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from fairlead.proxy.mode import Audited, Connections, Mode, ModeError, Node
from fairlead.proxy.modes.ebpf.attached import ProgramsError
from fairlead.proxy.modes.ebpf.encode import Element, encode, frontend
from fairlead.proxy.modes.ebpf.plan import NOTHING, Wanted, plan, steps
from fairlead.proxy.modes.ebpf.programs import Programs
from fairlead.services.model import ServicePort

log = logging.getLogger(__name__)


class EbpfMode:
    """One node's programs. `behind`: the mode that packets meet which no program has led to an endpoint; who calls also
    cleans it up, as a mode of its own."""

    def __init__(
        self, programs: Programs, behind: Mode, node: Node, now: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._programs = programs
        self._behind = behind
        self._node = node
        self._now = now
        self._applied: dict[str, Wanted] = {}
        self._numbers = itertools.count(1)
        self._started = False

    def apply(self, changes: dict[str, tuple[ServicePort, ...]]) -> None:
        """`changes`: all ports of each Service that may have changed; none: it is gone. Raises ModeError."""
        since = self._now() if self._started else 0  # a proxy that starts does not make clients of before strangers
        applied, new_set = self._applied, self._numbers.__next__
        before = {key: applied.get(key, NOTHING) for key in changes}
        after = {key: plan(ports, self._node, before[key], new_set, since) for key, ports in changes.items()}
        try:
            if self._started:
                self._programs.change(_elements(before, after))
            else:
                self._programs.start(_elements(before, after))
        except ProgramsError as error:
            raise ModeError(str(error)) from error
        try:
            self._behind.apply(changes)
        except ModeError:
            self._take_back(before, after)
            raise
        self._started = True
        for key, each in after.items():
            if each.frontends:
                applied[key] = each
            else:
                applied.pop(key, None)

    def _take_back(self, before: dict[str, Wanted], after: dict[str, Wanted]) -> None:
        """Packets do not know of it: sockets shall not."""
        if not self._started:
            return
        try:
            self._programs.change(_elements(after, before))
        except ProgramsError as error:
            log.warning("cannot take %d services back: %s", len(after), error)

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over, with everything."""
        self._applied.clear()
        self._started = False
        self._behind.restart()

    def generation(self) -> object:
        behind = self._behind.generation() if isinstance(self._behind, Audited) else None
        return behind, self._programs.generation()

    def audit(self, keys: Sequence[str], *, fixed: bool) -> bool:
        """Of the programs, and of the mode behind."""
        if fixed and not self._programs.are_whole():
            return False
        elements = (each for key in keys for each in encode(steps(NOTHING, self._applied.get(key, NOTHING))))
        try:
            if not self._programs.have(elements):
                return False
        except ProgramsError as error:
            log.warning("cannot look at the programs' maps: %s", error)
            return False
        return not isinstance(self._behind, Audited) or self._behind.audit(keys, fixed=fixed)

    def connections(self) -> Iterator[Connections]:
        """Of sockets, by the programs' own counts. Those of Services that are gone are forgotten."""
        named = {frontend(s): name for each in self._applied.values() for s, name in each.services.items()}
        try:
            for service, (dialled, refused) in self._programs.counts().items():
                if service in named:
                    yield Connections(named[service], dialled, refused)
                else:
                    self._programs.forget_count(service)
        except ProgramsError as error:
            log.warning("cannot read the programs' counts: %s", error)

    @property
    def known(self) -> Iterable[str]:
        return self._behind.known

    def owns(self, table: str, name: str) -> bool:
        return self._behind.owns(table, name)

    def close(self) -> None:
        """Descriptors only: the programs go on."""
        self._programs.close()

    def clean_up(self) -> None:
        """Takes the programs away, also those of an earlier process."""
        self._programs.clean_up()


def _elements(before: dict[str, Wanted], after: dict[str, Wanted]) -> list[Element]:
    """A frontend may go from one Service to another: it is not taken from the one that has it then."""
    taken = {frontend for each in after.values() for frontend in each.frontends} if len(after) > 1 else ()
    return encode(
        (key, value)
        for name, each in after.items()
        for key, value in steps(before[name], each)
        if value is not None or key not in taken
    )
