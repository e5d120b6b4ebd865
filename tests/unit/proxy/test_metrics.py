"""The metrics of kube-proxy 1.33: every name of each mode, its type, labels and buckets; and what is counted."""

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fairlead.proxy.configuration import MODES
from fairlead.proxy.metrics import Metrics, Synced
from fairlead.services.model import FAMILIES, Endpoint, ServicePort, ServicePortName

# pkg/proxy/metrics/metrics.go: RegisterMetrics
ALL = {
    "kubeproxy_network_programming_duration_seconds": "histogram",
    "kubeproxy_proxy_healthz_total": "counter",
    "kubeproxy_proxy_livez_total": "counter",
    "kubeproxy_sync_proxy_rules_duration_seconds": "histogram",
    "kubeproxy_sync_proxy_rules_endpoint_changes_pending": "gauge",
    "kubeproxy_sync_proxy_rules_endpoint_changes_total": "counter",
    "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds": "gauge",
    "kubeproxy_sync_proxy_rules_last_timestamp_seconds": "gauge",
    "kubeproxy_sync_proxy_rules_no_local_endpoints_total": "gauge",
    "kubeproxy_sync_proxy_rules_service_changes_pending": "gauge",
    "kubeproxy_sync_proxy_rules_service_changes_total": "counter",
}
CONNTRACK = {
    "kubeproxy_conntrack_reconciler_deleted_entries_total": "counter",
    "kubeproxy_conntrack_reconciler_sync_duration_seconds": "histogram",
}
KINDS = {
    "kubeproxy_sync_full_proxy_rules_duration_seconds": "histogram",
    "kubeproxy_sync_partial_proxy_rules_duration_seconds": "histogram",
}
OF_MODES = {
    "iptables": CONNTRACK
    | KINDS
    | {
        "kubeproxy_sync_proxy_rules_iptables_restore_failures_total": "counter",
        "kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total": "counter",
        "kubeproxy_sync_proxy_rules_iptables_total": "gauge",
        "kubeproxy_sync_proxy_rules_iptables_last": "gauge",
    },
    "ipvs": CONNTRACK | {"kubeproxy_sync_proxy_rules_iptables_restore_failures_total": "counter"},
    "nftables": CONNTRACK
    | KINDS
    | {
        "kubeproxy_sync_proxy_rules_nftables_sync_failures_total": "counter",
        "kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total": "counter",
    },
    "userspace": CONNTRACK,
}
OF_MODES["ebpf"] = OF_MODES["nftables"]


def values(metrics: Metrics) -> dict[str, float]:
    """Every sample, written as Prometheus does."""
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.mark.parametrize("mode", MODES)
def test_every_name_is_there_from_the_start_and_no_other(mode: str) -> None:
    text = Metrics(mode, FAMILIES, "node1", dict).render().decode()
    types = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE kubeproxy_"))
    assert types == ALL | OF_MODES[mode]
    shown = {line.partition("{")[0].split()[0] for line in text.splitlines() if line.startswith("kubeproxy_")}
    for name, kind in types.items():
        assert (f"{name}_count" if kind == "histogram" else name) in shown
    assert "_created" not in text
    assert "process_resident_memory_bytes" in text


def test_packets_that_rules_count_are_there_where_the_kernel_counts_them() -> None:
    counts = {"ct_state_invalid_dropped": 3, "localhost_nodeports_accepted": 4}
    found = values(Metrics("iptables", FAMILIES, "node1", lambda: counts))
    assert found["kubeproxy_iptables_ct_state_invalid_dropped_packets_total"] == 3
    assert found["kubeproxy_iptables_localhost_nodeports_accepted_packets_total"] == 4
    assert not [name for name in values(Metrics("iptables", FAMILIES, "node1", dict)) if "packets" in name]


