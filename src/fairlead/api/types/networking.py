"""networking.k8s.io/v1: Ingress, IngressClass."""

import msgspec

from fairlead.api.types.meta import Object, Struct


class ServiceBackendPort(Struct):
    """By name or by number; one of the two is set."""

    name: str = ""
    number: int = 0


class IngressServiceBackend(Struct):
    name: str = ""
    port: ServiceBackendPort = msgspec.field(default_factory=ServiceBackendPort)


class TypedLocalObjectReference(Struct):
    kind: str = ""
    name: str = ""
    api_group: str | None = None


class IngressBackend(Struct):
    """A Service or another object of the Ingress's namespace; one of the two is set."""

    service: IngressServiceBackend | None = None
    resource: TypedLocalObjectReference | None = None


class HTTPIngressPath(Struct):
    """`path_type`: Exact, Prefix or ImplementationSpecific. An empty path is every path."""

    backend: IngressBackend = msgspec.field(default_factory=IngressBackend)
    path: str = ""
    path_type: str = "ImplementationSpecific"


class HTTPIngressRuleValue(Struct):
    paths: list[HTTPIngressPath] = []


class IngressRule(Struct):
    """Without a host: of every host. Without `http`: everything to the default backend."""

    host: str = ""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(Struct):
    hosts: list[str] = []
    secret_name: str = ""


class IngressSpec(Struct):
    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    tls: list[IngressTLS] = []
    rules: list[IngressRule] = []


class IngressPortStatus(Struct):
    port: int
    protocol: str
    error: str | None = None


class IngressLoadBalancerIngress(Struct):
    ip: str = ""
    hostname: str = ""
    ports: list[IngressPortStatus] = []


class IngressLoadBalancerStatus(Struct):
    ingress: list[IngressLoadBalancerIngress] = []


class IngressStatus(Struct):
    load_balancer: IngressLoadBalancerStatus = msgspec.field(default_factory=IngressLoadBalancerStatus)


class Ingress(Object):
    spec: IngressSpec = msgspec.field(default_factory=IngressSpec)
    status: IngressStatus = msgspec.field(default_factory=IngressStatus)


class IngressClassParametersReference(Struct):
    """`scope`: Cluster or Namespace; with Namespace, `namespace` is set."""

    kind: str = ""
    name: str = ""
    api_group: str | None = None
    scope: str = "Cluster"
    namespace: str | None = None


class IngressClassSpec(Struct):
    """`controller`: who implements the class, `k8s.io/ingress-nginx`."""

    controller: str = ""
    parameters: IngressClassParametersReference | None = None


class IngressClass(Object):
    spec: IngressClassSpec = msgspec.field(default_factory=IngressClassSpec)
