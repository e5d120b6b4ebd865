"""The core group as our own parts read it: Pod, Node, ConfigMap, Secret, Namespace, Event, ..."""

import msgspec

from fairlead.api.types.meta import Condition, IntOrString, Json, Object, ObjectReference, Struct


class KeyToPath(Struct):
    key: str
    path: str
    mode: int | None = None


class ConfigMapSource(Struct):
    name: str = ""
    items: list[KeyToPath] = []
    optional: bool | None = None
    default_mode: int | None = None


class SecretVolumeSource(Struct):
    secret_name: str = ""
    items: list[KeyToPath] = []
    optional: bool | None = None
    default_mode: int | None = None


class SecretProjection(Struct):
    name: str = ""
    items: list[KeyToPath] = []
    optional: bool | None = None


class EmptyDirVolumeSource(Struct):
    medium: str = ""
    size_limit: IntOrString | None = None


class HostPathVolumeSource(Struct):
    path: str
    type: str = ""


class ServiceAccountTokenProjection(Struct):
    path: str
    audience: str = ""
    expiration_seconds: int | None = None


class ObjectFieldSelector(Struct):
    field_path: str
    api_version: str = ""


class ResourceFieldSelector(Struct):
    resource: str
    container_name: str = ""
    divisor: IntOrString | None = None


class DownwardAPIFile(Struct):
    path: str
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None


class DownwardAPIVolumeSource(Struct):
    items: list[DownwardAPIFile] = []
    default_mode: int | None = None


class VolumeProjection(Struct):
    config_map: ConfigMapSource | None = None
    secret: SecretProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None
    downward_api: DownwardAPIVolumeSource | None = msgspec.field(default=None, name="downwardAPI")


class ProjectedVolumeSource(Struct):
    sources: list[VolumeProjection] = []
    default_mode: int | None = None


class Volume(Struct):
    name: str
    config_map: ConfigMapSource | None = None
    secret: SecretVolumeSource | None = None
    empty_dir: EmptyDirVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = msgspec.field(default=None, name="downwardAPI")


class VolumeMount(Struct):
    name: str
    mount_path: str
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False


class KeySelector(Struct):
    name: str = ""
    key: str = ""
    optional: bool | None = None


class EnvVarSource(Struct):
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: KeySelector | None = None
    secret_key_ref: KeySelector | None = None


class EnvVar(Struct):
    name: str
    value: str = ""
    value_from: EnvVarSource | None = None


class EnvFromSource(Struct):
    prefix: str = ""
    config_map_ref: ConfigMapSource | None = None
    secret_ref: ConfigMapSource | None = None


class ContainerPort(Struct):
    container_port: int
    name: str = ""
    protocol: str = "TCP"
    host_port: int | None = None
    host_ip: str = msgspec.field(default="", name="hostIP")


class ExecAction(Struct):
    command: list[str] = []


class HTTPHeader(Struct):
    name: str
    value: str = ""


class HTTPGetAction(Struct):
    port: IntOrString
    path: str = "/"
    host: str = ""
    scheme: str = "HTTP"
    http_headers: list[HTTPHeader] = []


class TCPSocketAction(Struct):
    port: IntOrString
    host: str = ""


class Probe(Struct):
    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 1
    period_seconds: int = 10
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


class SleepAction(Struct):
    seconds: int = 0


class LifecycleHandler(Struct):
    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(Struct):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None


class ResourceRequirements(Struct):
    limits: dict[str, IntOrString] = {}
    requests: dict[str, IntOrString] = {}


class Capabilities(Struct):
    add: list[str] = []
    drop: list[str] = []


class SecurityContext(Struct):
    privileged: bool = False
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool = False
    allow_privilege_escalation: bool | None = None
    capabilities: Capabilities | None = None


class Container(Struct):
    name: str
    image: str = ""
    image_pull_policy: str = "IfNotPresent"
    command: list[str] = []
    args: list[str] = []
    working_dir: str = ""
    ports: list[ContainerPort] = []
    env: list[EnvVar] = []
    env_from: list[EnvFromSource] = []
    resources: ResourceRequirements = msgspec.field(default_factory=ResourceRequirements)
    volume_mounts: list[VolumeMount] = []
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    security_context: SecurityContext | None = None
    restart_policy: str | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"


class Toleration(Struct):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class HostAlias(Struct):
    ip: str
    hostnames: list[str] = []


class PodDNSConfigOption(Struct):
    name: str
    value: str | None = None


class PodDNSConfig(Struct):
    nameservers: list[str] = []
    searches: list[str] = []
    options: list[PodDNSConfigOption] = []


class Sysctl(Struct):
    name: str
    value: str


class PodSecurityContext(Struct):
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    supplemental_groups: list[int] = []
    fs_group: int | None = None
    sysctls: list[Sysctl] = []


class LocalObjectReference(Struct):
    name: str = ""


class TopologySpreadConstraint(Struct):
    max_skew: int
    topology_key: str
    when_unsatisfiable: str
    label_selector: Json | None = None


