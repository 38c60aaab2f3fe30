"""Why an exchange with Identity Center failed, in plain words. No answer's text is repeated: it may hold anything."""

from __future__ import annotations

import json
import re
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from urllib3 import exceptions as http_errors

from keyfobd.core.errors import Busy, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

_OTHER_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_NOW = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_CA_HINT = 'Set [network] ca_bundle to the certificates of your company, or to "system", and run: keyfob restart'
_PROXY_HINT = "Set [network] proxy, or HTTPS_PROXY and NO_PROXY, and run: keyfob restart"


def explain(error: http_errors.HTTPError, host: str) -> Unreachable:
    """What urllib3 says, as our error. Order matters: several of these are kinds of others."""
    match error:
        case http_errors.ProxyError():
            return _explain_proxy(error, host)
        case http_errors.SSLError():
            return _explain_tls(error, host)
        case http_errors.NameResolutionError():
            said = f"Could not connect to {host}: the name cannot be resolved."
        case http_errors.NewConnectionError():
            said = f"Could not connect to {host}: {_reason(error)}."
        case http_errors.ConnectTimeoutError():
            said = f"Could not connect to {host} in time."
        case http_errors.ReadTimeoutError():
            said = f"{host} did not answer in time."
        case http_errors.ProtocolError():
            said = f"{host} broke the connection off."
        case _:
            said = f"Could not speak with {host} ({type(error).__name__})."
    return Unreachable(said)


def refuse_nonsense(status: int, headers: Mapping[str, str], body: bytes, host: str) -> None:
    """Raise Busy or Unreachable for what is no answer of Identity Center's: of a proxy, a captive portal, a load
    balancer, another service, a server in trouble. Only JSON may say that a token or a role is refused."""
    if 300 <= status < 400:
        to = urlsplit(headers.get("Location", "")).hostname
        raise Unreachable(f"{host} answered with a redirect{f' to {to}' if to else ''}, which is not followed.")
    if status == 407:
        raise Unreachable(f"A proxy answered 407 for {host}: it wants a password.", _PROXY_HINT)
    if status == 429:
        raise Busy(f"{host} asks for fewer calls (429).")
    if status >= 500:
        raise Unreachable(f"{host} answered {status}.")
    if not (_is_json_object(body) or (200 <= status < 300 and not body)):
        raise Unreachable(f"{host} answered {_what(status, headers, body)}")


def _is_json_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _what(status: int, headers: Mapping[str, str], body: bytes) -> str:
    if "html" in headers.get("Content-Type", "").lower() or body.lstrip().startswith(b"<"):
        return f"{status} with a web page, not with JSON (the sign-in page of a network, or a proxy?)."
    return f"{status} without sense: its JSON is broken or cut off."


def _explain_proxy(error: http_errors.ProxyError, host: str) -> Unreachable:
    # http.client tells the status of a refused CONNECT in its message alone.
    refused = re.search(r"Tunnel connection failed: (\d{3})", str(error.original_error))
    if refused is None:
        return Unreachable(f"The proxy on the way to {host} cannot be reached.", _PROXY_HINT)
    wants = ": it wants a password" if refused[1] == "407" else ""
    return Unreachable(f"A proxy answered {refused[1]} for {host}{wants}.", _PROXY_HINT)


def _explain_tls(error: http_errors.SSLError, host: str) -> Unreachable:
    reason = error.args[0] if error.args else None
    if not isinstance(reason, ssl.SSLCertVerificationError):
        return Unreachable(f"TLS with {host} failed: something on the way does not speak it.")
    if reason.verify_code in _OTHER_NAME:
        return Unreachable(f"The certificate shown for {host} is another host's: something on the way answered.")
    if reason.verify_code in _NOT_NOW:
        return Unreachable(f"The certificate of {host} is not valid today: is this machine's clock right?")
    return Unreachable(f"The certificate of {host} is not trusted.", _CA_HINT)


def _reason(error: BaseException) -> str:
    """The operating system's own word for it."""
    cause = error.__cause__ or error.__context__
    return (cause.strerror or "").lower() or "refused" if isinstance(cause, OSError) else "refused"
