"""Text with nginx's variables, taken apart once: only variables that cannot do harm have a meaning."""

import re

from fairlead.ingress.plan.annotations.reader import Reader
from fairlead.ingress.plan.options import Template

PIECES = re.compile(r"\$(\d|[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")
ALLOWED = frozenset({
    "args", "arg_name", "best_http_host", "escaped_request_uri", "host", "http_host", "http_cookie", "https", "is_args",
    "namespace", "ingress_name", "service_name", "service_port", "location_path", "pass_access_scheme", "pass_port",
    "pass_server_port", "proxy_upstream_name", "query_string", "remote_addr", "remote_port", "remote_user", "req_id",
    "request_id", "request_method", "request_uri", "scheme", "server_name", "server_port", "the_real_ip", "uri",
    "ssl_client_s_dn", "ssl_client_i_dn", "ssl_client_fingerprint", "ssl_client_serial", "ssl_client_verify",
    "ssl_protocol", "ssl_cipher", "ssl_server_name", "binary_remote_addr", "http_x_forwarded_for", "time_iso8601",
    "msec", "content_type", "document_uri", "server_protocol", "request", "connection",
})  # fmt: skip
FAMILIES = ("arg_", "http_", "cookie_")  # of the client's own request


def template(reader: Reader, name: str, *, captures: bool = False) -> Template:
    """`captures`: $1 to $9 are what the path's pattern has caught. Empty where it is not given or not understood."""
    value = reader.text(name)
    if not value:
        return ()
    found = compiled(value, captures=captures)
    if isinstance(found, str):
        reader.refuse(name, f"the variable ${found} has no meaning here")
        return ()
    return found


def compiled(value: str, *, captures: bool = False) -> Template | str:
    """The parts, or the name of the variable that may not be used."""
    parts: list[tuple[bool, str]] = []
    at = 0
    for match in PIECES.finditer(value):
        if match.start() > at:
            parts.append((False, value[at : match.start()]))
        variable = match[1].strip("{}")
        if variable.isdigit():
            if not captures or variable == "0":
                return variable
        elif variable not in ALLOWED and not variable.startswith(FAMILIES):
            return variable
        parts.append((True, variable))
        at = match.end()
    if at < len(value):
        parts.append((False, value[at:]))
    return tuple(parts)


def text_of(parts: Template) -> str:
    """The text where there are no variables in it."""
    return "".join(text for _, text in parts)
