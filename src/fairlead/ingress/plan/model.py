"""What nginx is told: sites, their locations, backends, certificates. Names of fields are the Lua side's."""

from typing import Literal

import msgspec

from fairlead.ingress.plan.options import Options

PathKind = Literal["exact", "elements", "letters", "pattern"]


class Value(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The base of what travels to nginx as MessagePack; defaults are left out."""


class Location(Value, frozen=True):
    """One path of one Ingress. `label` says whose traffic it is, for metrics; `https`: plain HTTP is redirected."""

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
    options: Options = msgspec.field(default_factory=Options)


class Site(Value, frozen=True):
    """One host's names and paths. A path is (kind, text, number of its location); `default` serves the others."""

    host: str
    certificate: str | None = None
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


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with an Ingress, to be told by an event. `field`: where, as an annotation's or a field's name."""

    reason: str
    message: str
