"""What of a request's address is changed, and where clients are led instead."""

import re
from typing import Any

from fairlead.ingress.plan.annotations.reader import Reader
from fairlead.ingress.plan.annotations.templates import template
from fairlead.ingress.plan.options import Redirect

ROOT = re.compile(r"^/[A-Za-z0-9\-._~%!$&'()*+,;=:@/?#]*$")
ALIAS = re.compile(r"^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$")
PERMANENT, TEMPORAL = (300, 308), (300, 308)


def read(reader: Reader) -> dict[str, Any]:
    rewrite = template(reader, "rewrite-target", captures=True)
    return {
        "ssl_redirect": reader.boolean("ssl-redirect"),
        "force_ssl_redirect": reader.boolean("force-ssl-redirect"),
        "keep_slash": reader.boolean("preserve-trailing-slash") or False,
        "port_in_redirects": reader.boolean("use-port-in-redirects") or False,
        "regex": bool(reader.boolean("use-regex")) or bool(rewrite),
        "rewrite": rewrite,
        "app_root": reader.text("app-root", ROOT, what="a path") or "",
        "redirect": _redirect(reader),
        "relative": reader.boolean("relative-redirects") or False,
        "from_to_www": reader.boolean("from-to-www-redirect") or False,
        "aliases": _aliases(reader),
    }


def _redirect(reader: Reader) -> Redirect | None:
    """A temporal one wins over a permanent one."""
    for name, code, codes in (("temporal-redirect", 302, TEMPORAL), ("permanent-redirect", 301, PERMANENT)):
        url = template(reader, name)
        if not url:
            continue
        wanted = reader.integer(f"{name}-code", *codes)
        text = url[0][1]
        if not url[0][0] and not text.startswith(("/", "http://", "https://")):
            reader.refuse(name, f"{text!r} is neither a path nor an http URL")
            continue
        return Redirect(code=wanted or code, url=url)
    return None


def _aliases(reader: Reader) -> tuple[str, ...]:
    found = []
    for each in reader.words("server-alias"):
        if ALIAS.match(each.lower()):
            found.append(each.lower())
        else:
            reader.refuse("server-alias", f"{each!r} is no name of a host; patterns are not taken")
    return tuple(found)
