"""The environment that containers get."""

import base64
from typing import Any

import msgspec
import pytest

from fairlead.api.types.core import ConfigMap, Container, ResourceFieldSelector, Secret
from fairlead.node import downward, environment, service_links
from fairlead.node.downward import Self
from fairlead.node.expansion import expand
from fairlead.node.service_links import LinkedService
from fairlead.node.sources import SourceError, Sources, Token, references
from tests.unit.node.pods import pod

SELF = Self(
    pod(serviceAccountName="default"),
    ["10.244.1.2", "fd00:10:244:1::2"],
    ["192.168.109.101", "fd00:192:168:109::101"],
    {"cpu": "2", "memory": "4Gi"},
)
SOURCES = Sources(
    "dev",
    {"settings": ConfigMap(data={"mode": "fast", "not a name": "x"})},
    {"login": Secret(data={"password": base64.b64encode(b"s3cret").decode()})},
)


def container(**more: Any) -> Container:
    return msgspec.convert({"name": "web"} | more, Container)


def variables(*env: dict[str, Any], env_from: tuple[dict[str, Any], ...] = (), **services: str) -> dict[str, str]:
    return environment.variables(container(env=list(env), envFrom=list(env_from)), SELF, SOURCES, services)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)/$(B)", "1/$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A $", "$A $"),
        ("$(A", "$(A"),
        ("$($(A))", "$(1)"),
        ("cost: 5$$", "cost: 5$"),
    ],
)
def test_references_expand_as_kubernetes_documents(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


def test_a_value_may_use_what_stands_before_it_and_what_services_offer() -> None:
    env = variables(
        {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(HOST)$(C)"}, {"name": "C", "value": "3"}, HOST="h"
    )
    assert env == {"HOST": "h", "A": "1", "B": "1h$(C)", "C": "3"}


def test_the_pods_own_variables_win_over_those_of_services() -> None:
    assert variables({"name": "HOST", "value": "mine"}, HOST="theirs") == {"HOST": "mine"}


def test_values_come_from_config_maps_secrets_and_the_pod_itself() -> None:
    env = variables(
        {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    )
    assert env == {"MODE": "fast", "PASSWORD": "s3cret", "IP": "10.244.1.2"}


def test_all_keys_that_can_be_names_come_with_a_prefix() -> None:
    assert variables(env_from=({"configMapRef": {"name": "settings"}, "prefix": "S_"},)) == {"S_mode": "fast"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "a"}}, 'configmap "none" not found'),
        ({"configMapKeyRef": {"name": "settings", "key": "a"}}, "couldn't find key a in ConfigMap dev/settings"),
        ({"secretKeyRef": {"name": "none", "key": "a"}}, 'secret "none" not found'),
        ({"secretKeyRef": {"name": "login", "key": "a"}}, "couldn't find key a in Secret dev/login"),
        ({"fieldRef": {"fieldPath": "spec.nodeport"}}, "unsupported fieldPath: spec.nodeport"),
    ],
)
def test_what_is_missing_is_told_in_kubernetes_words_unless_optional(source: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError) as caught:
        variables({"name": "A", "valueFrom": source})
    assert str(caught.value) == message
    for selector in ("configMapKeyRef", "secretKeyRef"):
        if selector in source:
            assert variables({"name": "A", "valueFrom": {selector: source[selector] | {"optional": True}}}) == {}


def service(name: str, namespace: str, ip: str, *ports: dict[str, Any]) -> tuple[str, LinkedService]:
    body = {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": list(ports)}}
    return f"{namespace}/{name}", msgspec.convert(body, LinkedService)


SERVICES = dict(
    [
        service("kubernetes", "default", "10.96.0.1", {"name": "https", "port": 443}),
        service("my-db", "dev", "10.97.0.1", {"port": 5432}),
        service("headless", "dev", "None", {"port": 80}),
        service("other", "prod", "10.97.0.2", {"port": 80}),
    ]
)


def test_the_api_server_is_always_told() -> None:
    assert service_links.variables(SERVICES, "dev", links=False) == {
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "443",
        "KUBERNETES_PORT": "tcp://10.96.0.1:443",
        "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443",
        "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
        "KUBERNETES_PORT_443_TCP_PORT": "443",
        "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1",
    }


def test_services_of_the_namespace_are_told_with_links_and_headless_ones_never() -> None:
    told = service_links.variables(SERVICES, "dev", links=True)
    assert told["MY_DB_SERVICE_HOST"] == "10.97.0.1"
    assert told["MY_DB_PORT_5432_TCP"] == "tcp://10.97.0.1:5432"
    assert not [name for name in told if name.startswith(("HEADLESS", "OTHER"))]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.labels['app']", "a"),
        ("metadata.labels", 'app="a"\ntier="b \\"c\\""'),
        ("spec.nodeName", "node1"),
        ("spec.serviceAccountName", "default"),
        ("status.hostIP", "192.168.109.101"),
        ("status.hostIPs", "192.168.109.101,fd00:192:168:109::101"),
        ("status.podIP", "10.244.1.2"),
        ("status.podIPs", "10.244.1.2,fd00:10:244:1::2"),
    ],
)
def test_a_pod_is_told_of_itself(path: str, value: str) -> None:
    SELF.pod.metadata.labels = {"tier": 'b "c"', "app": "a"}
    assert downward.field(SELF, path) == value


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", None, "1"),
        ("limits.cpu", "1m", "250"),
        ("limits.memory", "1Mi", "4096"),
        ("requests.memory", "1Mi", "64"),
        ("requests.cpu", None, "0"),
    ],
)
def test_resources_come_in_units_of_the_divisor_rounded_up(resource: str, divisor: str | None, value: str) -> None:
    limited = container(resources={"limits": {"cpu": "250m"}, "requests": {"memory": "64Mi"}})
    selector = msgspec.convert(
        {"resource": resource} | ({"divisor": divisor} if divisor else {}), ResourceFieldSelector
    )
    assert downward.resource(SELF, limited, selector) == value


def test_everything_that_a_pod_names_is_found() -> None:
    spec = pod(
        volumes=[
            {"name": "a", "configMap": {"name": "one"}},
            {"name": "b", "secret": {"secretName": "two"}},
            {
                "name": "c",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                        {"configMap": {"name": "kube-root-ca.crt"}},
                    ]
                },
            },
        ],
        containers=[
            {
                "name": "web",
                "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "three", "key": "k"}}}],
                "envFrom": [{"secretRef": {"name": "four"}}],
            }
        ],
    )
    found = references(spec)
    assert found.config_maps == {"one", "kube-root-ca.crt", "three"}
    assert found.secrets == {"two", "four"}
    assert found.tokens == {Token("", 3607)}
