"""What ingress-nginx counts, by its names: requests by nginx's own counters, the controller's beside them."""

import time
from collections import defaultdict

import fairlead
from fairlead.ingress.options import Options
from fairlead.ingress.plan.catalog import Catalog
from fairlead.ingress.plan.classes import CONTROLLER

PREFIX = "nginx_ingress_controller"
TIMES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES = (10, 100, 1000, 10000, 100000, 1000000, 10000000)
HISTOGRAMS = {
    "t": ("request_duration_seconds", "The request processing time in seconds", TIMES),
    "r": ("response_duration_seconds", "The time spent on receiving the response from the upstream server", TIMES),
    "i": ("request_size", "The request length (including request line, header, and request body)", SIZES),
    "o": ("response_size", "The response length (including response line, header, and request body)", SIZES),
}
Series = dict[tuple[str, ...], dict[str, float]]


class Metrics:
    def __init__(self, options: Options) -> None:
        self._class = options.choice.controller or CONTROLLER
        self._namespace = options.pod_namespace
        self._pod = options.pod_name
        self._class_name = options.choice.name
        self.syncs = 0
        self.failures = 0
        self._synced = 0.0
        self._catalog: Catalog | None = None

    def observe_sync(self, catalog: Catalog) -> None:
        self.syncs += 1
        self._synced = time.time()
        self._catalog = catalog

    def render(self, counted: str) -> bytes:
        """`counted`: what nginx says (`metrics.lua`)."""
        return (self._own() + self._requests(counted)).encode()

    def _own(self) -> str:
        where = _labels(
            {
                "controller_class": self._class,
                "controller_namespace": self._namespace,
                "controller_pod": self._pod,
            }
        )
        build = _labels({"repository": "fairlead", "release": fairlead.__version__})
        found: list[tuple[str, str, str, str, float]] = [
            ("success", "counter", "Changes that nginx has taken", where, self.syncs),
            ("errors", "counter", "Changes that nginx refused", where, self.failures),
            (
                "config_last_reload_successful",
                "gauge",
                "Whether nginx took the last change",
                where,
                float(self.syncs > 0),
            ),
            (
                "config_last_reload_successful_timestamp_seconds",
                "gauge",
                "When nginx last took a change",
                where,
                self._synced,
            ),
            ("build_info", "gauge", "What this is", build, 1),
        ]
        lines = []
        for name, kind, text, labels, value in found:
            lines += [f"# HELP {PREFIX}_{name} {text}", f"# TYPE {PREFIX}_{name} {kind}"]
            lines.append(f"{PREFIX}_{name}{{{labels}}} {value:.17g}")
        name = f"{PREFIX}_ssl_expire_time_seconds"
        lines += [f"# HELP {name} When a certificate runs out", f"# TYPE {name} gauge"]
        for key, pair in (self._catalog.pairs() if self._catalog is not None else {}).items():
            namespace, _, secret = key.partition("/")
            labels = _labels({"class": self._class_name, "namespace": namespace, "secret_name": secret})
            lines.append(f"{name}{{{labels}}} {pair.expires:.0f}")
        return "\n".join(lines) + "\n"

    def _requests(self, counted: str) -> str:
        series: Series = defaultdict(dict)
        lines = [f"# HELP {PREFIX}_nginx_process_connections current number of client connections", ""]
        lines[1] = f"# TYPE {PREFIX}_nginx_process_connections gauge"
        for line in counted.splitlines():
            fields = line.split("\t")
            if fields[0] == "connections" and len(fields) == 3:
                lines.append(f'{PREFIX}_nginx_process_connections{{state="{fields[1]}"}} {fields[2]}')
            elif len(fields) in (5, 9):
                series[tuple(fields[:-2])][fields[-2]] = float(fields[-1])
        labelled = [(self._labels(key), slots) for key, slots in sorted(series.items())]
        lines += [f"# HELP {PREFIX}_requests The total number of client requests", f"# TYPE {PREFIX}_requests counter"]
        lines += [f"{PREFIX}_requests{{{labels}}} {slots.get('n', 0):.0f}" for labels, slots in labelled]
        for letter, (name, text, buckets) in HISTOGRAMS.items():
            lines += [f"# HELP {PREFIX}_{name} {text}", f"# TYPE {PREFIX}_{name} histogram"]
            for labels, slots in labelled:
                if letter in slots:
                    lines += _histogram(f"{PREFIX}_{name}", labels, letter, slots, buckets)
        return "\n".join(lines) + "\n"

    def _labels(self, key: tuple[str, ...]) -> str:
        """The key is namespace, ingress, service, host, path, method, status; of requests that nothing matched, only
        the last two."""
        place = key[:-2] if len(key) == 7 else ("", "", "", "_", "")
        names = ("namespace", "ingress", "service", "host", "path", "method", "status")
        given = {
            "canary": "",
            "controller_class": self._class,
            "controller_namespace": self._namespace,
            "controller_pod": self._pod,
        }
        return _labels(given | dict(zip(names, (*place, *key[-2:]), strict=True)))


def _histogram(name: str, labels: str, letter: str, slots: dict[str, float], buckets: tuple[float, ...]) -> list[str]:
    lines, total = [], 0.0
    for number, bound in enumerate((*buckets, "+Inf"), 1):
        total += slots.get(f"{letter}{number}", 0)
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {total:.0f}')
    return [*lines, f"{name}_sum{{{labels}}} {slots[letter]}", f"{name}_count{{{labels}}} {total:.0f}"]


def _labels(pairs: dict[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(pairs.items()))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
