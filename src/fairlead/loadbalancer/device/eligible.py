"""Which nodes get new connections, by what their health checks say. Pure."""

from collections.abc import Iterable, Mapping

from fairlead.loadbalancer.device.health import State

TOGETHER = 1.0  # seconds within which checks find what ended at once


def eligible(
    staying: Iterable[str], proxies: Mapping[str, State], own: Mapping[str, State], fell: Mapping[str, float]
) -> list[str]:
    """`own`: of a Service's own check, or the proxies' again; `fell`: when one that was well was found not to be.

    If none is well: those that nobody said no for; or else those that were well last, for endpoints that end are served
    to their end, and a new one elsewhere may not have been found yet; or else those that are there, as they know best
    what to say.
    """
    staying = list(staying)
    alive = [name for name in staying if proxies[name] is not State.DEAD]
    for hope in ({State.WELL}, {State.ABSENT, State.UNKNOWN}):
        if found := [name for name in alive if own[name] in hope]:
            return found
    last = max((fell[name] for name in alive if name in fell), default=0.0)
    return [name for name in alive if name in fell and fell[name] > last - TOGETHER] or alive or staying
