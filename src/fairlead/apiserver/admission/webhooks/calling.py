"""A webhook is called: HTTPS to a URL or to a Service's cluster IP, whose certificate is for `NAME.NAMESPACE.svc`.

Texts are those of apiserver's `util/webhook` and of Go's net/http, as far as users search for them.
"""

import os
import socket
import ssl
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fairlead.api.resources import SERVICES
from fairlead.apiserver.admission.webhooks.hook import Client, Hook, Service
from fairlead.apiserver.registry import Registry
from fairlead.http.client import Answer, HttpClient, client_tls

Json = dict[str, Any]


class CallError(Exception):
    """A webhook that could not be called, or that did not answer as one. The text says why."""


async def ask(registry: Registry, hook: Hook, review: Json) -> Any:
    """The body of the answer. Each call is a connection of its own: one that was kept might have been closed by the
    other side, and a review is not sent twice. Raises CallError."""
    base, path, shown = _target(hook.client_config)
    wait = f"timeout={hook.timeout_seconds}s"
    post = f'Post "{shown}{path}?{wait}"'
    address = base if hook.client_config.service is None else _cluster_ip(registry, hook.client_config.service, post)
    client = HttpClient(
        address, ssl=_tls(hook.client_config), headers={"host": urlsplit(shown).netloc}, server_name=_host(shown)
    )
    headers = {"content-type": "application/json", "accept": "application/json, */*"}
    try:
        answer = await client.request(
            "POST",
            f"{path}?{wait}",
            body=msgspec.json.encode(review),
            headers=headers,
            seconds=hook.timeout_seconds,
        )
    except TimeoutError as error:
        raise CallError(f"{post}: context deadline exceeded") from error
    except OSError as error:
        raise CallError(f"{post}: {_told(error, address)}") from error
    finally:
        await client.close()
    return _body(answer)


def _target(client: Client) -> tuple[str, str, str]:
    """Where to connect, the path, and the address as errors show it."""
    if client.service is not None:
        shown = f"https://{client.service.name}.{client.service.namespace}.svc:{client.service.port}"
        return shown, client.service.path or "/", shown
    parts = urlsplit(client.url or "")
    base = f"{parts.scheme}://{parts.netloc}"
    return base, parts.path, base


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _cluster_ip(registry: Registry, service: Service, post: str) -> str:
    entry = registry.find(SERVICES, service.namespace, service.name)
    if entry is None:
        raise CallError(f'{post}: service "{service.name}" not found')
    spec = entry.decode()["spec"]
    if spec.get("type") == "ExternalName":
        return f"https://{spec.get('externalName', '')}:{service.port}"
    if spec.get("clusterIP", "None") == "None":
        raise CallError(f'{post}: cannot route to service with ClusterIP "None"')
    if not any(port["port"] == service.port for port in spec.get("ports") or ()):
        raise CallError(f'{post}: no service port {service.port} found for service "{service.name}"')
    address = spec["clusterIP"]
    return f"https://[{address}]:{service.port}" if ":" in address else f"https://{address}:{service.port}"


def _tls(client: Client) -> ssl.SSLContext:
    """Without a bundle, the system's authorities are trusted."""
    try:
        return client_tls(client.ca_bundle or None)
    except (ssl.SSLError, ValueError) as error:
        why = "unable to load root certificates: unable to parse bytes as PEM block"
        raise CallError(why) from error


def _told(error: OSError, address: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {error.verify_message}"
    if isinstance(error, ConnectionResetError):
        return "EOF"
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {urlsplit(address).hostname}: no such host"
    if error.errno is not None:
        return f"dial tcp {urlsplit(address).netloc}: connect: {os.strerror(error.errno).lower()}"
    return str(error) or type(error).__name__


def _body(answer: Answer) -> Any:
    if answer.status == HTTPStatus.NOT_FOUND:
        raise CallError("the server could not find the requested resource")
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        said = answer.body[:2048].decode(errors="replace").strip()
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise CallError(f'an error on the server ("{said}") has prevented the request from succeeding')
        raise CallError(f"the server rejected our request for an unknown reason: {answer.status} {said}".strip())
    try:
        return msgspec.json.decode(answer.body)
    except msgspec.DecodeError as error:
        raise CallError(f"couldn't get version/kind; json parse error: {error}") from error