class PodSpec(Struct):
    containers: list[Container] = []
    init_containers: list[Container] = []
    volumes: list[Volume] = []
    restart_policy: str = "Always"
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    dns_policy: str = "ClusterFirst"
    dns_config: PodDNSConfig | None = None
    node_selector: dict[str, str] = {}
    node_name: str = ""
    service_account_name: str = ""
    automount_service_account_token: bool | None = None
    host_network: bool = False
    host_pid: bool = msgspec.field(default=False, name="hostPID")
    host_ipc: bool = msgspec.field(default=False, name="hostIPC")
    share_process_namespace: bool | None = None
    security_context: PodSecurityContext | None = None
    image_pull_secrets: list[LocalObjectReference] = []
    hostname: str = ""
    subdomain: str = ""
    set_hostname_as_fqdn: bool | None = msgspec.field(default=None, name="setHostnameAsFQDN")
    affinity: Json | None = None
    scheduler_name: str = "default-scheduler"
    tolerations: list[Toleration] = []
    host_aliases: list[HostAlias] = []
    priority_class_name: str = ""
    priority: int | None = None
    enable_service_links: bool | None = None
    readiness_gates: list[dict[str, str]] = []
    topology_spread_constraints: list[TopologySpreadConstraint] = []


class ContainerStateWaiting(Struct):
    reason: str = ""
    message: str = ""


class ContainerStateRunning(Struct):
    started_at: str | None = None


class ContainerStateTerminated(Struct):
    exit_code: int = 0
    signal: int | None = None
    reason: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    container_id: str = msgspec.field(default="", name="containerID")


# exitCode 0 must be written, though it is the default: kubectl prints it.
class ContainerState(Struct):
    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(Struct, omit_defaults=False):
    name: str
    state: ContainerState = msgspec.field(default_factory=ContainerState)
    last_state: ContainerState = msgspec.field(default_factory=ContainerState)
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    container_id: str = msgspec.field(default="", name="containerID")
    started: bool | None = None


class PodIP(Struct):
    ip: str


class PodStatus(Struct):
    phase: str = ""
    conditions: list[Condition] = []
    message: str = ""
    reason: str = ""
    nominated_node_name: str = ""
    host_ip: str = msgspec.field(default="", name="hostIP")
    host_ips: list[PodIP] = msgspec.field(default_factory=list, name="hostIPs")
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: list[PodIP] = msgspec.field(default_factory=list, name="podIPs")
    start_time: str | None = None
    init_container_statuses: list[ContainerStatus] = []
    container_statuses: list[ContainerStatus] = []
    qos_class: str = ""


class Pod(Object):
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    def condition(self, kind: str) -> Condition | None:
        return next((c for c in self.status.conditions if c.type == kind), None)

    @property
    def is_ready(self) -> bool:
        ready = self.condition("Ready")
        return ready is not None and ready.status == "True"

    @property
    def is_terminated(self) -> bool:
        return self.status.phase in ("Succeeded", "Failed")


class Taint(Struct):
    key: str
    effect: str
    value: str = ""
    time_added: str | None = None


class NodeSpec(Struct):
    pod_cidr: str = msgspec.field(default="", name="podCIDR")
    pod_cidrs: list[str] = msgspec.field(default_factory=list, name="podCIDRs")
    provider_id: str = msgspec.field(default="", name="providerID")
    unschedulable: bool = False
    taints: list[Taint] = []


class NodeAddress(Struct):
    type: str
    address: str


class DaemonEndpoint(Struct):
    port: int = msgspec.field(default=0, name="Port")


class NodeDaemonEndpoints(Struct):
    kubelet_endpoint: DaemonEndpoint = msgspec.field(default_factory=DaemonEndpoint)


class NodeSystemInfo(Struct, omit_defaults=False):
    machine_id: str = msgspec.field(default="", name="machineID")
    system_uuid: str = msgspec.field(default="", name="systemUUID")
    boot_id: str = msgspec.field(default="", name="bootID")
    kernel_version: str = ""
    os_image: str = ""
    container_runtime_version: str = ""
    kubelet_version: str = ""
    kube_proxy_version: str = ""
    operating_system: str = ""
    architecture: str = ""


class NodeStatus(Struct):
    capacity: dict[str, IntOrString] = {}
    allocatable: dict[str, IntOrString] = {}
    conditions: list[Condition] = []
    addresses: list[NodeAddress] = []
    daemon_endpoints: NodeDaemonEndpoints = msgspec.field(default_factory=NodeDaemonEndpoints)
    node_info: NodeSystemInfo = msgspec.field(default_factory=NodeSystemInfo)
    images: list[Json] = []


class Node(Object):
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)

    def address(self, kind: str) -> str | None:
        """The first address of a type: `InternalIP`, `Hostname`."""
        return next((a.address for a in self.status.addresses if a.type == kind), None)


class ConfigMap(Object):
    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}
    immutable: bool | None = None


class Secret(Object):
    data: dict[str, str] = {}  # base64
    type: str = "Opaque"
    immutable: bool | None = None


class ServiceAccount(Object):
    secrets: list[ObjectReference] = []
    image_pull_secrets: list[LocalObjectReference] = []
    automount_service_account_token: bool | None = None


class NamespaceSpec(Struct):
    finalizers: list[str] = []


class NamespaceStatus(Struct):
    phase: str = ""
    conditions: list[Condition] = []


class Namespace(Object):
    spec: NamespaceSpec = msgspec.field(default_factory=NamespaceSpec)
    status: NamespaceStatus = msgspec.field(default_factory=NamespaceStatus)


class EventSource(Struct):
    component: str = ""
    host: str = ""


class Event(Object):
    involved_object: ObjectReference = msgspec.field(default_factory=ObjectReference)
    reason: str = ""
    message: str = ""
    source: EventSource = msgspec.field(default_factory=EventSource)
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    count: int = 0
    type: str = ""
    action: str = ""
    reporting_component: str = ""
    reporting_instance: str = ""
