"""What keyfob speaks of: frozen records, equal by value, secrets never in their repr."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Flow = Literal["pkce", "device"]
DEFAULT_SCOPES = ("sso:account:access",)


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on two clocks, in seconds: the wall (since 1970, can be set) and one that runs since boot, in suspend
    too, and cannot be set."""

    wall: float
    boot: float


def elapsed(since: Instant, now: Instant) -> float:
    """Seconds that have passed, by whichever clock says more, never less than none: what is counted down with it is
    believed shorter rather than longer."""
    return max(now.wall - since.wall, now.boot - since.boot, 0.0)


def jumped(before: Instant, now: Instant) -> float:
    """Seconds by which the wall clock moved more than the boot clock: set by hand or by NTP, or a suspend that the
    boot clock did not see."""
    return (now.wall - before.wall) - (now.boot - before.boot)


def normalised_start_url(url: str) -> str:
    """A start URL for comparison: people paste ``…/start``, ``…/start/``, ``…/start#`` and ``…/start/#/`` for one."""
    parts = urlsplit(url.strip())
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in at one IAM Identity Center instance, as ``~/.aws/config`` has it."""

    name: str
    start_url: str
    region: str
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    legacy: bool = False  # made of profiles with sso_start_url of their own

    @property
    def identity(self) -> tuple[str, str, str, tuple[str, ...]]:
        """What a sealed session must match to be used for this one."""
        return (self.name, normalised_start_url(self.start_url), self.region, self.scopes)


@dataclass(frozen=True, slots=True, order=True)
class SsoRole:
    """A session, an account and a permission set: what role credentials are held for."""

    session: str
    account_id: str
    role_name: str

    def __str__(self) -> str:
        return f"{self.session}/{self.account_id}/{self.role_name}"


@dataclass(frozen=True, slots=True, order=True)
class ChainedRole:
    """A role that is assumed from another profile's (``role_arn`` and ``source_profile``), known by its profile."""

    profile: str

    def __str__(self) -> str:
        return self.profile


Role = SsoRole | ChainedRole


def endpoint_path(role: Role) -> str:
    """The target of a role on the endpoint: letters, digits, ``/`` and ``-`` stand for themselves, any other byte is
    ``_`` and two hex digits. The C++ SDK encodes a percent sign twice and the JS SDK rewrites queries."""
    match role:
        case SsoRole(session, account_id, role_name):
            return f"/role/{_encoded(session)}/{_encoded(account_id)}/{_encoded(role_name)}"
        case ChainedRole(profile):
            return f"/profile/{_encoded(profile)}"


def _encoded(name: str) -> str:
    return "".join(
        chr(b) if chr(b).isascii() and (chr(b).isalnum() or b == 0x2D) else f"_{b:02x}" for b in name.encode()
    )


@dataclass(frozen=True, slots=True)
class RoleCredentials:
    """Temporary keys of one role."""

    role: Role
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: int  # seconds since 1970, as issued
    fetched: Instant
    lifetime: float  # seconds they had to live when they arrived, by the server's own clock

    def remaining(self, now: Instant) -> float:
        """Seconds left, by whichever clock says less."""
        return self.lifetime - elapsed(self.fetched, now)


@dataclass(frozen=True, slots=True)
class Registration:
    """A client that Identity Center knows (RegisterClient); one for each start URL, region, scopes and flow."""

    client_id: str
    client_secret: str = field(repr=False)
    expires_at: int  # seconds since 1970
    flow: Flow


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sign-in or a renewal yields, with the registration that alone can renew it."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    registration: Registration
    fetched: Instant
    lifetime: float  # seconds

    def remaining(self, now: Instant) -> float:
        """Seconds left of the access token, by whichever clock says less."""
        return self.lifetime - elapsed(self.fetched, now)


@dataclass(frozen=True, slots=True)
class Origins:
    """Where a session's Identity Center is: scheme, host and port of its two services. Tokens go nowhere else."""

    sso_oidc: str
    sso: str


@dataclass(frozen=True, slots=True)
class DeviceAuthorization:
    """A device code waiting for a person."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    lifetime: float  # seconds
    interval: float  # seconds between polls


@dataclass(frozen=True, slots=True)
class Account:
    """An account one is entitled to. Name and e-mail can be missing."""

    account_id: str
    name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """An account and the roles in it, as Identity Center listed them."""

    account: Account
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Process:
    """One process for ever: the kernel uses a pid again, but not with the same start time."""

    pid: int
    start_time: str


@dataclass(frozen=True, slots=True)
class EndpointToken:
    """A ticket to some roles on the endpoint. The table holds its hash; its text is with its consumer."""

    id: str
    digest: bytes = field(repr=False)  # SHA-256 of the text
    kind: Literal["standing", "exec"]
    label: str
    roles: tuple[Role, ...]
    created_at: int  # seconds since 1970
    last_used_at: int | None = None
    process: Process | None = None
    keep_until: int | None = None  # exec: lives until then though its process is gone


@dataclass(frozen=True, slots=True)
class SealedSession:
    """What is kept of a session between two lives of the daemon."""

    session: Session
    origins: Origins  # where it was signed in at
    tokens: Tokens | None  # None: signed out
    registrations: tuple[Registration, ...]
    catalogue: tuple[CatalogueEntry, ...]
    signed_in_at: float  # seconds since 1970

    @property
    def key(self) -> str:
        """One for each identity: the same name with another start URL is another session."""
        name, start_url, region, scopes = self.session.identity
        return "\n".join((name, start_url, region, *scopes))
