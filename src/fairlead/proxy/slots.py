"""The order of a Service port's endpoints, where one of n is drawn by its number. Pure."""

from collections.abc import Iterable

from fairlead.services.model import Endpoint

Target = tuple[str, int]  # address, port
Line = tuple[Target, ...]  # by slot


def arrange(before: Line, endpoints: Iterable[Endpoint]) -> Line:
    """Slots after a change: who stays keeps its slot, holes are filled from the end, newcomers come last."""
    wanted = dict.fromkeys([each[:2] for each in endpoints])
    if not before:
        return tuple(wanted)
    known = set(before)
    holes = [slot for slot, each in enumerate(before) if each not in wanted]
    newcomers = [each for each in wanted if each not in known]
    if not holes and not newcomers:
        return before
    line = list(before)
    for slot, newcomer in zip(holes, newcomers, strict=False):
        line[slot] = newcomer
    line += newcomers[len(holes) :]
    left = holes[len(newcomers) :]
    while left:
        if left[-1] == len(line) - 1:
            left.pop()
            line.pop()
        else:
            line[left.pop(0)] = line.pop()
    return tuple(line)
