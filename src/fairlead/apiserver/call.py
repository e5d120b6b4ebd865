"""One authorized request on its way through a verb, and what verbs work with."""

from dataclasses import dataclass, field
from typing import Any

from fairlead.api.resources import Resource
from fairlead.apiserver.admission.webhooks import Webhooks
from fairlead.apiserver.allocation import Allocators
from fairlead.apiserver.authz import Authorizer
from fairlead.apiserver.kinds import KINDS, Kind
from fairlead.apiserver.negotiation import Form
from fairlead.apiserver.options import is_dry_run
from fairlead.apiserver.registry import Registry
from fairlead.apiserver.routing import Route
from fairlead.apiserver.tokens import Tokens
from fairlead.apiserver.tunnel import Kubelets
from fairlead.apiserver.users import User
from fairlead.http.server import Request

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Api:
    """The server's own state, as verbs use it."""

    registry: Registry
    authorizer: Authorizer
    tokens: Tokens
    allocators: Allocators
    kubelets: Kubelets
    webhooks: Webhooks


@dataclass(slots=True)
class Call:
    request: Request
    route: Route
    user: User
    form: Form
    api: Api
    warnings: list[str] = field(default_factory=list)

    @property
    def resource(self) -> Resource:
        return self.route.resource

    @property
    def kind(self) -> Kind:
        return KINDS[self.route.resource]

    @property
    def namespace(self) -> str | None:
        return self.route.namespace

    @property
    def name(self) -> str:
        assert self.route.name is not None
        return self.route.name

    @property
    def dry_run(self) -> bool:
        return is_dry_run(self.request.query.get("dryRun", []))
