"""`/logs/` of a node: the files of its pods' logs, to look through by page or by name.

Source: kubelet `server.go` serves `/var/log/` by Go's `http.FileServer`; ours beneath it is `pods/`.
"""

import asyncio
import html
from pathlib import Path
from urllib.parse import quote

from fairlead.api.status import path_not_found
from fairlead.http.server import Response, Stream, StreamWriter

PODS = "pods"
PIECE = 1 << 16  # bytes read and sent at a time


def answer(folder: Path, path: str) -> Response | Stream:
    """`folder`: that of all pods' logs; `path`: what comes after `/logs/`. Raises ApiError (404)."""
    if not path:
        return _listing([f"{PODS}/"])
    first, _, rest = path.partition("/")
    root = folder.resolve()
    found = (root / rest).resolve()
    if first != PODS or not found.is_relative_to(root) or not found.exists():
        raise path_not_found()
    if not found.is_dir():
        return Stream(lambda writer: _copy(found, writer), content_type="text/plain; charset=utf-8")
    if not path.endswith("/"):
        return Response(301, b"", headers=[("Location", f"{quote(path.rpartition('/')[2])}/")])
    return _listing(sorted(f"{each.name}/" if each.is_dir() else each.name for each in found.iterdir()))


def _listing(names: list[str]) -> Response:
    links = "".join(f'<a href="{html.escape(quote(name))}">{html.escape(name)}</a>\n' for name in names)
    return Response(200, f"<!doctype html>\n<pre>\n{links}</pre>\n".encode(), "text/html; charset=utf-8")


async def _copy(path: Path, writer: StreamWriter) -> None:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            writer.write(piece)
            await writer.drain()
