"""What a series of probe results means."""

from typing import Any

import msgspec
import pytest

from fairlead.api.types.core import Container
from fairlead.node import probe
from fairlead.node.observed import Health


def container(**probes: Any) -> Container:
    return msgspec.convert({"name": "web"} | probes, Container)


def judged(subject: Container, **results: list[bool]) -> Health:
    tallies = {kind: probe.untried(kind) for kind in probe.probes_of(subject)}
    for kind, series in results.items():
        for success in series:
            tallies[kind] = probe.count(tallies[kind], probe.probes_of(subject)[kind], success)
    return probe.health_of(subject, tallies)


def test_a_container_without_probes_is_ready() -> None:
    assert judged(container()) == Health()


@pytest.mark.parametrize(
    ("results", "ready"),
    [
        ([], False),
        ([True], False),
        ([True, True], True),
        ([True, True, False], True),
        ([True] * 2 + [False] * 3, False),
    ],
)
def test_readiness_changes_after_a_whole_series(results: list[bool], ready: bool) -> None:
    subject = container(readinessProbe={"successThreshold": 2, "failureThreshold": 3})
    assert judged(subject, readiness=results).ready is ready


def test_a_success_between_failures_starts_the_count_again() -> None:
    subject = container(livenessProbe={"failureThreshold": 2, "terminationGracePeriodSeconds": 4})
    assert judged(subject, liveness=[False, True, False]).failed == ""
    assert judged(subject, liveness=[False, False]) == Health(True, False, "liveness", 4)


def test_before_the_startup_probe_succeeds_nothing_else_counts() -> None:
    subject = container(startupProbe={"failureThreshold": 2}, readinessProbe={}, livenessProbe={})
    assert judged(subject, readiness=[True]) == Health(started=False, ready=False)
    assert judged(subject, startup=[True], readiness=[True]) == Health()
    assert judged(subject, startup=[False, False]).failed == "startup"


def test_a_probe_is_due_after_its_delay_and_never_beside_an_unfinished_startup_probe() -> None:
    subject = container(startupProbe={}, livenessProbe={"initialDelaySeconds": 5})
    probes = probe.probes_of(subject)
    tallies = {kind: probe.untried(kind) for kind in probes}
    assert not probe.is_due("liveness", probes["liveness"], tallies, 10)
    assert probe.is_due("startup", probes["startup"], tallies, 0)
    tallies["startup"] = probe.count(tallies["startup"], probes["startup"], success=True)
    assert not probe.is_due("startup", probes["startup"], tallies, 10)
    assert not probe.is_due("liveness", probes["liveness"], tallies, 4)
    assert probe.is_due("liveness", probes["liveness"], tallies, 5)
