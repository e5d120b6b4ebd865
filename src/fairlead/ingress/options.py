"""The flags of ingress-nginx, typed, and what is done with each of them: 0.30's and 1.x's."""

from dataclasses import dataclass
from pathlib import Path

from fairlead.ingress.plan.classes import Choice
from fairlead.ingress.plan.targets import Target

# Flags that are taken and say nothing here: what they tune does not exist, or is so always.
WITHOUT_EFFECT = (
    "--alsologtostderr", "--logtostderr", "--log_dir", "--log_file", "--log_file_max_size", "--log_backtrace_at",
    "--stderrthreshold", "--vmodule", "--skip_headers", "--skip_log_headers", "--add_dir_header", "--one_output", "--v",
    "--sync-rate-limit", "--sync-period", "--enable-dynamic-certificates", "--enable-dynamic-configuration",
    "--dynamic-configuration-retries", "--disable-full-test", "--disable-sync-events", "--update-status",
    "--sort-backends", "--force-namespace-isolation", "--disable-catch-all", "--deep-inspect", "--profiling",
    "--profiler-port", "--profiler-address", "--status-port", "--stream-port", "--default-server-port",
    "--monitor-max-batch-size",
    "--metrics-per-host", "--metrics-per-undefined-host", "--report-status-classes", "--time-buckets",
    "--length-buckets", "--size-buckets", "--bucket-factor", "--max-buckets", "--exclude-socket-metrics",
    "--enable-topology-aware-routing", "--internal-logger-address", "--post-shutdown-grace-period",
    "--shutdown-grace-period",
    "--health-check-timeout", "--nginx-status-port", "--disable-svc-external-name", "--enable-annotation-validation",
    "--dynamic-configuration", "--enable-ssl-chain-completion", "--maxmind-edition-ids", "--maxmind-license-key",
    "--enable-metrics", "--election-ttl", "--disable-leader-election", "--certificate-authority", "--healthz-host",
    "--ssl-passthrough-proxy-port", "--status-update-interval", "--update-status-on-shutdown",
    "--maxmind-mirror", "--maxmind-retries-count", "--maxmind-retries-timeout", "--annotations-risk-level",
)  # fmt: skip

FIRST_PORT = ""


@dataclass(frozen=True, slots=True)
class Options:
    """Names of objects are "namespace/name". `run_dir` None: a folder is chosen (`nginx.place`)."""

    kubeconfig: str | None = None
    prefix: str = "nginx.ingress.kubernetes.io"
    choice: Choice = Choice()  # noqa: RUF009  # frozen
    configmap: str | None = None
    tcp_services: str | None = None
    udp_services: str | None = None
    publish_service: str | None = None
    publish_status_address: tuple[str, ...] = ()
    report_internal: bool = False
    default_backend: Target | None = None
    default_certificate: str | None = None
    watch_namespace: str | None = None
    election_id: str = "ingress-controller-leader"
    http_port: int = 80
    https_port: int = 443
    health_port: int = 10254
    health_path: str = "/healthz"
    listen: tuple[str, ...] = ("",)
    run_dir: Path | None = None
    workers: int | None = None
    shutdown_seconds: float = 240.0
    passthrough: bool = False
    webhook: tuple[str, str, str] | None = None  # address, certificate, key
    pod_name: str = ""
    pod_namespace: str = ""


def target_of_default(service: str | None) -> Target | None:
    """`--default-backend-service=namespace/name`, its first port: ingress-nginx takes that one too."""
    if not service:
        return None
    namespace, _, name = service.partition("/")
    return Target(namespace, name, FIRST_PORT)
