"""How the simulated instance behaves where the real one differs between customers, times, or is not known.

Durations are seconds; in a scenario file and over the control API they may also be written ``"20s"``, ``"15m"``,
``"8h"`` or ``"90d"``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

RefreshMode = Literal["rotate", "single-use", "none", "omitted", "kill-family"]


class ScenarioProblem(ValueError):
    """A scenario or a setting that cannot be meant; the message names the key."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be switched, in a scenario's ``[settings]`` or at run time."""

    session_duration: float = 8 * 3600
    """Of the user's portal session, for new ones; real instances allow 15 minutes to 90 days."""
    identity_provider_cap: float | None = None
    """An identity provider's own ``SessionNotOnOrAfter``: the shorter of the two counts."""
    access_token_duration: float = 3600
    legacy_access_token_duration: float = 8 * 3600
    """For clients registered without scopes, which get no refresh token."""
    registration_duration: float = 90 * 86400
    device_code_duration: float = 600
    poll_interval: int = 1
    authorization_code_duration: float = 300
    refresh_tokens: RefreshMode = "rotate"
    """``rotate``: a new one each time, the old one good for ``refresh_grace`` more · ``single-use``: the old one is
    dead at once · ``none``: no rotation, the same one comes back · ``omitted``: none comes back, the old one stays
    good · ``kill-family``: single use, and using one twice ends every token of that sign-in."""
    refresh_grace: float = 60
    revocation: Literal["immediate", "delayed"] = "immediate"
    """When an ended session's access tokens stop working: at once, or at their own expiry. ``Logout`` is always at
    once."""
    assignments: Literal["live", "snapshot"] = "live"
    """Whether a changed assignment shows in sessions that have begun."""
    calls_per_second: float = 20
    """The portal's token bucket, which holds as many as it gains in a second; 0 switches it off."""
    page_size: int = 100
    """The most that one page of a listing holds."""
    slow_down: bool = False
    """Whether polling much faster than the interval is answered ``slow_down``."""
    mixed_grants: Literal["invalid-scope", "server-error"] = "invalid-scope"
    """What registering for device code and authorization code together meets; both were seen."""
    redirect_uris: Literal["strict", "relaxed"] = "strict"
    """``strict``: loopback ``/oauth/callback`` only · ``relaxed``: any path."""
    wrong_region: bool = False
    """As if the instance lived in another Region: sign-ins fail in the browser after Allow, and nothing tells the
    client."""
    warm_user: str | None = None
    """A user whose browser is signed in already: ``/authorize`` redirects at once, without a page. So it
    begins: once that user's session is ended, by Logout or an administrator, the browser asks until somebody allows."""
    advertise_endpoints: bool = False
    """Whether RegisterClient names ``authorizationEndpoint`` and ``tokenEndpoint``."""
    signature_lifetime: float = 900
    """How far a signature's time may be from now, at STS; 0 switches that off. Where the clock was moved, now is all of
    what is between the machine's time and the simulator's: programs sign by either."""
    absent_members: Literal["null", "omitted"] = "null"
    """How a reply says that a member has no value."""

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """These with some replaced; raises ScenarioProblem for an unknown name or a wrong value."""
        hints = get_type_hints(Settings)
        unknown = sorted(changes.keys() - hints.keys())
        if unknown:
            raise ScenarioProblem(f"there is no setting {unknown[0]!r}; there are: {', '.join(sorted(hints))}")
        changed = dataclasses.replace(
            self, **{name: _checked(name, hints[name], value) for name, value in changes.items()}
        )
        if not 1 <= changed.page_size <= 100:
            raise ScenarioProblem(f"page_size is 1 to 100, not {changed.page_size}")
        return changed


def _checked(name: str, hint: Any, value: Any) -> Any:
    kinds = get_args(hint)
    if kinds and all(isinstance(kind, str) for kind in kinds):
        if value in kinds:
            return value
        raise ScenarioProblem(f"{name} is one of {', '.join(kinds)}, not {value!r}")
    if value is None and type(None) in kinds:
        return None
    if hint is bool or hint is int:
        return _of_kind(name, hint, value)
    if hint is float or float in kinds:
        return seconds(name, value)
    return _of_kind(name, str, value)


def _of_kind(name: str, kind: type, value: Any) -> Any:
    if type(value) is not kind or (isinstance(value, int) and value < 0):
        raise ScenarioProblem(f"{name} must be {kind.__name__}, not {value!r}")
    return value


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(name: str, value: Any) -> float:
    """A duration: a number of seconds, or a number and one of s, m, h, d."""
    if isinstance(value, str) and value[-1:] in _UNITS:
        factor, number = _UNITS[value[-1]], value[:-1]
    else:
        factor, number = 1, value
    try:
        found = float(number) * factor
    except (TypeError, ValueError):
        raise ScenarioProblem(f"{name} must be seconds or like 20s, 15m, 8h, 90d, not {value!r}") from None
    if isinstance(value, bool) or not 0 <= found < float("inf"):
        raise ScenarioProblem(f"{name} must be seconds or like 20s, 15m, 8h, 90d, not {value!r}")
    return found
