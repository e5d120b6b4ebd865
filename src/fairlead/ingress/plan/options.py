"""What a location does beside proxying: the typed form of annotations and of the administrator's defaults."""

import msgspec


class Options(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Defaults are left out on the way to nginx, whose Lua knows them. Times in seconds, sizes in bytes."""

    ssl_redirect: bool = True
    force_ssl_redirect: bool = False
    tries: int | None = None
    timeouts: tuple[float, float, float] | None = None  # connect, send, read
