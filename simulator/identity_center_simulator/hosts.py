"""Which names a simulator on loopback answers to.

A page of any site can have its own name resolve to 127.0.0.1 (DNS rebinding). Then a browser takes the simulator for a
part of that site, and the page may read and send anything here: the control API, the consent form. It cannot change the
``Host`` that the browser sends, which is that name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

REFUSAL = (
    "The simulator listens on loopback and answers to 127.0.0.1, [::1] and localhost only "
    "(start it with --any-host to allow other names).\n"
)
# Any loopback address, for no name is one; any port, for it can be forwarded from another one, and a rebound name is
# known by its host alone.
_LOOPBACK = re.compile(r"(?:127(?:\.[0-9]{1,3}){3}|\[::1\]|localhost)(?::[0-9]{1,5})?", re.IGNORECASE)


def names_loopback(host: str) -> bool:
    """Whether a ``Host`` header's value is one that no other site's page can have."""
    return _LOOPBACK.fullmatch(host) is not None


def guarded() -> Middleware:
    """Refuse what was sent to another name, before anything else sees it."""

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not all(map(names_loopback, request.headers.getall("Host", [""]))):
            return web.Response(status=403, text=REFUSAL)
        return await handler(request)

    return around
