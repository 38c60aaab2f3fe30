"""Made-up secrets in the shapes of the real ones, so that length limits and alphabets meet them in tests."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets

_CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 §6.1: no vowels, so no words
_KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def client_id(region: str) -> str:
    """16 random bytes and the region's name."""
    return _base64url(secrets.token_bytes(16) + region.encode("ascii"))


def client_secret(client: str, name: str) -> str:
    """Looks like a JWS of some 1,000 characters."""
    header = {"kid": "key-1566968136", "alg": "HS384"}
    inner = {"clientId": client, "clientName": name, "clientType": "PUBLIC", "templateArn": None}
    payload = {"serialized": json.dumps(inner), "salt": secrets.token_hex(256)}
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), secrets.token_bytes(48))
    return ".".join(map(_base64url, parts))


def device_code() -> str:
    """86 characters."""
    return secrets.token_urlsafe(64)


def user_code() -> str:
    """``XXXX-XXXX``."""
    letters = [secrets.choice(_CONSONANTS) for _ in range(8)]
    return "".join(letters[:4]) + "-" + "".join(letters[4:])


def authorization_code() -> str:
    return secrets.token_urlsafe(96)


def ticket() -> str:
    """What a sign-in page puts into its form, so that no other page can send it."""
    return secrets.token_urlsafe(24)


def access_token() -> str:
    """``aoaAAAAA…``, then a colon and a base64 blob with its own ``/``, ``+`` and ``=``."""
    return f"aoaAAAAA{secrets.token_urlsafe(66)}:{base64.b64encode(secrets.token_bytes(97)).decode('ascii')}"


def refresh_token() -> str:
    return f"aorAAAAA{secrets.token_urlsafe(66)}:{base64.b64encode(secrets.token_bytes(97)).decode('ascii')}"


def access_key_id() -> str:
    """20 characters that begin as temporary keys do."""
    return "ASIA" + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))


def secret_access_key() -> str:
    """40 characters."""
    return base64.b64encode(secrets.token_bytes(30)).decode("ascii")


def session_token() -> str:
    """Some 900 characters."""
    return "IQoJb3JpZ2luX2Vj" + base64.b64encode(secrets.token_bytes(660)).decode("ascii")


def stable_hex(*parts: str, length: int = 16) -> str:
    """The same for the same parts: what AWS chose once and keeps, such as the end of a role's name."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:length]


def stable_id(prefix: str, *parts: str) -> str:
    """``AROA…``: the unique id of a role."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return prefix + "".join(_KEY_ALPHABET[byte % 32] for byte in digest[:17])
