"""Links in pages that come through the API server: what leads to the other server's root leads beneath its path here.

Source: k8s.io/apimachinery/pkg/util/proxy/transport.go. Pure.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

# Which attributes of which elements hold a URL (HTML 4.01, index of attributes; HTML 5).
_BY_TAG = {
    "a": "href", "applet": "codebase", "area": "href", "audio": "src", "base": "href", "blockquote": "cite",
    "body": "background", "button": "formaction", "command": "icon", "del": "cite", "embed": "src", "form": "action",
    "frame": "longdesc src", "head": "profile", "html": "manifest", "iframe": "longdesc src",
    "img": "longdesc src usemap", "input": "src usemap formaction", "ins": "cite", "link": "href",
    "object": "classid codebase data usemap", "q": "cite", "script": "src", "source": "src", "video": "poster src",
}  # fmt: skip
_TEXT_ONLY = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
_PIECE = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?P<tag>[a-zA-Z][^\s/>]*)(?P<rest>(?:[^>\"']|\"[^\"]*\"|'[^']*')*)>", re.DOTALL
)
_ATTRIBUTE = re.compile(r"""(?P<name>[^\s"'<>/=]+)(?P<is>\s*=\s*)(?P<value>"[^"]*"|'[^']*'|[^\s"'>]+)""")


def beneath(prefix: str, link: str, hosts: frozenset[str]) -> str:
    """One URL. `hosts`: the other server's own names, with which a link may begin; a link elsewhere stays as it is."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return link
    if (parts.netloc and parts.netloc not in hosts) or not parts.path.startswith("/"):
        return link
    path = parts.path if parts.path.startswith(prefix) else prefix.rstrip("/") + parts.path
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def rewritten(page: str, prefix: str, hosts: frozenset[str]) -> str:
    """A page with all its links beneath `prefix`; whatever is no tag is left as it came, broken tags too."""
    return "".join(_pieces(page, prefix, hosts))


def _pieces(page: str, prefix: str, hosts: frozenset[str]) -> Iterator[str]:
    at = 0
    while (found := _PIECE.search(page, at)) is not None:
        yield page[at : found.start()]
        tag = (found["tag"] or "").lower()
        attributes = _BY_TAG.get(tag, "").split()
        yield _tag(found[0], attributes, prefix, hosts) if attributes else found[0]
        at = found.end()
        if tag in _TEXT_ONLY:
            end = re.compile(f"</{tag}", re.IGNORECASE).search(page, at)
            until = len(page) if end is None else end.start()
            yield page[at:until]
            at = until
    yield page[at:]


def _tag(text: str, attributes: list[str], prefix: str, hosts: frozenset[str]) -> str:
    def change(found: re.Match[str]) -> str:
        if found["name"].lower() not in attributes:
            return found[0]
        value = found["value"]
        quote = value[0] if value[0] in "\"'" else ""
        link = beneath(prefix, value.strip(quote) if quote else value, hosts)
        return f"{found['name']}{found['is']}{quote}{link}{quote}"

    return _ATTRIBUTE.sub(change, text)
