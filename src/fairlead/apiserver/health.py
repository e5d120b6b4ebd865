"""`/healthz`, `/livez`, `/readyz`, with `?verbose` and one path a check."""

from collections.abc import Callable, Mapping

from fairlead.http.server import Request, Response

Check = Callable[[], str | None]  # what is wrong, or None

ROOTS = ("healthz", "livez", "readyz")


def answer(request: Request, checks: Mapping[str, Check]) -> Response | None:
    """None for a check that does not exist."""
    root, _, name = request.path.lstrip("/").partition("/")
    if name:
        check = checks.get(name)
        if check is None:
            return None
        wrong = check()
        return _text(500, f"internal server error: {wrong}") if wrong else _text(200, "ok")
    excluded = set(request.query.get("exclude", ()))
    outcomes = {each: None if each in excluded else check() for each, check in checks.items()}
    failed = any(outcomes.values())
    if not failed and not request.flag("verbose"):
        return _text(200, "ok")
    lines = [
        f"[{'-' if wrong else '+'}]{each} {'failed: ' + wrong if wrong else 'ok'}" for each, wrong in outcomes.items()
    ]
    lines.append(f"{root} check {'failed' if failed else 'passed'}")
    return _text(500 if failed else 200, "\n".join(lines) + "\n")


def _text(status: int, text: str) -> Response:
    return Response(status, text.encode(), "text/plain; charset=utf-8", [("X-Content-Type-Options", "nosniff")])
