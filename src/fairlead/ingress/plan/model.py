"""What nginx is told: sites, their locations, backends, certificates. Names of fields are the Lua side's."""

from typing import Literal

import msgspec

from fairlead.ingress.plan.options import Canary, ClientTLS, Options

PathKind = Literal["exact", "elements", "letters", "pattern"]


class Value(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The base of what travels to nginx as MessagePack; defaults are left out."""


class Alternative(Value, frozen=True):
    """A canary: another backend for some of the requests."""

    backend: str
    name: str
    service: str
    canary: Canary
    options: Options = Options()


class Location(Value, frozen=True):
    """One path of one Ingress. `label` says whose traffic it is, for metrics; `https`: plain HTTP is redirected;
    `profile`: the location of nginx.conf that proxies, where it is not the first one."""

    namespace: str
    ingress: str
    service: str
    port: str
    path: str
    backend: str
    label: str
    name: str
    https: bool = False
    profile: str | None = None
    options: Options = Options()
    alternatives: tuple[Alternative, ...] = ()
    error_codes: tuple[int, ...] = ()


class Site(Value, frozen=True):
    """One host's names and paths. A path is (kind, text, number of its location); `default` serves the others.
    `redirect_to`: another host, where all requests are led."""

    host: str
    certificate: str | None = None
    redirect_to: str | None = None
    client_tls: ClientTLS | None = None
    ciphers: str = ""
    paths: tuple[tuple[PathKind, str, int], ...] = ()
    locations: tuple[Location, ...] = ()
    default: int | None = None


class Backend(Value, frozen=True):
    """Where a Service's port leads: (address, port), in a stable order."""

    endpoints: tuple[tuple[str, int], ...]


class Certificate(Value, frozen=True):
    """PEM, the leaf first."""

    certificate: bytes
    key: bytes


class Users(Value, frozen=True):
    """Names and their passwords' hashes, as crypt(3) writes them."""

    users: dict[str, str]


class Authorities(Value, frozen=True):
    """Whose certificates clients may show, as PEM."""

    certificates: bytes


class Headers(Value, frozen=True):
    headers: tuple[tuple[str, str], ...]


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with an Ingress, to be told by an event."""

    reason: str
    message: str