def test_labels_and_buckets() -> None:
    found = values(Metrics("iptables", FAMILIES, "node1", dict))
    sync = [name for name in found if name.startswith("kubeproxy_sync_proxy_rules_duration_seconds_bucket")]
    assert len(sync) == 2 * 16
    assert 'kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv6",le="16.384"}' in found
    programming = [name for name in found if "network_programming_duration_seconds_bucket" in name and "IPv4" in name]
    assert len(programming) == 1 + 2 + 59 + 12 + 7 + 1
    for bound in ("0.0", "0.25", "59.0", "115.0", "300.0", "+Inf"):
        assert f'kubeproxy_network_programming_duration_seconds_bucket{{ip_family="IPv4",le="{bound}"}}' in found
    assert 'kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="nat"}' in found
    assert 'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"}' in found


def test_a_change_is_pending_until_it_is_made() -> None:
    metrics = Metrics("nftables", ("IPv4",), "node1", dict)
    metrics.queued("service", "dev/web")
    metrics.queued("endpoint", "dev/web", time.time() + 1)
    metrics.queued("endpoint", "dev/web", 1.0)  # from before this proxy was there: nothing to measure
    found = values(metrics)
    assert found["kubeproxy_sync_proxy_rules_endpoint_changes_pending"] == 1
    assert found["kubeproxy_sync_proxy_rules_endpoint_changes_total"] == 2
    assert found["kubeproxy_sync_proxy_rules_service_changes_total"] == 1
    assert found['kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"}'] > time.time() - 60
    metrics.synced([Synced("IPv4", 0.0015, full=True)])
    metrics.synced([Synced("IPv4", 0.0005, full=False)])
    found = values(metrics)
    assert found["kubeproxy_sync_proxy_rules_endpoint_changes_pending"] == 0
    assert found['kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"}'] == 1
    assert found['kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"}'] == 2
    assert found['kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"}'] == 1
    assert found['kubeproxy_sync_partial_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.001"}'] == 1
    assert found['kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"}'] > time.time() - 60


@pytest.mark.parametrize(
    ("mode", "full", "counted"),
    [
        ("nftables", False, {"nftables_sync_failures"}),
        ("iptables", True, {"iptables_restore_failures"}),
        ("iptables", False, {"iptables_restore_failures", "iptables_partial_restore_failures"}),
        ("userspace", False, set()),
    ],
)
def test_what_is_refused_counts_by_mode(mode: str, full: bool, counted: set[str]) -> None:
    metrics = Metrics(mode, FAMILIES, "node1", dict)
    metrics.failed("IPv6", full=full)
    found = {name for name, value in values(metrics).items() if "failures_total" in name and value}
    assert found == {f'kubeproxy_sync_proxy_rules_{each}_total{{ip_family="IPv6"}}' for each in counted}


def test_services_without_local_endpoints_are_counted_while_that_is_so() -> None:
    def port(node: str) -> ServicePort:
        return ServicePort(
            ServicePortName("dev", "web", "", "TCP"),
            "10.97.97.97",
            80,
            node_port=30080,
            external_policy="Local",
            endpoints=(Endpoint("10.244.1.2", 80, node=node),),
        )

    name = 'kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="external"}'
    metrics = Metrics("nftables", ("IPv4",), "node1", dict)
    metrics.services({"dev/web": (port("node2"),), "dev/other": (port("node2"),)})
    assert values(metrics)[name] == 2
    metrics.services({"dev/web": (port("node1"),)})
    assert values(metrics)[name] == 1
    metrics.services({"dev/other": ()})
    assert values(metrics)[name] == 0


def test_probes_rules_and_flows_are_counted() -> None:
    metrics = Metrics("iptables", ("IPv4",), "node1", dict)
    metrics.asked("/healthz", 503)
    metrics.asked("/livez", 200)
    metrics.rules("IPv4", {"nat": 12, "filter": 7}, {"nat": 2, "filter": 0})
    metrics.forgot_flows("IPv4", 0.01, 3)
    found = values(metrics)
    assert found['kubeproxy_proxy_healthz_total{code="503"}'] == 1
    assert found['kubeproxy_proxy_livez_total{code="200"}'] == 1
    assert found['kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="nat"}'] == 12
    assert found['kubeproxy_sync_proxy_rules_iptables_last{ip_family="IPv4",table="nat"}'] == 2
    assert found['kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"}'] == 3
