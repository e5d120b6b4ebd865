"""The order of a Service port's endpoints, where one of n is drawn by its number. Pure."""

from collections.abc import Iterable

from fairlead.services.model import Endpoint

Target = tuple[str, int]  # address, port
Line = tuple[Target, ...]  # by slot


def arrange(before: Line, endpoints: Iterable[Endpoint]) -> Line:
    """Slots after a change: who stays keeps its slot, holes are filled from the end, newcomers come last."""
    if not before:
        return tuple(dict.fromkeys((each.address, each.port) for each in endpoints))
    wanted = dict.fromkeys((each.address, each.port) for each in endpoints)
    line: list[Target | None] = [each if each in wanted else None for each in before]
    for each in before:
        wanted.pop(each, None)
    for newcomer in wanted:
        if None in line:
            line[line.index(None)] = newcomer
        else:
            line.append(newcomer)
    while None in line:
        last = line.pop()
        if last is not None:
            line[line.index(None)] = last
    return tuple(each for each in line if each is not None)
