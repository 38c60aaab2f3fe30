"""May this request pass? The rules, in the order they are asked:

1. The peer is a process of our own user (before a byte of it is looked at). An unknown peer is a stranger wherever
   peers can be known: an orphaned socket reads as uid 0, so nobody, root included, is let in for being unknown.
2. HTTP/1.1 and GET: every SDK sends these, and older versions may come without a Host.
3. Exactly one ``Host``, byte for byte ours. A page that rebinds its name to 127.0.0.1 sends its own name, and neither
   Origin nor Sec-Fetch: Host and token are all that catches it.
4. Nothing that only a body, a proxy or a browser brings along.
5. A target: ``/healthz`` is done here; else exactly one ``Authorization``, an endpoint token of ours, and a target that
   is, undecoded, the path of one of that token's roles. (The token comes first because it is the table to look in, and
   because whoever has none must not learn which roles there are.)

Facts are the raw bytes: aiohttp's ``request.host`` takes the name from an absolute-form target, and its ``path`` is
decoded, so both can be fooled.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal, Protocol

from keyfobd.core.model import EndpointToken, Role, endpoint_path

HEALTH_TARGET = b"/healthz"

_FORBIDDEN = frozenset(
    {b"transfer-encoding", b"expect", b"origin", b"referer", b"x-forwarded-for", b"forwarded", b"via", b"upgrade"}
)
_FORBIDDEN_FAMILIES = (b"sec-fetch-", b"access-control-")
_BLANKS = b" \t"  # what HTTP calls optional whitespace (RFC 9110 §5.6.3), and nothing else


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A request as it came over the wire, nothing decoded and nothing joined. It holds a token: no repr."""

    peer_uid: int | None  # None: not known
    version: tuple[int, int]
    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    def __repr__(self) -> str:
        return "RequestFacts(…)"

    def values(self, name: bytes) -> tuple[bytes, ...]:
        """Every value of the header called ``name`` (lower case), in the order they came."""
        return tuple(value for key, value in self.headers if key.lower() == name)


@dataclass(frozen=True, slots=True)
class Own:
    """What a request is held against."""

    uid: int
    port: int
    peer_check: bool  # whether the system can say who is at the other end of a connection


class TokenTable(Protocol):
    """The endpoint tokens in force."""

    def find(self, digest: bytes) -> EndpointToken | None:
        """The token whose text has this SHA-256."""
        ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """Give ``role``'s credentials to the holder of ``token``."""

    role: Role
    token: EndpointToken


@dataclass(frozen=True, slots=True)
class Health:
    """Say that the endpoint answers, and nothing more."""


Reason = Literal[
    "peer",
    "unknown-peer",
    "version",
    "method",
    "host",
    "header",
    "body",
    "no-token",
    "unknown-token",
    "target",
    "parse",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """``reason`` is for our log and counters; ``message`` and ``hint`` are for the person whose tool was refused."""

    status: Literal[401, 403]
    code: str
    message: str
    hint: str
    reason: Reason


Decision = Admitted | Health | Refusal

_SET_ANEW = 'Set this shell up again: eval "$(keyfob env TARGET)"'
_ONLY_SDKS = "For credentials of a role, run: keyfob env TARGET"


def _malformed(reason: Reason, message: str) -> Refusal:
    return Refusal(403, "refused", message, _ONLY_SDKS, reason)


FOREIGN_PEER = Refusal(
    403,
    "other-user",
    "This keyfob belongs to another user of this machine (a process under sudo is another user too).",
    "As the user who runs the tool: keyfob env TARGET",
    "peer",
)
UNKNOWN_PEER = Refusal(
    403,
    "unknown-user",
    "keyfob cannot tell whose process is asking, so it does not answer.",
    "See what is in force: keyfob status",
    "unknown-peer",
)
UNPARSED = _malformed("parse", "This is not an HTTP/1.1 request that keyfob understands.")
_VERSION = _malformed("version", "The keyfob endpoint speaks HTTP/1.1 alone.")
_METHOD = _malformed("method", "The keyfob endpoint answers GET alone.")
_HOST = _malformed("host", "The keyfob endpoint goes by 127.0.0.1 alone, by no other name.")
_HEADER = _malformed("header", "The keyfob endpoint answers AWS SDKs, not web pages or proxies.")
_BODY = _malformed("body", "The keyfob endpoint takes requests without a body.")
_NO_TOKEN = Refusal(
    401, "no-token", "Exactly one endpoint token of keyfob must come with this request.", _SET_ANEW, "no-token"
)
_UNKNOWN_TOKEN = Refusal(
    401, "unknown-token", "This endpoint token is not, or no longer, known to keyfob.", _SET_ANEW, "unknown-token"
)
_TARGET = Refusal(
    403,
    "other-role",
    "This endpoint token is not for what was asked.",
    'For another role: eval "$(keyfob env TARGET)"',
    "target",
)


def admit(facts: RequestFacts, tokens: TokenTable, own: Own) -> Decision:
    """What to do with a request. Raises nothing."""
    refusal = refuse_peer(facts.peer_uid, own) or _refuse_form(facts, own.port)
    if refusal is not None:
        return refusal
    if facts.target == HEALTH_TARGET:
        return Health()
    return _admit_token(facts, tokens)


def refuse_peer(peer_uid: int | None, own: Own) -> Refusal | None:
    """Whether the process at the other end is turned away for whose it is: known as soon as it has connected."""
    if peer_uid is None:
        return UNKNOWN_PEER if own.peer_check else None
    return None if peer_uid == own.uid else FOREIGN_PEER


def token_digest(text: bytes) -> bytes:
    """What the table knows a token by."""
    return hashlib.sha256(text).digest()


def _refuse_form(facts: RequestFacts, port: int) -> Refusal | None:
    if facts.version != (1, 1):
        return _VERSION
    if facts.method != "GET":
        return _METHOD
    # The AWS CRT leaves the port out of Host.
    if facts.values(b"host") not in ((b"127.0.0.1:%d" % port,), (b"127.0.0.1",)):
        return _HOST
    if any(_forbidden(name.lower()) for name, _ in facts.headers):
        return _HEADER
    if facts.values(b"content-length") not in ((), (b"0",)):
        return _BODY
    return None


def _forbidden(name: bytes) -> bool:
    return name in _FORBIDDEN or name.startswith(_FORBIDDEN_FAMILIES)


def _admit_token(facts: RequestFacts, tokens: TokenTable) -> Decision:
    match facts.values(b"authorization"):
        case (value,) if text := value.strip(_BLANKS):
            digest = token_digest(text)
        case _:
            return _NO_TOKEN
    token = tokens.find(digest)
    # The table found it by its digest; the comparison makes sure of it in constant time whatever the table is.
    if token is None or not hmac.compare_digest(token.digest, digest):
        return _UNKNOWN_TOKEN
    for role in token.roles:
        if endpoint_path(role).encode("ascii") == facts.target:
            return Admitted(role, token)
    return _TARGET
