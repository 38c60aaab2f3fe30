"""Every word of the control socket, and who does it. Who may ask, and how, is settled in ``control``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyfob import wire
from keyfobd.http.control import Words
from keyfobd.http.daemon_words import DaemonWords
from keyfobd.http.role_words import RoleWords, TokenWords
from keyfobd.http.session_words import SessionWords

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from keyfobd.http.control import Asked
    from keyfobd.http.house import House


def words(house: House) -> Words:
    """Every word, by its route."""
    roles, sessions, tokens, daemon = RoleWords(house), SessionWords(house), TokenWords(house), DaemonWords(house)
    answers: dict[str, Callable[[Asked], Awaitable[Mapping[str, Any]]]] = {
        wire.CREDENTIAL_PROCESS: roles.credential_process,
        wire.ENV: roles.env,
        wire.EXEC: roles.exec,
        wire.LIST: sessions.list,
        wire.LOGOUT: sessions.logout,
        wire.STATUS: daemon.status,
        wire.STOP: daemon.stop,
        wire.STORAGE: daemon.storage,
        wire.TOKEN_LIST: tokens.list,
        wire.TOKEN_REVOKE: tokens.revoke,
        wire.VERSION: daemon.version,
    }
    return Words(answers, {wire.LOGIN: sessions.login}, before=house.directory.refresh)
