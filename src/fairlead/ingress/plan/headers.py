"""Headers that a ConfigMap lists, checked: a name is a token, a value is one line."""

import re

from fairlead.api.types.core import ConfigMap
from fairlead.ingress.plan.annotations.reader import TOKEN
from fairlead.ingress.plan.model import Headers

VALUE = re.compile(r"^[\x20-\x7e\x80-\xff\t]*$")
# Those that frame a message: with them one request could become two.
FORBIDDEN = frozenset({"content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive"})


class HeaderError(ValueError):
    """A ConfigMap that cannot be used. The text says why."""


def of_config_map(config_map: ConfigMap | None) -> Headers:
    """Raises HeaderError."""
    if config_map is None:
        raise HeaderError("there is no such ConfigMap")
    for name, value in config_map.data.items():
        if not TOKEN.match(name) or name.lower() in FORBIDDEN:
            raise HeaderError(f"{name!r} is no header that can be set")
        if not VALUE.match(value):
            raise HeaderError(f"the value of {name} is not one line")
    return Headers(headers=tuple(sorted(config_map.data.items())))
