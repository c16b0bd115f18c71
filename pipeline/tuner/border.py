"""The border of the tuner's server: which requests it answers, and the security headers of every answer.

The page has no password. What keeps other sites from using it is the browser, which says where a request comes from: in `Origin`
for sockets and for all requests that change something, in `Sec-Fetch-Site` for the others.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HEADERS = [
    ("Content-Security-Policy", "frame-ancestors 'none'"),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
]
"""Of every answer: no other site may show the page in a frame, or embed its images and scripts."""

_REFUSED = "This request comes from another site. Open the page at the address that `bottleneck tune` printed.\n"


class Border:
    """Refuses requests and sockets of other sites, before anything else of the server sees them. An ASGI application.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a socket."""
        is_foreign = scope["type"] in ("http", "websocket") and not is_own(Headers(scope=scope), scope.get("method"))
        await (PlainTextResponse(_REFUSED, 403) if is_foreign else self._app)(scope, receive, send)


def is_own(headers: Headers, method: str | None = None) -> bool:
    """Whether a request comes from the page itself, from a user who opens it, or from a program that is no browser.

    Args:
        headers: Of the request.
        method: Of the request; None for a socket.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if origin is not None and _address(origin) != headers.get("host", "").lower():
        return False
    if site in ("same-origin", "none"):
        return True
    # A link on another page may be followed; only that a whole page is opened, never a part of one.
    return method == "GET" and (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == (
        "navigate",
        "document",
    )


def _address(origin: str) -> str | None:
    """Host and port of an origin; None for `null` and for anything that is no origin of a page.

    The scheme is not compared: a proxy may add TLS.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in ("http", "https") and parts.netloc else None
