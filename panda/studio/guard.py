"""Who may talk to the page: requests to its own names, from its own pages.

A page of somebody else's, open in the same browser, can send requests to this machine. It can also
give its own name the address of this machine (DNS rebinding), after which the browser takes both
for one site. So the name that a request is for (Host) has to be one of ours, and where the browser
says from which page a request comes (Origin, Sec-Fetch-Site), it has to be this page.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from typing import Any

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names by which a machine calls itself."""

READING = ("GET", "HEAD", "OPTIONS")
"""Requests that change nothing, which a link on any page may send."""

HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")

Headers = dict[str, list[str]]
Messages = Callable[..., Awaitable[Any]]


class Guard:
    """An ASGI application that hands requests on to another one, or refuses them in a sentence.

    Args:
        app: The application.
        host: The address that it listens on.
    """

    def __init__(self, app: Messages, host: str) -> None:
        self._app = app
        self._names, self._everywhere = LOOPBACK | {_bare(host)}, is_everywhere(host)
        if self._everywhere:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: dict[str, Any], receive: Messages, send: Messages) -> None:
        """Answer one request; see the ASGI specification."""
        refusal = None
        if scope["type"] in ("http", "websocket"):
            refusal = self.refusal(scope.get("method", "GET"), _headers(scope["headers"]))
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            kind = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": kind})
            await send({"type": "http.response.body", "body": f"{refusal}\n".encode()})

    def refusal(self, method: str, headers: Headers) -> str | None:
        """Return why a request is refused, or None where it is not.

        Args:
            method: Such as ``"POST"``.
            headers: The values of each header, by its name in lower case.
        """
        (host, *more) = headers.get("host") or [""]
        match = HOST.fullmatch(host)
        if match is None or more:
            return "this request does not say which host it is for"
        name = _bare(match[1])
        if name not in self._names and not (self._everywhere and _is_address(name)):
            return (
                f"this studio is not called {name}; open it as localhost, or start it with"
                f" 'panda studio --host {name}'"
            )
        for origin in headers.get("origin", []):
            if origin.partition("://")[2].lower() != host.lower():
                return "this request comes from a page of another site"
        sites = headers.get("sec-fetch-site", [])
        if method not in READING and set(sites) - {"same-origin", "none"}:
            return "this request comes from a page of another site"
        return None


def is_everywhere(host: str) -> bool:
    """Return whether a server at this address answers to every address of the machine."""
    return _bare(host) in ("0.0.0.0", "::")


def is_loopback(host: str) -> bool:
    """Return whether only this machine itself reaches a server at this address."""
    name = _bare(host)
    return name in LOOPBACK or (_is_address(name) and ip_address(name).is_loopback)


def _bare(host: str) -> str:
    """Return a host in lower case, without brackets and the dot of a full name."""
    return host.strip("[]").rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    headers: Headers = {}
    for name, value in pairs:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers
