"""Where traffic may go: a Service's port, or a host by its name."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

SERVICE_NAME = re.compile(r"^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(\.cluster\.local)?\.?$")
HOST_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?$")


@dataclass(frozen=True, slots=True)
class Target:
    """A Service's port, as the Ingress names it. `host`: instead of a Service, a name or an address outside.
    `direct`: the Service's own address rather than its pods'."""

    namespace: str
    service: str
    port: str
    host: str = ""
    direct: bool = False

    @property
    def key(self) -> str:
        if self.host:
            return f"host/{self.host}/{self.port}"
        return f"{self.namespace}/{self.service}/{self.port}" + ("/direct" if self.direct else "")

    @property
    def service_key(self) -> str:
        return f"{self.namespace}/{self.service}"

    @property
    def name(self) -> str:
        """As ingress-nginx calls it in logs and metrics."""
        return f"{self.namespace}-{self.service}-{self.port}"


def of_url(text: str) -> tuple[Target, SplitResult] | None:
    """The target of an http or https URL. A name of the cluster is its Service, others are looked up. None: no URL."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or parts.username is not None or not _is_host(host):
        return None
    number = port or (443 if parts.scheme == "https" else 80)
    match = SERVICE_NAME.match(host)
    if match:
        return Target(match[2], match[1], str(number)), parts
    return Target("", "", str(number), host), parts


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(HOST_NAME.match(text))
    return True
