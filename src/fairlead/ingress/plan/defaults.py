"""What holds where an Ingress says nothing: the administrator's, else ingress-nginx's."""

from dataclasses import dataclass

from fairlead.ingress.plan.options import Upstream


@dataclass(frozen=True, slots=True)
class Defaults:
    """`upstream` has every field."""

    upstream: Upstream = Upstream(  # noqa: RUF009  # frozen
        buffering=False, request_buffering=True, buffer_size=4096, next=("error", "timeout")
    )
    ssl_redirect: bool = True
    force_ssl_redirect: bool = False
    error_codes: tuple[int, ...] = ()
    service_upstream: bool = False
    allow_other_namespaces: bool = False
    strict_paths: bool = True
    balance: str = ""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
