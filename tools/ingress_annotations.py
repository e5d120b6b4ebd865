"""Writes docs/ingress-annotations.md: every annotation of ingress-nginx and what is done with it, from the code."""

from pathlib import Path

from fairlead.ingress.plan.annotations.names import READ
from fairlead.ingress.plan.annotations.refused import REFUSED, WITHOUT_EFFECT

FILE = Path(__file__).parent.parent / "docs" / "ingress-annotations.md"
# Where less is done than ingress-nginx does.
NOTES = {
    "affinity": "`cookie`; the cookie holds digests, no addresses",
    "auth-proxy-set-headers": "values as they are written, without variables",
    "auth-secret": "of the Ingress's own namespace",
    "auth-tls-secret": "of the Ingress's own namespace; `ca.crt`; its TLS sessions are never resumed",
    "auth-type": "`basic`; `digest` denies",
    "auth-url": "host without variables; names of Services go to their pods, other names are looked up every 10 s",
    "backend-protocol": "`HTTP`, `HTTPS`, `GRPC`, `GRPCS`; others deny",
    "custom-headers": "every header but those that frame a message",
    "custom-http-errors": "answers of pods: 401, 403, 404, 429, 500, 502, 503, 504; nginx's own: 404, 503",
    "limit-connections": "of one client at one Ingress, in this copy of the controller",
    "limit-rpm": "in this copy of the controller",
    "limit-rps": "in this copy of the controller",
    "mirror-target": "host without variables",
    "proxy-body-size": "also of bodies whose length is not told beforehand, and those are read before they go on",
    "proxy-buffer-size": "4k, 8k, 16k, 64k or 256k: the smallest that is enough",
    "proxy-cookie-domain": "one text for another, without patterns",
    "proxy-cookie-path": "one text for another, without patterns",
    "proxy-http-version": "1.1 only",
    "proxy-next-upstream": "`off`, or the largest of six sets that does no more than is asked for",
    "proxy-ssl-verify": "`on` denies: this nginx cannot verify pods by an Ingress's own authority",
    "rewrite-target": "as in ingress-nginx; all paths of the host become patterns",
    "server-alias": "names, also with `*.`; no patterns",
    "ssl-ciphers": "for TLS up to 1.2",
    "ssl-passthrough": "with `--enable-ssl-passthrough`",
    "use-regex": "case-insensitive, the longest first, with a limit on backtracking",
}


def render() -> str:
    lines = [
        "# Annotations of ingress-nginx",
        "",
        "Written by `tools/ingress_annotations.py`; `fairlead ingress check` says the same of your own Ingresses.",
        "The prefix is `nginx.ingress.kubernetes.io/` (`--annotations-prefix`). What is refused or not understood is",
        "told by a Warning event at the Ingress, and by the webhook. What restricts access and cannot be read denies.",
        "",
        f"{len(READ)} are done, {len(WITHOUT_EFFECT)} have nothing to act on here, {len(REFUSED)} are refused.",
        "",
        "| annotation | | |",
        "|---|---|---|",
    ]
    rows = {name: ("done", NOTES.get(name, "")) for name in READ}
    rows |= {name: ("no effect", text) for name, text in WITHOUT_EFFECT.items()}
    rows |= {name: ("refused", text) for name, text in REFUSED.items()}
    lines += [f"| `{name}` | {what} | {text} |" for name, (what, text) in sorted(rows.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(render())
