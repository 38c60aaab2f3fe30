"""Who calls, and what for, as far as a request says so itself: noted before anything can keep it from its operation.

So the journal knows as much of a call that met a fault or the throttle as of any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from identity_center_simulator import operations, sigv4
from identity_center_simulator.clients import REFRESH_TOKEN
from identity_center_simulator.errors import StsRefused
from identity_center_simulator.journal import Call, fingerprint
from identity_center_simulator.portal import TOKEN_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from identity_center_simulator.sessions import Sessions


def identify(call: Call, parameters: Mapping[str, str], headers: Mapping[str, str], sessions: Sessions) -> None:
    """Note grant, client, token, session, user, account and role; a refresh token counts as presented from here on."""
    if call.operation in operations.OIDC:
        call.grant, call.client_id = parameters.get("grantType"), parameters.get("clientId")
        if call.operation == "CreateToken" and call.grant == REFRESH_TOKEN and parameters.get("refreshToken"):
            _note_token(call, parameters["refreshToken"], sessions)
            call.token_uses = sessions.present(parameters["refreshToken"])
    elif call.operation in operations.PORTAL:
        call.account_id, call.role_name = parameters.get("account_id"), parameters.get("role_name")
        if headers.get(TOKEN_HEADER):
            _note_token(call, headers[TOKEN_HEADER], sessions)
    elif call.operation in operations.STS:
        call.token = _access_key_id(headers)
    elif call.operation == "Authorize":
        call.client_id = parameters.get("client_id")


def _note_token(call: Call, token: str, sessions: Sessions) -> None:
    """Whose token it is, good or not."""
    call.token = fingerprint(token)
    session = sessions.session_of(token)
    if session is not None:
        call.session, call.user = session.id, session.user


def _access_key_id(headers: Mapping[str, str]) -> str | None:
    try:
        return sigv4.claim_of(headers).access_key_id
    except StsRefused:
        return None
