"""The mode: what sockets of the node and its pods dial is in the programs' maps, all else is the mode behind it."""

import itertools
import time
from collections.abc import Callable, Iterable

from fairlead.proxy.mode import Mode, ModeError, Node
from fairlead.proxy.modes.ebpf.encode import Element, encode
from fairlead.proxy.modes.ebpf.plan import NOTHING, Wanted, plan, steps
from fairlead.proxy.modes.ebpf.programs import Programs, ProgramsError
from fairlead.services.model import ServicePort


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
        wanted = {
            key: plan(ports, self._node, applied.get(key, NOTHING), new_set, since) for key, ports in changes.items()
        }
        elements: list[Element] = []
        for key, after in wanted.items():
            elements += encode(steps(applied.get(key, NOTHING), after))
        try:
            if self._started:
                self._programs.change(elements)
            else:
                self._programs.start(elements)
        except ProgramsError as error:
            raise ModeError(str(error)) from error
        self._behind.apply(changes)
        self._started = True
        for key, after in wanted.items():
            if after.frontends:
                applied[key] = after
            else:
                applied.pop(key, None)

    def restart(self) -> None:
        """What is in the kernel is not what we believed: the next apply starts over, with everything."""
        self._applied.clear()
        self._started = False
        self._behind.restart()

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
