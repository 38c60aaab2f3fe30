"""Is a request signed by the holder of a key? The expected signature is computed by botocore's own signer."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from identity_center_simulator.errors import StsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)"
    r"/aws4_request,\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_BASIC = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Claim:
    """What an ``Authorization`` header claims."""

    access_key_id: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str


def claim_of(headers: Mapping[str, str]) -> Claim:
    """Raises StsRefused where there is none, or one that cannot be read."""
    authorization = headers.get("Authorization")
    if not authorization:
        raise StsRefused(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    found = _AUTHORIZATION.fullmatch(authorization.strip())
    timestamp = headers.get("X-Amz-Date", "")
    if found is None or not timestamp.startswith(found["date"]):
        raise StsRefused(400, "IncompleteSignature", "The request signature does not conform to AWS standards.")
    if found["service"] != "sts":
        raise StsRefused(403, "SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'.")
    signed = tuple(found["headers"].split(";"))
    return Claim(found["key"], found["region"], found["service"], signed, found["signature"], timestamp)


def verify(claim: Claim, secret: str, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
    """Raises StsRefused (SignatureDoesNotMatch). The session token must be among what was signed. ``headers`` are found
    whatever their case."""
    _check_body(headers, body)
    expected = _signature(claim, secret, method, url, headers, body)
    needed = {"host", "x-amz-date", "x-amz-security-token"}
    if not needed <= set(claim.signed_headers) or not hmac.compare_digest(expected, claim.signature):
        raise StsRefused(403, "SignatureDoesNotMatch", MISMATCH)


def check_age(claim: Claim, nows: tuple[float, float], lifetime: float) -> None:
    """Raises StsRefused for a signature made more than ``lifetime`` seconds before the earlier, or after the later, of
    two times (seconds since 1970)."""
    try:
        signed_at = datetime.strptime(claim.timestamp, _BASIC).replace(tzinfo=UTC).timestamp()
    except ValueError:
        text = f"Date must be in ISO-8601 'basic format'. Got '{claim.timestamp}'."
        raise StsRefused(400, "IncompleteSignature", text) from None
    earlier, later, minutes = min(nows), max(nows), f"{lifetime / 60:g} min."
    if signed_at < earlier - lifetime:
        limit = f"{_basic(earlier - lifetime)} ({_basic(earlier)} - {minutes})"
        text = f"Signature expired: {claim.timestamp} is now earlier than {limit}"
        raise StsRefused(403, "SignatureDoesNotMatch", text)
    if signed_at > later + lifetime:
        limit = f"{_basic(later + lifetime)} ({_basic(later)} + {minutes})"
        text = f"Signature not yet current: {claim.timestamp} is still later than {limit}"
        raise StsRefused(403, "SignatureDoesNotMatch", text)


def _basic(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime(_BASIC)


def _check_body(headers: Mapping[str, str], body: bytes) -> None:
    """A signer takes a body's digest from this header where there is one, so it must be true; ``UNSIGNED-PAYLOAD`` is
    S3's alone."""
    told = headers.get("X-Amz-Content-SHA256")
    if told is not None and told != hashlib.sha256(body).hexdigest():
        raise StsRefused(403, "SignatureDoesNotMatch", MISMATCH)


def _signature(claim: Claim, secret: str, method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    signed = {name: headers.get(name, "") for name in claim.signed_headers}
    request = AWSRequest(method=method, url=url, data=body, headers=signed)
    request.context["timestamp"] = claim.timestamp
    signer = SigV4Auth(Credentials(claim.access_key_id, secret), claim.service, claim.region)
    found: str = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return found
