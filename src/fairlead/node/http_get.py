"""An HTTPGetAction: the request that a probe or a lifecycle hook makes (kubelet `probe/http/request.go`)."""

import ssl

from fairlead.api.types.core import Container, HTTPGetAction
from fairlead.http.client import HttpClient


async def http_get(action: HTTPGetAction, container: Container, address: str, agent: str) -> int:
    """The status of the answer. `address` is the pod's, `agent` who asks. Raises OSError that says what went wrong."""
    place = joined(action.host or address, port_of(container, action.port))
    scheme = action.scheme.lower()
    url = f"{scheme}://{place}"
    tls: ssl.SSLContext | None = None
    if scheme == "https":  # whether something answers, not who
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    headers = {"user-agent": f"{agent}/1.32", "accept": "*/*"}
    headers |= {header.name.lower(): header.value for header in action.http_headers}
    client = HttpClient(url, ssl=tls)
    try:
        answer = await client.request("GET", action.path or "/", headers=headers)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OSError(f'Get "{url}{action.path}": dial tcp {place}: connect: {reason}') from error
    finally:
        await client.close()
    return answer.status


def port_of(container: Container, port: int | str) -> int:
    """By number, or by a name among the container's ports."""
    if isinstance(port, int):
        return port
    for each in container.ports:
        if each.name == port:
            return each.container_port
    return int(port) if port.isdigit() else 0


def joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
